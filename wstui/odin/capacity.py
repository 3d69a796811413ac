"""Places for connections: so many at once, and 503 for who comes then."""

from __future__ import annotations

from typing import Protocol


class Capacity(Protocol):
    """Taken by who is let in, and given back when it leaves."""

    def take(self) -> bool:
        """Whether there was a place; it is then taken."""
        ...

    def give_back(self) -> None:
        """A place is free again."""
        ...


class OwnPlaces:
    """Those of one process."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    def take(self) -> bool:
        """Whether there was a place; it is then taken."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        """A place is free again."""
        self._free += 1
