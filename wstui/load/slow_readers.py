"""Clients that stop reading once they are ready, to see whether the server drops them or lets the others suffer."""

from __future__ import annotations

from wstui.load.client import LoadClient
from wstui.load.connect_outcome import Cause
from wstui.measure.counters import Tally

ENDINGS_KEPT = 20
_WHOLE = 1_000_000
READ_UP_NS = 1_000_000_000
"""How long they read again at the end of a run, to see how they were ended."""


def is_slow(number: int, share: float) -> bool:
    """Return whether client `number` is a slow reader: n·share of the clients 0…n-1 are, evenly spread."""
    parts = round(share * _WHOLE)
    return (number + 1) * parts // _WHOLE > number * parts // _WHOLE


class SlowReaders:
    """The slow readers of a worker. They send nothing, no broadcast waits for them, and they are counted apart.

    The kernels on both sides buffer some megabytes for each (4 on Linux, over loopback) before a server has to. The
    buffers keep their size on purpose: a receive buffer that was once made small never lets much through again.
    """

    def __init__(self, share: float, tally: Tally) -> None:
        self._share = share
        self._tally = tally
        self._paused: set[LoadClient] = set()

    def __contains__(self, client: LoadClient) -> bool:
        return client in self._paused

    @property
    def open(self) -> bool:
        return bool(self._paused)

    def take(self, client: LoadClient) -> bool:
        """Let a ready client stop reading, if it is a slow reader. Return whether it is."""
        if not is_slow(client.number, self._share) or client.transport is None:
            return False
        self._paused.add(client)
        self._tally.counters.slow_readers += 1
        client.transport.pause_reading()
        return True

    def resume_all(self) -> None:
        """Let all read again, to receive what was written to them and how they were ended."""
        for client in self._paused:
            self._resume(client)

    def begin_closing(self, client: LoadClient) -> None:
        """Let a client read again that we close: the other side's answer has to be read."""
        if client in self._paused:
            self._paused.discard(client)
            self._resume(client)

    def ended(self, client: LoadClient, cause: Cause) -> bool:
        """Record that the other side ended a connection. Return whether the client was a slow reader."""
        if client not in self._paused:
            return False
        self._paused.discard(client)
        self._tally.counters.slow_closed += 1
        name = f"{cause.kind}: {cause.message}"
        endings = self._tally.slow_endings
        if name in endings or len(endings) < ENDINGS_KEPT:
            endings[name] = endings.get(name, 0) + 1
        return True

    @staticmethod
    def _resume(client: LoadClient) -> None:
        if client.transport is not None and not client.transport.is_closing():
            client.transport.resume_reading()
