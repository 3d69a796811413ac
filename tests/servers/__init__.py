"""Servers that behave as they should, and ones that misbehave as servers in the field do. Loopback only."""
