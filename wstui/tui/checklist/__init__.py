"""The checks before a run, as a screen."""
