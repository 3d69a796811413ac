"""The built-in sink: the leanest server that answers, so that a measurement finds the limit of the generator.

`python -m wstui.odin.sink --port 0` prints `ready ws://127.0.0.1:PORT/ws` and serves until it is told to end or its
parent is gone. `GET /log` tells its counts as JSON, `GET /messages` the whole `SinkLog`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import hashlib
import os
import random
import signal
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec

from wstui.odin.frames import apply_mask, text_frame
from wstui.odin.sink_broadcast import LEAST_BYTES, Broadcast, Broadcaster
from wstui.odin.sink_log import NEVER, SinkLog
from wstui.odin.tether import tie_to_parent

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HEAD_LIMIT = 16 * 1024
_MESSAGE_LIMIT = 1 << 20
_NO_LINGER = struct.pack("ii", 1, 0)

_now = time.monotonic_ns
_wall = time.time_ns


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the sink does beside answering. Seconds; the moments count from the first client that opened."""

    mode: str = "odin"  # odin: welcome and pongs; echo: all that comes goes back; quiet: takes, says nothing
    delay_s: float = 0.0  # before each reply
    stall_s: float = 0.0  # the whole process stands still once
    stall_at_s: float = 0.0
    lose: float = 0.0  # share of the replies that are never sent
    reset_at_s: float = 0.0  # every connection is reset once; 0: never
    record: bool = False  # keep a row for each message
    broadcast: Broadcast = field(default_factory=Broadcast)
    seed: int = 0


class Sink:
    """All connections of the sink, and what it does to them."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.clients: dict[Connection, None] = {}
        self.log = SinkLog()
        self.opened = 0
        self.malformed = 0
        self.received = 0
        self.sent = 0
        self.lost = 0
        self._gone = [0, 0]  # broadcasts sent and skipped of connections that have ended
        self._random = random.Random(behaviour.seed).random
        self._waiting: deque[tuple[int, Connection, bytes, int]] = deque()
        plain = not (behaviour.delay_s or behaviour.lose or behaviour.record)
        odin = self._pong if behaviour.mode == "odin" else self._echo
        self.answer: Callable[[Connection, int, bytes, int], None] = odin if plain else self._careful
        if behaviour.mode == "quiet":
            self.answer = self._take

    # -- answers -----------------------------------------------------------------------------------------------

    def _pong(self, client: Connection, first: int, payload: bytes, now: int) -> None:
        self.received += 1
        reply = pong_to(payload)
        if reply is None:
            self.malformed += 1
            return
        self.sent += 1
        client.transport.write(reply)

    def _echo(self, client: Connection, first: int, payload: bytes, now: int) -> None:
        self.received += 1
        self.sent += 1
        client.transport.write(frame(first, payload))

    def _take(self, client: Connection, first: int, payload: bytes, now: int) -> None:
        self.received += 1
        if self.behaviour.record:
            self.log.add(*named(client.number, payload), now, NEVER)

    def _careful(self, client: Connection, first: int, payload: bytes, now: int) -> None:
        """An answer that is recorded, delayed or lost."""
        behaviour = self.behaviour
        self.received += 1
        reply = pong_to(payload) if behaviour.mode == "odin" else frame(first, payload)
        if reply is None:
            self.malformed += 1
            return
        row = self.log.add(*named(client.number, payload), now, NEVER) if behaviour.record else -1
        if behaviour.lose and self._random() < behaviour.lose:
            self.lost += 1
        elif behaviour.delay_s:
            if not self._waiting:
                asyncio.get_running_loop().call_later(behaviour.delay_s, self._release)
            self._waiting.append((now + int(behaviour.delay_s * 1e9), client, reply, row))
        else:
            self._send(client, reply, row)

    def _release(self) -> None:
        """Send the replies that have waited long enough."""
        waiting = self._waiting
        now = _now()
        while waiting and waiting[0][0] <= now:
            _, client, reply, row = waiting.popleft()
            self._send(client, reply, row)
        if waiting:
            asyncio.get_running_loop().call_later(0.001, self._release)

    def _send(self, client: Connection, reply: bytes, row: int) -> None:
        if client in self.clients:
            self.sent += 1
            client.transport.write(reply)
            if row >= 0:
                self.log.sent_ns[row] = _now()

    # -- what happens once -------------------------------------------------------------------------------------

    def open(self, client: Connection) -> None:
        """A client has completed its upgrade."""
        client.number = self.opened
        self.opened += 1
        self.log.opened_ns.append(_now())
        self.clients[client] = None
        if self.behaviour.mode == "odin":
            client.transport.write(_WELCOME % (_wall() // 1_000_000))
        if self.opened == 1:
            loop = asyncio.get_running_loop()
            behaviour = self.behaviour
            if behaviour.stall_s:
                loop.call_later(behaviour.stall_at_s, self._stall)
            if behaviour.reset_at_s:
                loop.call_later(behaviour.reset_at_s, self._reset)
            if behaviour.broadcast.rate:
                loop.call_later(behaviour.broadcast.at_s, Broadcaster(self, behaviour.broadcast).start)

    def _stall(self) -> None:
        began = _now()
        time.sleep(self.behaviour.stall_s)
        self.log.events.append(("stall", began, _now()))

    def _reset(self) -> None:
        began = _now()
        for client in list(self.clients):
            client.reset()
        self.log.events.append(("reset", began, _now()))

    def closed(self, client: Connection) -> None:
        """A connection is gone."""
        if self.clients.pop(client, client) is None:
            self._gone[0] += client.broadcasts + client.duplicated
            self._gone[1] += client.skipped
            self.log.per_connection.append((client.broadcasts, client.dropped, client.duplicated))

    # -- what it tells -----------------------------------------------------------------------------------------

    def summary(self) -> dict[str, Any]:
        """Counts, clocks and its own CPU time, as `GET /log` tells them."""
        here = self.clients
        ended = self.log.per_connection
        return {
            "mode": self.behaviour.mode,
            "opened": self.opened,
            "open": len(here),
            "received": self.received,
            "replied": self.sent,
            "lost": self.lost,
            "malformed": self.malformed,
            "broadcasts": len(self.log.broadcasts),
            "broadcast_receipts": self._gone[0] + sum(c.broadcasts + c.duplicated for c in here),
            "broadcast_dropped": sum(row[1] for row in ended) + sum(c.dropped for c in here),
            "broadcast_duplicated": sum(row[2] for row in ended) + sum(c.duplicated for c in here),
            "broadcast_skipped": self._gone[1] + sum(c.skipped for c in here),
            "cpu_ns": time.process_time_ns(),
            "monotonic_ns": _now(),
            "events": self.log.events,
        }

    def full_log(self) -> bytes:
        """The whole log, as `GET /messages` and the file have it."""
        log = self.log
        log.counts = {name: value for name, value in self.summary().items() if isinstance(value, int)}
        log.cpu_ns = time.process_time_ns()
        ended = len(log.per_connection)
        log.per_connection.extend((c.broadcasts, c.dropped, c.duplicated) for c in self.clients)
        data = log.encode()
        del log.per_connection[ended:]
        return data


class Connection(asyncio.Protocol):
    """One client of the sink: HTTP until the upgrade, frames after it."""

    __slots__ = (
        "blocked",
        "broadcasts",
        "dropped",
        "duplicated",
        "fragments",
        "number",
        "sink",
        "skipped",
        "tail",
        "transport",
        "upgraded",
    )

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.tail = b""
        self.upgraded = False
        self.blocked = False
        self.number = -1
        self.broadcasts = 0
        self.dropped = 0
        self.duplicated = 0
        self.skipped = 0
        self.fragments: list[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP is up."""
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """TCP has ended."""
        self.sink.closed(self)

    def pause_writing(self) -> None:
        """The client does not read: broadcasts pass it by."""
        self.blocked = True

    def resume_writing(self) -> None:
        """It reads again."""
        self.blocked = False

    def data_received(self, data: bytes) -> None:
        """Bytes from the client; the clock is read once for all of them."""
        if not self.upgraded:
            self._request(self.tail + data)
            return
        now = _now()
        if self.tail:
            data = self.tail + data
            self.tail = b""
        size = len(data)
        pos = 0
        while size - pos >= 6:
            first = data[pos]
            length = data[pos + 1] - 128
            if length < 0:
                self._fail(1002)
                return
            start = pos + 6
            if length >= 126:
                wide = 2 if length == 126 else 8
                start += wide
                length = int.from_bytes(data[pos + 2 : pos + 2 + wide], "big")
                if size < start:
                    break
                if length > _MESSAGE_LIMIT:
                    self._fail(1009)
                    return
            end = start + length
            if end > size:
                break
            payload = apply_mask(data[start:end], data[start - 4 : start])
            if first == 0x81 or first == 0x82:
                self.sink.answer(self, first, payload, now)
            elif not self._rare(first, payload, now):
                return
            pos = end
        if pos < size:
            self.tail = data[pos:]
            if size - pos > 1 and data[pos + 1] < 128:
                self._fail(1002)

    def _rare(self, first: int, payload: bytes, now: int) -> bool:
        """Control frames and fragments. Returns whether to read on."""
        opcode = first & 0x0F
        if opcode == 0x8:
            self.transport.write(frame(0x88, payload[:2]))
            self.transport.close()
            return False
        if opcode == 0x9:
            self.transport.write(frame(0x8A, payload))
        elif opcode < 0x8:
            parts = self.fragments = [bytes((0x80 | opcode,))] if opcode else self.fragments
            if parts is None or sum(map(len, parts)) > _MESSAGE_LIMIT:
                self._fail(1002 if parts is None else 1009)
                return False
            parts.append(payload)
            if first & 0x80:
                self.fragments = None
                self.sink.answer(self, parts[0][0], b"".join(parts[1:]), now)
        return True

    def _fail(self, code: int) -> None:
        self.tail = b""
        self.transport.write(frame(0x88, code.to_bytes(2, "big")))
        self.transport.close()

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    # -- HTTP --------------------------------------------------------------------------------------------------

    def _request(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self.tail = data
            if len(data) > _HEAD_LIMIT:
                self.transport.abort()
            return
        key = _header(data[: end + 2], b"sec-websocket-key")
        if key is None:
            self._tell(data.split(b" ", 2)[1])
            return
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        self.transport.write(_SWITCH % accept)
        self.upgraded = True
        self.tail = b""
        self.sink.open(self)
        if len(data) > end + 4:
            self.data_received(data[end + 4 :])

    def _tell(self, path: bytes) -> None:
        status, kind, body = b"200 OK", b"application/json", b'{"status":"healthy"}'
        if path == b"/log":
            body = msgspec.json.encode(self.sink.summary())
        elif path == b"/messages":
            kind, body = b"application/msgpack", self.sink.full_log()
        elif path != b"/health":
            status, body = b"404 Not Found", b'{"error":"this is a sink: /ws, /log, /messages, /health"}'
        self.transport.write(_ANSWER % (status, kind, len(body)) + body)
        self.transport.close()


_SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
)
_ANSWER = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
_WELCOME = text_frame(b'{"type":"connection:established","timestamp":1000000000000}').replace(
    b"1000000000000", b"%d"
)  # as long as milliseconds have 13 digits


def _header(head: bytes, name: bytes) -> bytes | None:
    at = head.lower().find(b"\r\n" + name + b":")
    if at < 0:
        return None
    start = at + len(name) + 3
    return head[start : head.index(b"\r\n", start)].strip()


def frame(first: int, payload: bytes) -> bytes:
    """One whole frame of a server."""
    size = len(payload)
    if size < 126:
        return b"%c%c%b" % (first, size, payload)
    if size < 65536:
        return b"%c\x7e%b%b" % (first, size.to_bytes(2, "big"), payload)
    return b"%c\x7f%b%b" % (first, size.to_bytes(8, "big"), payload)


def _timestamp(payload: bytes) -> bytes:
    start = payload.find(b'"timestamp":')
    if start < 0:
        return b""
    start += 12
    end = payload.find(b",", start)
    return payload[start : end if end > 0 else payload.find(b"}", start)].strip()


def pong_to(payload: bytes) -> bytes | None:
    """The frame that answers a ping, or None when it is not one that has a timestamp."""
    original = _timestamp(payload)
    if not original or b'"ping"' not in payload:
        return None
    return text_frame(
        b'{"type":"pong","timestamp":%d,"originalTimestamp":%b,"latency":0}' % (_wall() // 1_000_000, original)
    )


def named(number: int, payload: bytes) -> tuple[int, int, int]:
    """Client, connection and key of a message: `wstui:CLIENT:KEY;…` names both, a ping its timestamp."""
    if payload[:6] == b"wstui:":
        client, _, key = payload[6 : payload.find(b";")].partition(b":")
        if client.isdigit() and key.isdigit():
            return int(client), number, int(key)
    stamp = _timestamp(payload)
    return number, number, int(stamp) if stamp.isdigit() else -1


# -- as a process ----------------------------------------------------------------------------------------------


async def serve(behaviour: Behaviour, port: int, log_file: Path | None, stop: asyncio.Event | None = None) -> None:
    """Serve on a loopback port (0: a free one) until SIGTERM, SIGINT or `stop`; then write the log."""
    loop = asyncio.get_running_loop()
    stop = stop or asyncio.Event()
    sink = Sink(behaviour)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(lambda: Connection(sink), "127.0.0.1", port, backlog=4096)
    # What lives until the end need not be looked at; a sink makes no cycles.
    gc.collect()
    gc.freeze()
    gc.disable()
    print(f"ready ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws", flush=True)
    await stop.wait()
    if log_file is not None:
        log_file.write_bytes(sink.full_log())  # noqa: ASYNC240 - nothing else is left to do
    server.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m wstui.odin.sink", description=__doc__)
    add = parser.add_argument
    add("--port", type=int, default=0, help="0 takes a free one")
    add("--mode", choices=("odin", "echo", "quiet"), default="odin")
    add("--delay", type=float, default=0.0, metavar="S", help="wait this long before each reply")
    add("--stall", type=float, default=0.0, metavar="S", help="stand still once, for this long")
    add("--stall-at", type=float, default=5.0, metavar="S", help="… this long after the first client opened")
    add("--lose", type=float, default=0.0, metavar="SHARE", help="replies that are never sent, 0…1")
    add("--reset-at", type=float, default=0.0, metavar="S", help="reset every connection once, after this")
    add("--record", action="store_true", help="keep a row for each message")
    add("--log", type=Path, metavar="FILE", help="write the log there at the end")
    add("--broadcast", type=float, default=0.0, metavar="RATE", help="send this many a second to every client")
    add("--broadcast-bytes", type=int, default=200, metavar="N")
    add("--broadcast-drop", type=float, default=0.0, metavar="SHARE", help="receipts left out, 0…1")
    add("--broadcast-duplicate", type=float, default=0.0, metavar="SHARE", help="receipts sent twice, 0…1")
    add("--broadcast-at", type=float, default=0.0, metavar="S", help="begin this long after the first client opened")
    add("--broadcast-count", type=int, default=0, metavar="N", help="0: without end")
    add("--seed", type=int, default=0)
    add("--core", type=int, default=-1, metavar="N", help="run on this core only")
    add("--stay", action="store_true", help="do not end with the parent process")
    options = parser.parse_args()
    if options.broadcast and options.broadcast_bytes < LEAST_BYTES:
        parser.error(f"--broadcast-bytes {options.broadcast_bytes} is too few: {LEAST_BYTES} or more")
    return options


def main() -> None:
    """Entry point of the process."""
    options = _arguments()
    if not options.stay:
        tie_to_parent()
    if options.core >= 0 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    behaviour = Behaviour(
        mode=options.mode,
        delay_s=options.delay,
        stall_s=options.stall,
        stall_at_s=options.stall_at,
        lose=options.lose,
        reset_at_s=options.reset_at,
        record=options.record,
        seed=options.seed,
        broadcast=Broadcast(
            options.broadcast,
            options.broadcast_bytes,
            options.broadcast_drop,
            options.broadcast_duplicate,
            options.broadcast_at,
            options.broadcast_count,
            options.seed,
        ),
    )
    if sys.platform != "win32":
        import uvloop

        uvloop.run(serve(behaviour, options.port, options.log))
    else:
        asyncio.run(serve(behaviour, options.port, options.log))


if __name__ == "__main__":
    main()
