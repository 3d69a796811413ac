"""The target's own reports, compared with what clients measure."""
