"""What follows a run while it goes: events, metrics, the progress line."""
