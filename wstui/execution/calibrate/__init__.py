"""Measurement of what this machine can generate."""
