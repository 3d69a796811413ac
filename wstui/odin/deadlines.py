"""Deadlines of many connections, looked at together, so that none of them needs a timer of its own."""

from __future__ import annotations

from typing import Protocol


class Expiring(Protocol):
    """Something that can run out of time."""

    def expire(self) -> None:
        """Called once when the deadline has passed."""
        ...


class Deadlines:
    """At most one deadline for each connection, in seconds of the loop's clock."""

    def __init__(self) -> None:
        self._at: dict[Expiring, float] = {}

    def __len__(self) -> int:
        return len(self._at)

    def set(self, who: Expiring, at: float) -> None:
        """Give `who` until `at`, in place of any deadline it had."""
        self._at[who] = at

    def clear(self, who: Expiring) -> None:
        """Take its deadline away."""
        self._at.pop(who, None)

    def sweep(self, now: float) -> None:
        """Expire all whose deadline has passed."""
        for who in [who for who, at in self._at.items() if at <= now]:
            del self._at[who]
            who.expire()
