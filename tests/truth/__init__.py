"""A table of faults and of what is right for each. `python -m tests.truth` prints it."""
