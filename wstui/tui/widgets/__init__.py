"""The parts of a screen: each file draws one thing an operator asks about."""
