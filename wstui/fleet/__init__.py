"""Processes that each run a worker, and how the operator's side talks to them."""
