"""Checks before a run, the probe and the smoke test."""
