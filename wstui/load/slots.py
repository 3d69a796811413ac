"""The places of a worker's clients: small numbers, so that who received what fits into a row of bytes."""

from __future__ import annotations

from heapq import heappop, heappush


class Slots:
    """Numbers from 0. One is not taken again before its last client is gone, and the lowest one is taken first."""

    def __init__(self) -> None:
        self._made = 0
        self._free: list[int] = []
        self._leaving: set[int] = set()

    def take(self) -> int:
        """A place for a client."""
        if self._free:
            return heappop(self._free)
        self._made += 1
        return self._made - 1

    def leave(self, place: int) -> None:
        """The place becomes free as soon as its client is gone."""
        self._leaving.add(place)

    def is_left(self, place: int) -> bool:
        """Whether the place becomes free when its client is gone."""
        return place in self._leaving

    def vacate(self, place: int) -> None:
        """The client that had this place is gone; the place is free if it was to be left."""
        if place in self._leaving:
            self._leaving.discard(place)
            heappush(self._free, place)

    def give_back(self, place: int) -> None:
        """The place has no client, and is free."""
        self._leaving.discard(place)
        heappush(self._free, place)
