"""The result of a run, as a screen."""
