"""The list of stored runs and their comparison."""
