"""The manual as a screen."""
