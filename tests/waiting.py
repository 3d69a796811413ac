"""Waits for a condition in tests that have no event loop."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 90.0


def wait_until(condition: Callable[[], object], what: str = "the condition holds") -> None:
    """Wait for a condition; fail with its name when it does not come true."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)
