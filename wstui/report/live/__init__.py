"""Exports of a run in progress: events, metrics, the progress line."""
