"""How often garbage is collected: rarely while a command starts, often enough while it runs."""

from __future__ import annotations

import gc


def collect_rarely() -> None:
    """Begin a command: its imports leave little garbage, and looking for it takes a tenth of the start."""
    gc.set_threshold(50_000, 20, 20)


def collect_as_usual() -> None:
    """End the start of what goes on for long: else its garbage would pile up for an hour before it is looked at."""
    gc.freeze()  # what was imported stays
    gc.set_threshold(2_000, 10, 10)
