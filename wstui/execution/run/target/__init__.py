"""What the target says of itself, compared with what clients measure."""
