"""One run: its controller, status, metrics, result and verdict."""
