"""Dialogs: confirm, save, ramp, filter, help and the like."""
