"""The scenario editor: its screen, form and preview."""
