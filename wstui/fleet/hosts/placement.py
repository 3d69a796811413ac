"""Which machine gets which worker: a pure function."""

from __future__ import annotations

from collections.abc import Sequence


def place(count: int, room: Sequence[int], taken: Sequence[int]) -> list[int]:
    """Where to put `count` more workers: an index of `room` for each, so that hosts fill up in proportion.

    `room` is how many workers each host is meant to have, `taken` how many it has; a host without room gets none.
    """
    there = list(taken)
    chosen = []
    for _ in range(count):
        best = min((index for index, size in enumerate(room) if size > 0), key=lambda i: ((there[i] + 1) / room[i], i))
        there[best] += 1
        chosen.append(best)
    return chosen
