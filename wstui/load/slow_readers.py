"""Clients that stop reading when they are ready: does the server give them up, or let the others suffer?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wstui.load.client import Client
    from wstui.load.connect_outcome import Cause
    from wstui.measure.counters import Tally

ENDINGS_KEPT = 20
_WHOLE = 1_000_000
READ_UP_NS = 1_000_000_000
"""So long they read again at the end of a run, to see what became of them."""


def is_slow(number: int, share: float) -> bool:
    """Whether client `number` is one of the slow ones: of the clients 0…n-1, n·share are, evenly spread."""
    parts = round(share * _WHOLE)
    return (number + 1) * parts // _WHOLE > number * parts // _WHOLE


class SlowReaders:
    """The slow ones of a worker. They send nothing, are waited for by no broadcast, and are counted apart.

    The kernels on both sides hold some megabytes for each (4 on Linux, over loopback) before a server has to. That
    buffers stay as they are is on purpose: a receive buffer that was once made small never lets much through again.
    """

    def __init__(self, share: float, tally: Tally) -> None:
        self._share = share
        self._tally = tally
        self._paused: set[Client] = set()

    def __contains__(self, client: Client) -> bool:
        return client in self._paused

    @property
    def open(self) -> bool:
        """Whether there are any now."""
        return bool(self._paused)

    def take(self, client: Client) -> bool:
        """A client is ready; if it is a slow one it reads no more from now on."""
        if not is_slow(client.number, self._share) or client.transport is None:
            return False
        self._paused.add(client)
        self._tally.counters.slow_readers += 1
        client.transport.pause_reading()
        return True

    def resume_all(self) -> None:
        """All of them read again: what was written to them comes, and how they were ended."""
        for client in self._paused:
            self._resume(client)

    def leaves(self, client: Client) -> None:
        """We close the connection: the other side's answer has to be read."""
        if client in self._paused:
            self._paused.discard(client)
            self._resume(client)

    def ended(self, client: Client, cause: Cause) -> bool:
        """The other side ended a connection; whether it was that of a slow one."""
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
    def _resume(client: Client) -> None:
        if client.transport is not None and not client.transport.is_closing():
            client.transport.resume_reading()
