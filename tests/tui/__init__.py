"""The terminal, driven by a run that is made up."""
