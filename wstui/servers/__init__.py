"""What the servers that wstui starts share: child processes and raw frames."""
