"""Interpretation of results: findings, comparison, significance."""
