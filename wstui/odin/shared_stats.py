"""Where worker processes post their stats, so that any of them can answer for all: a shared piece of memory."""

from __future__ import annotations

import mmap
import os
import struct
import tempfile

import msgspec

from wstui.odin.stats import Stats

POST_BYTES = 64 * 1024
_NUMBER = struct.Struct("<Q")  # of the latest post
_LENGTH = struct.Struct("<Q")
_SLOT_BYTES = _NUMBER.size + 2 * POST_BYTES  # the latest post and the one before it, or the one that is being written
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Stats).decode


class StatsBoard:
    """One slot for each of `workers` processes. It lives in an unlinked file, which ends with its last user."""

    def __init__(self, descriptor: int, workers: int) -> None:
        """Attach to the board behind `descriptor`."""
        self.descriptor = descriptor
        self.workers = workers
        self._memory = mmap.mmap(descriptor, workers * _SLOT_BYTES)

    @classmethod
    def create(cls, workers: int) -> StatsBoard:
        """An empty board."""
        with tempfile.TemporaryFile() as file:
            file.truncate(workers * _SLOT_BYTES)
            return cls(os.dup(file.fileno()), workers)

    def post(self, worker: int, stats: Stats) -> None:
        """Replace what `worker` has said before. What is too long for a post is not posted."""
        content = _encode(stats)
        if len(content) > POST_BYTES - _LENGTH.size:
            return
        memory = self._memory
        number = self._number(worker) + 1
        at = self._place(worker, number)
        _LENGTH.pack_into(memory, at, len(content))
        memory[at + _LENGTH.size : at + _LENGTH.size + len(content)] = content
        _NUMBER.pack_into(memory, worker * _SLOT_BYTES, number)

    def read(self) -> dict[int, Stats]:
        """The latest stats of each worker that has posted any: never older than what was read before, here or there."""
        found = {}
        for worker in range(self.workers):
            while number := self._number(worker):
                at = self._place(worker, number)
                (length,) = _LENGTH.unpack_from(self._memory, at)
                content = self._memory[at + _LENGTH.size : at + _LENGTH.size + length]
                if self._number(worker) == number:
                    found[worker] = _decode(content)
                    break
        return found

    def _number(self, worker: int) -> int:
        number: int = _NUMBER.unpack_from(self._memory, worker * _SLOT_BYTES)[0]
        return number

    def _place(self, worker: int, number: int) -> int:
        return worker * _SLOT_BYTES + _NUMBER.size + number % 2 * POST_BYTES

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()
        os.close(self.descriptor)
