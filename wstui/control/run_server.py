"""Serves a run on its control socket, in a thread and a loop of its own: nothing that clients do holds up the run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pwd
import select
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import msgspec

from wstui.control import registry
from wstui.control.control_messages import (
    LINE_LIMIT,
    PROTOCOL,
    Answered,
    Failed,
    Hello,
    Request,
    Watch,
    decode_to_server,
    line,
)
from wstui.control.status_lines import Encodings, StatusWriter
from wstui.control.stream import Happened, StreamEnd, ToClient
from wstui.execution.run.commands import RunControl
from wstui.execution.run.result import Result, SuiteResult, stamp
from wstui.execution.run.status import Status
from wstui.measure.sanitize import sanitize
from wstui.report.live.event_stream import RunEvents
from wstui.report.store.owner import this_writer

log = logging.getLogger(__name__)
EVERY_S = 0.25
MOST_CLIENTS = 64
SLOW_S = 10.0
"""A client that takes nothing for so long is dropped."""
END_S = 2.0
"""How long clients have to take the last line."""
_NAME_LENGTH = 40


class ControlServer:
    """The control socket of a run, from `start` to `close`; `problem` says why there is none."""

    def __init__(self, run: RunControl, *, store: str = "", numbers: Callable[[], Sequence[int]]) -> None:
        """`numbers` returns the numbers that the run has in the store so far."""
        self.problem = ""
        self.run = run
        self.encodings = Encodings()
        self.status: Status = run.status
        self.last: StreamEnd | None = None
        self.entry = registry.Entry(
            id="", name=run.name, socket="", pid=os.getpid(), writer=this_writer(), started=stamp(),
            wstui=version("wstui"), store=store,
        )  # fmt: skip
        self._numbers = numbers
        self._result: Result | SuiteResult | None = None
        self.clients: set[asyncio.Task[None]] = set()
        self._picture = asyncio.Event()
        self._closing = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._work, name="wstui-control", daemon=True)

    def start(self) -> None:
        """Begin to serve, and return once clients can connect."""
        self._thread.start()
        self._ready.wait(5.0)

    def close(self, result: Result | SuiteResult | None) -> None:
        """Send the result to all who watch, and end."""
        self._result = result
        if hasattr(self, "loop"):
            with contextlib.suppress(RuntimeError):  # it has ended
                self.loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(END_S * 2)

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self.problem = f"the run can't be steered from elsewhere: {error}"
        except Exception as error:
            log.exception("the control socket failed")
            self.problem = f"the run can't be steered from elsewhere: {error!r}"
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        entry = self.entry
        entry.id = registry.new_id()
        try:
            path = registry.socket_path(entry.id)
            entry.socket = str(path)
            server = await asyncio.start_unix_server(self._accept, path, limit=LINE_LIMIT)
            path.chmod(0o600)
            entry.runs = list(self._numbers())
            registry.write(entry)
            self._ready.set()
            async with server:
                await self._publish()
                server.close()
                if self.clients:
                    await asyncio.wait(self.clients, timeout=END_S)
                for client in self.clients:
                    client.cancel()
        finally:
            registry.remove(entry)

    async def _publish(self) -> None:
        """Show each picture of the run to those who watch, until it has ended."""
        ended_ticks = 0
        while not self._closing.is_set() and ended_ticks * EVERY_S < END_S:
            self._show()
            ended_ticks += self.status.state.ended and not self.status.result.verdict.running
            if (numbers := list(self._numbers())) != self.entry.runs:
                self.entry.runs = numbers
                registry.write(self.entry)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), EVERY_S)
        result = self._result
        final = self.run.status.result
        self.last = StreamEnd(
            result if isinstance(result, Result) else final if not final.verdict.running else None,
            result if isinstance(result, SuiteResult) else None,
        )
        self._show()

    def _show(self) -> None:
        self.status = self.run.status
        self._picture.set()
        self._picture = asyncio.Event()

    async def next_picture(self) -> None:
        await self._picture.wait()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        full = f"{MOST_CLIENTS} clients are connected already" if len(self.clients) >= MOST_CLIENTS else ""
        self.clients.add(task)
        try:
            with contextlib.suppress(OSError):
                await _Client(self, reader, writer).serve(
                    f"{MOST_CLIENTS} clients are connected already" if full else ""
                )
        except asyncio.CancelledError:
            pass  # the server ends
        finally:
            self.clients.discard(task)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()


@dataclass(frozen=True, slots=True)
class _Peer:
    """The process at the other end, as the kernel knows it; `pid` 0 where it does not."""

    pid: int
    uid: int

    @classmethod
    def of(cls, connection: socket.socket) -> _Peer:
        if not hasattr(socket, "SO_PEERCRED"):
            return cls(0, os.getuid())  # the folder is ours alone
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid, uid, _ = struct.unpack("3i", data)
        return cls(pid, uid)

    @property
    def user(self) -> str:
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


class _Client:
    """One connection: its commands in order, each answered, and beside them what it watches."""

    def __init__(self, server: ControlServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server, self._reader, self._writer = server, reader, writer
        self._peer = _Peer.of(writer.get_extra_info("socket"))
        self._name = "control"
        self._watching: asyncio.Task[None] | None = None

    async def serve(self, refused: str) -> None:
        entry = self._server.entry
        if self._peer.uid not in (os.getuid(), 0):
            refused = f"this run is {_Peer(0, os.getuid()).user}'s"
        self._write(Hello(wstui=entry.wstui, name=entry.name, run=entry.id, pid=entry.pid, user=self._peer.user))
        try:
            while not refused and (received := await self._line()):
                refused = await self._take(received)
                await self._drained()
            if refused:
                self._write(Failed(refused))
                await self._drained()
            elif self._watching is not None:
                await self._watching  # what is left to say: the client writes no more, but may read
        except TimeoutError:
            self._writer.transport.abort()
        finally:
            if self._watching is not None:
                self._watching.cancel()

    async def _line(self) -> bytes:
        """Return the next line, empty at the end. Raises ValueError."""
        try:
            return await self._reader.readuntil()
        except asyncio.IncompleteReadError:
            return b""
        except asyncio.LimitOverrunError:
            return b"-"  # too long to be read, and so nothing that can be understood

    async def _take(self, received: bytes) -> str:
        """Carry out a line; return why the connection is to be closed, or ""."""
        try:
            message = decode_to_server(received)
        except msgspec.MsgspecError as error:
            most = f"a line of at most {LINE_LIMIT >> 10} KiB"
            return f"not understood: {sanitize(str(error), 200)}; write {most} as `wstui manual control` says"
        match message:
            case Hello(protocol=spoken, name=name):
                if spoken != PROTOCOL:
                    served = self._server.entry.wstui
                    return f"this run is of wstui {served} and speaks protocol {PROTOCOL}, not {spoken}"
                self._name = sanitize(name, _NAME_LENGTH) or self._name
            case Request(id, command):
                by = f"{self._peer.user} ({self._name}, pid {self._peer.pid})"
                answer = await asyncio.wrap_future(self._server.run.send(command, by=by))
                self._write(Answered(id, answer.done, answer.text))
            case Watch():
                if self._watching is None:
                    self._watching = asyncio.create_task(self._watch(message))
        return ""

    async def _watch(self, wanted: Watch) -> None:
        """Send what is new at each picture that the client has had time for."""
        events, status = RunEvents(), StatusWriter(self._server.encodings)
        while True:
            last, picture = self._server.last, self._server.status
            if wanted.events:
                for event in events.new(picture):
                    self._write(Happened(event))
            if wanted.status and (changes := status.changes(picture)) is not None:
                self._write(changes)
            if last is not None:
                self._write(last)
            try:
                await self._drained()
            except (TimeoutError, OSError):
                self._writer.transport.abort()
                return
            if last is not None:
                self._writer.close()
                return
            if self._has_left():
                return
            if self._server.last is None:
                await self._server.next_picture()

    def _has_left(self) -> bool:
        """Return whether a client that writes no more reads no more either, as far as the system tells."""
        if not self._reader.at_eof() or not hasattr(select, "poll"):
            return False
        poll = select.poll()
        poll.register(self._writer.get_extra_info("socket").fileno(), 0)
        return any(event & select.POLLHUP for _, event in poll.poll(0))

    def _write(self, message: ToClient) -> None:
        self._writer.write(line(message))

    async def _drained(self) -> None:
        async with asyncio.timeout(SLOW_S):
            await self._writer.drain()
