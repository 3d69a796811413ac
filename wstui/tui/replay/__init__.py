"""Stored runs on the dashboard, at any speed."""
