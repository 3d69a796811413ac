"""The worker's link to its operator: whole messages, each preceded by its length in four bytes."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import BinaryIO

LENGTH = struct.Struct(">I")
MESSAGE_LIMIT = 64 * 1024 * 1024
BACKLOG_LIMIT = 1024 * 1024
FLUSH_S = 60.0
"""How long a busy operator may take to read the last messages; one that has ended is noticed at once."""


class LinkLost(Exception):
    """The operator is gone."""


class PipeLink:
    """A link over two pipes, normally stdin and stdout."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.WriteTransport, closed: asyncio.Event) -> None:
        self._reader = reader
        self._writer = writer
        self._closed = closed
        self.flush_s = FLUSH_S

    @classmethod
    async def open(cls, read_from: BinaryIO, write_to: BinaryIO) -> PipeLink:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=MESSAGE_LIMIT)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), read_from)
        end = _CloseNotice()
        writer, _ = await loop.connect_write_pipe(lambda: end, write_to)
        return cls(reader, writer, end.reached)

    def send(self, message: bytes, *, last: bool = False) -> None:
        """Send a message without blocking.

        If the other side is far behind, drop it unless it is the `last`: snapshots are cumulative, the next one heals.
        If it is gone, drop it: uvloop raises on a closed pipe, and goodbyes are to be said yet.
        """
        if self._writer.is_closing():
            return
        if last or self._writer.get_write_buffer_size() < BACKLOG_LIMIT:
            self._writer.write(LENGTH.pack(len(message)) + message)

    async def receive(self) -> bytes:
        """Return the next message. Raises LinkLost if no more will come."""
        return await read_message(self._reader)

    async def close(self) -> None:
        """Close the link when everything buffered is sent: it would be lost with this process."""
        self._writer.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), self.flush_s)


class _CloseNotice(asyncio.Protocol):
    """Notices that a pipe is closed: by us and empty, or by the other side."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.reached.set()


async def read_message(reader: asyncio.StreamReader, limit: int = MESSAGE_LIMIT) -> bytes:
    """Read a message from a stream. Raises LinkLost at its end or if the length is impossible."""
    try:
        (size,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        if size > limit:
            raise LinkLost(f"a message of {size} bytes")
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError, OSError) as error:
        raise LinkLost(str(error)) from error
