"""Conversations: roles with steps, matchers and rules, as a scenario file says them."""
