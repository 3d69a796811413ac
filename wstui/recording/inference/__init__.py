"""Guesses a scenario from what was recorded. Nothing in here opens a file or a socket."""
