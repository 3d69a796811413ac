"""A WebSocket server on a free port whose behaviour a subclass bends in one place."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from websockets.frames import Close, Frame, Opcode
from websockets.protocol import CLOSED, OPEN
from websockets.server import ServerProtocol

from tests.servers.tcp_server import TcpServer

PATIENCE_S = 60.0
"""How long something may take on a machine that others use as well: how fast it is, is not what is tested."""
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY = 0x81, 0x82


def accept_of(key: bytes) -> bytes:
    """What a server answers to a Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def switching(key: bytes, *headers: bytes) -> bytes:
    """The answer that accepts an upgrade."""
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept_of(key),
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def frame(first: int, payload: bytes) -> bytes:
    """An unmasked frame."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", first, size) + payload
    if size < 65536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


class Connection:
    """One client as the server sees it."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer
        self.protocol = ServerProtocol(state=OPEN, max_size=None)
        self.path = b""
        self.headers: dict[bytes, bytes] = {}

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        if not self.writer.is_closing():
            self.writer.write(data)

    def send(self, payload: bytes, first: int = TEXT) -> None:
        """A message in one frame."""
        self.write(frame(first, payload))

    def say(self, **document: Any) -> None:
        """A JSON message."""
        self.send(json.dumps(document, separators=(",", ":")).encode())

    def close(self, code: int, reason: str = "") -> None:
        """A close frame; the client's answer and the end are awaited by whoever reads."""
        if self.protocol.state is OPEN:
            self.protocol.send_close(code, reason)
            self.flush()

    def flush(self) -> None:
        """What the protocol wants written."""
        for data in self.protocol.data_to_send():
            if data:
                self.write(data)
            elif self.writer.can_write_eof():
                with contextlib.suppress(OSError):  # the client was faster
                    self.writer.write_eof()

    def reset(self) -> None:
        """End with a TCP reset."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Server(TcpServer):
    """Serves the Odin protocol's handshake, welcome and pongs, and echoes everything else.

    `accepted` counts TCP connections, `upgraded` those that were answered with 101, `messages` what clients said
    by kind ("ping", "echo", "control ping"); `ends` how connections ended: "close 1000" by the client's close frame,
    "lost" without one.
    """

    welcome = True
    subprotocols: tuple[bytes, ...] = ()  # that it agrees to; none: whatever comes first

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        for name, value in settings.items():
            assert hasattr(self, name), name
            setattr(self, name, value)
        self.accepted = 0
        self.upgraded = 0
        self.messages: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.live: dict[int, Connection] = {}
        self.paths: list[bytes] = []
        self.heads: list[bytes] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'wss' if self.tls else 'ws'}://{self.host}:{self.port}/ws"

    # -- what subclasses bend ----------------------------------------------------------------------------------

    async def answer(self, client: Connection, key: bytes) -> bool:
        """Answer the request; returns whether the connection is now a WebSocket."""
        offered = [name.strip() for name in client.headers.get(b"sec-websocket-protocol", b"").split(b",")]
        agreed = next((name for name in offered if name and name in (self.subprotocols or offered)), b"")
        client.write(switching(key, *([b"Sec-WebSocket-Protocol: " + agreed] if agreed else [])))
        return True

    async def request(self, client: Connection, method: bytes) -> None:
        """Answer a request that asks for no upgrade."""
        client.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    async def opened(self, client: Connection) -> None:
        """The upgrade is done."""
        if self.welcome:
            client.say(type="connection:established", timestamp=now_ms(), clientId=str(client.number))

    async def ping(self, client: Connection, timestamp: int) -> None:
        """An application's ping arrived."""
        self.pong(client, timestamp)

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        """Any other message arrived."""
        client.send(payload, first)

    # -- the rest ----------------------------------------------------------------------------------------------

    def pong(self, client: Connection, timestamp: int) -> None:
        """Answer a ping."""
        client.say(type="pong", timestamp=now_ms(), originalTimestamp=timestamp, latency=0)

    def later(self, delay_s: float, client: Connection, timestamp: int) -> None:
        """Answer a ping after a while."""
        asyncio.get_running_loop().call_later(delay_s, self.pong, client, timestamp)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Connection(self.accepted, reader, writer)
        self.accepted += 1
        try:
            await self._serve(client)
        finally:
            self.live.pop(client.number, None)

    async def _serve(self, client: Connection) -> None:
        head = await client.reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        request, *lines = head.split(b"\r\n")
        client.path = request.split(b" ")[1]
        self.paths.append(client.path)
        client.headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines if line)
        }
        if (key := client.headers.get(b"sec-websocket-key")) is None:
            await self.request(client, request.split(b" ")[0])
            return
        if not await self.answer(client, key):
            return
        self.upgraded += 1
        self.live[client.number] = client
        await self.opened(client)
        try:
            await self._converse(client)
        finally:
            received: Close | None = client.protocol.close_rcvd
            self.ends["lost" if received is None else f"close {int(received.code)}"] += 1

    async def _converse(self, client: Connection) -> None:
        protocol = client.protocol
        while data := await client.reader.read(65536):
            protocol.receive_data(data)
            for event in protocol.events_received():
                assert isinstance(event, Frame)
                await self._take(client, event)
            client.flush()
            if protocol.state is not OPEN and (protocol.close_rcvd is not None or protocol.state is CLOSED):
                return

    async def _take(self, client: Connection, event: Frame) -> None:
        if event.opcode is Opcode.PING:
            self.messages["control ping"] += 1
        if event.opcode not in (Opcode.TEXT, Opcode.BINARY):
            return
        payload = bytes(event.data)
        if payload.startswith(b'{"type":"ping"'):
            self.messages["ping"] += 1
            await self.ping(client, json.loads(payload)["timestamp"])
        else:
            self.messages["echo"] += 1
            await self.other(client, 0x80 | event.opcode, payload)


class GuestBook(Server):
    """Keeps every client that came, also those that have left: `came`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.came: list[Connection] = []

    async def opened(self, client: Connection) -> None:
        self.came.append(client)
        await super().opened(client)


def now_ms() -> int:
    """The wall clock as servers stamp it."""
    return time.time_ns() // 1_000_000


async def until(condition: Any, timeout_s: float = PATIENCE_S) -> None:
    """Wait for a condition to hold."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        await asyncio.sleep(0.01)


@contextlib.contextmanager
def serving(server: Server) -> Iterator[None]:
    """Serve in a thread with a loop of its own: its freezes are not the client's."""
    up, loop = threading.Event(), asyncio.new_event_loop()
    down = asyncio.Event()

    async def serve() -> None:
        async with server:
            up.set()
            await down.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    up.wait()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(down.set)
        thread.join()
        loop.close()
