"""Where worker processes post their stats, so that any of them can answer for all: a shared piece of memory."""

from __future__ import annotations

import mmap
import os
import struct
import tempfile

import msgspec

from wstui.odin.stats import Stats

SLOT_BYTES = 64 * 1024
_HEAD = struct.Struct("<QQ")  # number of the post (odd while it is being written), length
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Stats).decode


class StatsBoard:
    """One slot for each of `workers` processes. It lives in an unlinked file, which ends with its last user."""

    def __init__(self, descriptor: int, workers: int) -> None:
        """Attach to the board behind `descriptor`."""
        self.descriptor = descriptor
        self.workers = workers
        self._memory = mmap.mmap(descriptor, workers * SLOT_BYTES)
        self._last: dict[int, Stats] = {}

    @classmethod
    def create(cls, workers: int) -> StatsBoard:
        """An empty board."""
        with tempfile.TemporaryFile() as file:
            file.truncate(workers * SLOT_BYTES)
            return cls(os.dup(file.fileno()), workers)

    def post(self, worker: int, stats: Stats) -> None:
        """Replace what `worker` has said before. What is too long for a slot is not posted."""
        content = _encode(stats)
        if len(content) > SLOT_BYTES - _HEAD.size:
            return
        at = worker * SLOT_BYTES
        number, _ = _HEAD.unpack_from(self._memory, at)
        _HEAD.pack_into(self._memory, at, number + 1, len(content))
        self._memory[at + _HEAD.size : at + _HEAD.size + len(content)] = content
        _HEAD.pack_into(self._memory, at, number + 2, len(content))

    def read(self) -> dict[int, Stats]:
        """The latest stats of each worker that has posted any."""
        for worker in range(self.workers):
            at = worker * SLOT_BYTES
            number, length = _HEAD.unpack_from(self._memory, at)
            content = self._memory[at + _HEAD.size : at + _HEAD.size + length]
            if number == 0 or number % 2 or _HEAD.unpack_from(self._memory, at)[0] != number:
                continue  # it is writing: what it said before holds
            self._last[worker] = _decode(content)
        return dict(self._last)

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()
        os.close(self.descriptor)
