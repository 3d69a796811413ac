"""Scenarios from recorded sessions: which file, and its guesses one by one."""
