"""Shared by the servers that wstui starts: child processes and raw frames."""
