"""The terminal: draws the picture of a run that `execution.status` publishes and sends the operator's commands."""
