"""Measurements: histograms, counters, failures and the timeline. Knows nothing of where numbers go."""
