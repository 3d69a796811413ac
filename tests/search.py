"""How hypothesis searches: the same examples each time, so that a change fails because of what it changes.

The profile `thorough` looks for new ones: `HYPOTHESIS_PROFILE=thorough pytest …`.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# The machines that run this are shared: an example may be slow without anything being wrong.
settings.register_profile(
    "quick", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.register_profile(
    "thorough", parent=settings.get_profile("quick"), max_examples=3000, derandomize=False, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

MOST: int = settings().max_examples
FEW = settings(max_examples=MOST * 2 // 5)
"""For tests whose examples take long."""
