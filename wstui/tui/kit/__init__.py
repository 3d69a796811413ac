"""Widgets and text helpers that know nothing of a run."""
