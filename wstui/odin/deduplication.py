"""Remembers the nonces of the last minute, in bounded memory."""

from __future__ import annotations

NONCES_MAX = 200_000
NONCE_LENGTH_MAX = 128


class Deduplication:
    """Tells a nonce that was seen within `window` seconds from a new one.

    At most `limit` nonces are remembered; beyond that the oldest is forgotten early and counted in `forgotten`.
    """

    def __init__(self, window: float, limit: int = NONCES_MAX) -> None:
        self.forgotten = 0
        self._window = window
        self._limit = limit
        self._seen: dict[str, float] = {}  # nonce → when; insertion order is the order of time

    def __len__(self) -> int:
        return len(self._seen)

    def is_duplicate(self, nonce: str, now: float) -> bool:
        """Whether `nonce` was seen in the window that ends at `now` (seconds, any clock that never goes back)."""
        seen = self._seen
        horizon = now - self._window
        while seen:
            oldest = next(iter(seen))
            if seen[oldest] > horizon:
                break
            del seen[oldest]
        nonce = nonce[:NONCE_LENGTH_MAX]
        if nonce in seen:
            return True
        if len(seen) >= self._limit:
            del seen[next(iter(seen))]
            self.forgotten += 1
        seen[nonce] = now
        return False
