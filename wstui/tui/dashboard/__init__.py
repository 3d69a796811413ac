"""The live dashboard: its screen and panels."""
