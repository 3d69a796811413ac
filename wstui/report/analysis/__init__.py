"""What results mean: findings, comparison, significance."""
