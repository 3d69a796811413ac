"""The start screen: presets and recent runs."""
