"""One run: a scenario and a fleet become a timeline, a result and a verdict. Does not know who is watching."""
