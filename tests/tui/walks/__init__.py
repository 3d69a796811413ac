"""Whole jobs of an operator, each done by keys in a true terminal against a real server."""
