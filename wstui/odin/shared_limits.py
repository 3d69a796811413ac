"""Limits of several worker processes together: token buckets and a count, in memory that they share behind one lock."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import struct
import sys
import tempfile
from collections.abc import Iterator

from wstui.odin.ratelimit import RateLimit, TokenBucket, network

if sys.platform != "win32":  # where there are no workers
    import fcntl

SETS, WAYS = 2048, 8
_COUNT = struct.Struct("<q")
_BUCKET = struct.Struct("<dd")  # tokens, when they were counted
_ENTRY = struct.Struct("<Qdd")  # whose, and its bucket
_SET = struct.Struct("<" + "Qdd" * WAYS)
_TABLE = SETS * _SET.size
_LIMIT = _BUCKET.size + _TABLE
_LIMITS = 2


class SharedLimits:
    """It lives in an unlinked file, which ends with its last user; the lock ends with a process that holds it."""

    def __init__(self, descriptor: int) -> None:
        """Attach to the memory behind `descriptor`."""
        self.descriptor = descriptor
        self.memory = mmap.mmap(descriptor, _COUNT.size + _LIMITS * _LIMIT)

    @classmethod
    def create(cls) -> SharedLimits:
        """All buckets full, nobody counted."""
        with tempfile.TemporaryFile() as file:
            file.truncate(_COUNT.size + _LIMITS * _LIMIT)
            return cls(os.dup(file.fileno()))

    def places(self, limit: int) -> SharedPlaces:
        """The places for connections."""
        return SharedPlaces(self, limit)

    def rate(self, number: int, rate: float, rate_per_address: float) -> RateLimit:
        """The rate limit of that number (0 or 1)."""
        return SharedRateLimit(self, _COUNT.size + number * _LIMIT, rate, rate_per_address)

    @contextlib.contextmanager
    def locked(self) -> Iterator[mmap.mmap]:
        """The memory, while no other process changes it."""
        fcntl.lockf(self.descriptor, fcntl.LOCK_EX)
        try:
            yield self.memory
        finally:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the memory."""
        self.memory.close()
        os.close(self.descriptor)


class SharedPlaces:
    """So many connections at once, whichever worker has them; see `Places`."""

    def __init__(self, shared: SharedLimits, limit: int) -> None:
        self._shared = shared
        self._limit = limit

    def take(self) -> bool:
        """Whether there was a place; it is then taken."""
        with self._shared.locked() as memory:
            (taken,) = _COUNT.unpack_from(memory, 0)
            if taken >= self._limit:
                return False
            _COUNT.pack_into(memory, 0, taken + 1)
            return True

    def give_back(self) -> None:
        """A place is free again."""
        with self._shared.locked() as memory:
            _COUNT.pack_into(memory, 0, _COUNT.unpack_from(memory, 0)[0] - 1)


class SharedRateLimit(RateLimit):
    """A rate limit of all workers.

    An address has one of the `WAYS` entries of its set; where all are taken, the one not seen for longest is forgotten.
    """

    def __init__(self, shared: SharedLimits, start: int, rate: float, rate_per_address: float) -> None:
        super().__init__(rate, rate_per_address)
        self._shared = shared
        self._start = start
        self._own = TokenBucket(rate_per_address, 0.0) if rate_per_address > 0 else None

    def take(self, address: str, now: float) -> int:
        """See RateLimit."""
        with self._shared.locked() as memory:
            if self._all is not None:
                self._all.state = _BUCKET.unpack_from(memory, self._start)
            at, key = self._entry(memory, address, now)
            wait = super().take(address, now)
            if self._all is not None:
                _BUCKET.pack_into(memory, self._start, *self._all.state)
            if self._own is not None:
                _ENTRY.pack_into(memory, at, key, *self._own.state)
            return wait

    def _bucket(self, address: str, now: float) -> TokenBucket:
        assert self._own is not None
        return self._own

    def _entry(self, memory: mmap.mmap, address: str, now: float) -> tuple[int, int]:
        """Where the bucket of an address is, and its key; loads it into `_own`."""
        if self._own is None:
            return 0, 0
        digest = hashlib.blake2b(network(address).encode(), digest_size=16).digest()
        key = int.from_bytes(digest[:8], "little") or 1  # 0 is a free entry
        start = self._start + _BUCKET.size + int.from_bytes(digest[8:], "little") % SETS * _SET.size
        entries = list(_ENTRY.iter_unpack(memory[start : start + _SET.size]))
        way = next((way for way, entry in enumerate(entries) if entry[0] == key), None)
        if way is None:
            way = min(range(WAYS), key=lambda way: entries[way][2])
            self._own.refill(now)
        else:
            self._own.state = entries[way][1:]
        return start + way * _ENTRY.size, key
