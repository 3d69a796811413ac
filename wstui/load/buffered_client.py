"""A client that asyncio's own loop serves cheaply."""

from __future__ import annotations

import asyncio
import select

from wstui.load.client import LoadClient

_BUFFER = memoryview(bytearray(256 * 1024))


class BufferedClient(LoadClient, asyncio.BufferedProtocol):
    """A client for asyncio's own loop, which would allocate 256 KiB for each receive; one buffer serves all."""

    __slots__ = ()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the shared buffer, which is emptied before the loop reads again."""
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(_BUFFER[:nbytes]))


def client_class(loop: asyncio.AbstractEventLoop) -> type[LoadClient]:
    """Return the class of client for a loop: our own sockets and uvloop hand bytes over cheaply."""
    lean = hasattr(select, "epoll") or type(loop).__module__.startswith("uvloop")
    return LoadClient if lean else BufferedClient
