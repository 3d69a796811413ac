"""Carries Dask's connections over one pair of pipes, the standard input and output of a command: nothing listens.

Each connection is a numbered channel of a `PipeMux`. Addresses are `wstui://NAME`.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from distributed.comm.core import BaseListener, Comm, CommClosedError, Connector
from distributed.comm.registry import Backend, backends
from distributed.comm.utils import from_frames, to_frames
from distributed.protocol.utils import pack_frames, unpack_frames

from wstui.load.pipe_link import LENGTH, LinkLost, read_message

SCHEME = "wstui"
LARGEST = 1 << 31
"""A message may hold the specifications of all workers of a host, each with rows of a feed."""
_HEAD = struct.Struct(">IB")
_OPEN, _DATA, _CLOSE = range(3)


class PipeMux:
    """All connections with one other process. The side that is `first` numbers its channels evenly."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, first: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(0 if first else 1, 2)
        self._comms: dict[int, PipeComm] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.names: set[str] = set()
        self.closed = False

    def reaches(self, *names: str) -> None:
        """Let connections to these names go this way."""
        self.names.update(names)
        _ways.update(dict.fromkeys(names, self))

    async def run(self) -> None:
        """Pass on what arrives until the other side is gone."""
        try:
            while True:
                message = await read_message(self._reader, LARGEST)
                number, kind = _HEAD.unpack_from(message)
                self._take(number, kind, message)
        except LinkLost:
            pass
        finally:
            self.close()

    def _take(self, number: int, kind: int, message: bytes) -> None:
        comm = self._comms.get(number)
        if kind == _DATA and comm is not None:
            comm.inbox.put_nowait(memoryview(message)[_HEAD.size :])
        elif kind == _CLOSE and comm is not None:
            del self._comms[number]
            comm.lose()
        elif kind == _OPEN:
            name = message[_HEAD.size :].decode()
            listener = _listeners.get(name)
            if listener is None:
                self._write(number, _CLOSE)
                return
            comm = self._comms[number] = PipeComm(self, number, name, f"{name}/{number}", listener.deserialize)
            task = asyncio.create_task(listener.accept(comm))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def connect(self, name: str, deserialize: bool) -> PipeComm:
        """Open a connection to what listens as `name` there."""
        number = next(self._numbers)
        self._write(number, _OPEN, name.encode())
        comm = self._comms[number] = PipeComm(self, number, f"{name}/{number}", name, deserialize)
        return comm

    async def send(self, number: int, data: bytes) -> None:
        self._write(number, _DATA, data)
        await self._writer.drain()

    def _write(self, number: int, kind: int, data: bytes = b"") -> None:
        if self.closed:
            raise CommClosedError("the host's connection is closed")
        self._writer.write(LENGTH.pack(_HEAD.size + len(data)) + _HEAD.pack(number, kind) + data)

    def forget(self, number: int) -> None:
        """Close a channel."""
        if self._comms.pop(number, None) is not None and not self.closed:
            self._write(number, _CLOSE)

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        for name in self.names:
            _ways.pop(name, None)
        for comm in list(self._comms.values()):
            comm.lose()
        self._writer.close()


_ways: dict[str, PipeMux] = {}
_listeners: dict[str, PipeListener] = {}


class PipeComm(Comm):  # type: ignore[misc]
    """One of Dask's connections."""

    def __init__(self, mux: PipeMux, number: int, local: str, peer: str, deserialize: bool) -> None:
        self._mux = mux
        self._number = number
        # distributed.comm.core.connect() reads these two.
        self._local_addr, self._peer_addr = f"{SCHEME}://{local}", f"{SCHEME}://{peer}"
        self._closed = False
        self.inbox: asyncio.Queue[memoryview | None] = asyncio.Queue()
        super().__init__(deserialize=deserialize)

    @property
    def local_address(self) -> str:
        return self._local_addr

    @property
    def peer_address(self) -> str:
        return self._peer_addr

    @property
    def same_host(self) -> bool:
        return False

    async def read(self, deserializers: Any = None) -> Any:
        data = None if self._closed and self.inbox.empty() else await self.inbox.get()
        if data is None:
            self._closed = True
            raise CommClosedError("the other side has closed")
        return await from_frames(
            unpack_frames(data), deserialize=self.deserialize, deserializers=deserializers, allow_offload=False
        )

    async def write(self, msg: Any, serializers: Any = None, on_error: Any = "message") -> int:
        if self._closed:
            raise CommClosedError("closed")
        context = {"sender": self.local_info, "recipient": self.remote_info, **self.handshake_options}
        frames = await to_frames(msg, allow_offload=False, serializers=serializers, on_error=on_error, context=context)
        data = pack_frames(frames)
        try:
            await self._mux.send(self._number, data)
        except (ConnectionError, RuntimeError) as error:
            raise CommClosedError(str(error)) from error
        return len(data)

    async def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self._closed:
            self.lose()
            self._mux.forget(self._number)

    def lose(self) -> None:
        """Note that nothing more will come."""
        self._closed = True
        self.inbox.put_nowait(None)

    def closed(self) -> bool:
        return self._closed


class PipeListener(BaseListener):  # type: ignore[misc]
    """Accepts the connections that arrive for its name, by whichever pipe."""

    prefix = f"{SCHEME}://"

    def __init__(
        self,
        name: str,
        handle: Callable[[Comm], Awaitable[None]],
        deserialize: bool,
        handshake_overrides: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        super().__init__()
        self._name = name
        self._handle = handle
        self._overrides = handshake_overrides
        self.deserialize = deserialize

    async def accept(self, comm: PipeComm) -> None:
        try:
            await self.on_connection(comm, self._overrides)
        except CommClosedError:
            return
        await self._handle(comm)

    async def start(self) -> None:
        _listeners[self._name] = self

    def stop(self) -> None:
        _listeners.pop(self._name, None)
        self.abort_handshaking_comms()

    @property
    def listen_address(self) -> str:
        return f"{SCHEME}://{self._name}"

    @property
    def contact_address(self) -> str:
        return self.listen_address


class _PipeConnector(Connector):  # type: ignore[misc]
    async def connect(self, address: str, deserialize: bool = True, **_: Any) -> PipeComm:
        mux = _ways.get(address)
        if mux is None:
            raise OSError(f"no pipe leads to {address}")
        return mux.connect(address, deserialize)


class _PipeBackend(Backend):  # type: ignore[misc]
    def get_connector(self) -> Connector:
        return _PipeConnector()

    def get_listener(
        self, loc: str, handle_comm: Callable[[Comm], Awaitable[None]], deserialize: bool, **options: Any
    ) -> PipeListener:
        return PipeListener(loc.partition(":")[0], handle_comm, deserialize, **options)  # Dask adds a port

    def get_address_host(self, loc: str) -> str:
        return loc

    def resolve_address(self, loc: str) -> str:
        return loc

    def get_local_address_for(self, loc: str) -> str:
        return loc


backends[SCHEME] = _PipeBackend()
