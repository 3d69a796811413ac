"""Sockets in an epoll set of our own: short turns, nobody forgotten, and endings as asyncio's transports have them."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import ssl
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.server import until
from wstui.load.attempt import Attempt
from wstui.load.connect_outcome import cause_of
from wstui.load.socket_transport import EVENTS_A_TURN, HIGH_WATER, TURN_NS, Sockets, SocketTransport

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="Linux only")
MS = 1_000_000


class Peer(asyncio.Protocol):
    """Notes what happens to it."""

    def __init__(self) -> None:
        self.got = b""
        self.reads = 0
        self.blocked = False
        self.lost: list[Exception | None] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.got += data
        self.reads += 1

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


class StoppedClock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


@contextlib.contextmanager
def serving(clock: StoppedClock | None = None) -> Iterator[Sockets]:
    sockets = Sockets(asyncio.get_running_loop(), clock or StoppedClock())
    yield sockets
    sockets.close()


async def connected(sockets: Sockets, address: tuple[str, int]) -> Peer:
    """Connect; raise what failed."""
    peer, opened = Peer(), asyncio.get_running_loop().create_future()
    sock = socket.SocketType(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    Attempt(sockets, sock, address, peer, opened.set_result, None)
    if (error := await opened) is not None:
        raise error
    return peer


async def pair(sockets: Sockets) -> tuple[SocketTransport, Peer, socket.socket]:
    """A connection, its protocol, and the other end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = await connected(sockets, server.getsockname())
        other, _ = server.accept()
    assert isinstance(peer.transport, SocketTransport)
    return peer.transport, peer, other


class SlowConnection:
    """A connection whose data take a while each time, and never end."""

    def __init__(self, clock: StoppedClock, takes_ns: int) -> None:
        self.clock, self.takes_ns, self.served = clock, takes_ns, 0

    def ready(self, _events: int) -> None:
        self.served += 1
        self.clock.ns += self.takes_ns


@pytest.mark.parametrize("takes_ns", [10_000, 1 * MS, 20 * MS])
async def test_a_turn_is_short_whatever_data_cost_and_all_have_theirs(takes_ns: int) -> None:
    clock = StoppedClock()
    with serving(clock) as sockets, contextlib.ExitStack() as stack:
        always = []
        for _ in range(200):
            ours, theirs = (stack.enter_context(end) for end in socket.socketpair())
            theirs.send(b"!")
            always.append(SlowConnection(clock, takes_ns))
            sockets.enter(ours.fileno(), always[-1])
            sockets.epoll.register(ours.fileno(), select.EPOLLIN)
        sockets.turn()
        turns = 0
        while min(slow.served for slow in always) < 3:
            begun = clock.ns
            sockets.turn()
            assert clock.ns - begun <= max(TURN_NS, takes_ns)
            assert sum(slow.served for slow in always) <= EVENTS_A_TURN * (turns + 2)
            turns += 1
        assert max(slow.served for slow in always) <= 4


async def test_turns_are_long_again_when_data_cost_little() -> None:
    clock = StoppedClock()
    with serving(clock) as sockets:
        sockets.events_a_turn = 1
        for _ in range(10):
            sockets.turn()
        assert sockets.events_a_turn == EVENTS_A_TURN


async def test_what_the_kernel_does_not_take_waits_and_is_written_in_order() -> None:
    with serving() as sockets:
        transport, peer, other = await pair(sockets)
        sent = b""
        while not peer.blocked:
            part = bytes((len(sent) // 50_000 & 255,)) * 50_000
            sent += part
            transport.write(part)
        assert transport.get_write_buffer_size() > HIGH_WATER
        transport.close()  # when all is written
        assert peer.lost == []
        got = await asyncio.to_thread(lambda: b"".join(iter(lambda: other.recv(1 << 20), b"")))
        assert got == sent
        await until(lambda: peer.lost == [None])
        other.close()


async def test_what_came_before_a_reset_is_read_although_we_can_write_no_more() -> None:
    with serving() as sockets:
        transport, peer, other = await pair(sockets)
        transport.pause_reading()
        other.send(b"why")
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.close()
        transport.resume_reading()
        transport.write(b"x")
        transport.write(b"x")
        await until(lambda: peer.lost)
        assert isinstance(peer.lost[0], ConnectionError)
        assert peer.got in (b"why", b""), "the kernel may have dropped it with the reset"


async def test_who_does_not_read_is_not_told_of_a_reset_until_it_does() -> None:
    with serving() as sockets:
        transport, peer, other = await pair(sockets)
        transport.pause_reading()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.close()
        assert sockets.epoll.poll(0.05) == []
        transport.resume_reading()
        await until(lambda: len(peer.lost) == 1 and isinstance(peer.lost[0], ConnectionResetError))


async def test_the_end_of_the_other_side_ends_a_connection_once() -> None:
    with serving() as sockets:
        transport, peer, other = await pair(sockets)
        other.send(b"bye")
        other.close()
        await until(lambda: peer.lost == [None])
        assert peer.got == b"bye" and transport.is_closing()
        transport.write(b"x")
        transport.close()
        transport.abort()
        await asyncio.sleep(0)
        assert peer.lost == [None]


async def test_a_failure_of_the_protocol_ends_its_connection_and_no_other() -> None:
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["exception"]))
    with serving() as sockets:
        _, broken, other = await pair(sockets)
        _, well, another = await pair(sockets)
        broken.data_received = lambda data: 1 / 0  # type: ignore[method-assign, assignment]
        other.send(b"x")
        another.send(b"x")
        await until(lambda: broken.lost and well.got)
        assert isinstance(broken.lost[0], ZeroDivisionError) and told == broken.lost and well.lost == []
        other.close()
        another.close()


async def test_an_attempt_that_is_refused_leaves_nothing() -> None:
    with serving() as sockets:
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
        with pytest.raises(ConnectionRefusedError):
            await connected(sockets, address)
        await asyncio.sleep(0)
        assert not any(sockets.entries)


async def test_a_cancelled_attempt_closes_its_socket_and_says_nothing() -> None:
    with serving() as sockets, socket.create_server(("127.0.0.1", 0), backlog=1) as server:
        peer = Peer()
        ends: list[Exception | None] = []
        sock = socket.SocketType(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        attempt = Attempt(sockets, sock, server.getsockname(), peer, ends.append, None)
        attempt.cancel()
        attempt.cancel()
        await until(lambda: sock.fileno() == -1)
        assert not any(sockets.entries)
        assert ends == [] and not hasattr(peer, "transport")


@pytest.mark.parametrize("when", ["at once", "before the hello", "after the hello", "within the answer"])
async def test_tls_that_is_reset_ends_as_tls_whenever_that_happens(when: str) -> None:
    class Context(ssl.SSLContext):
        def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
            if when == "before the hello":
                reset(other)
            return super().wrap_socket(*arguments, **options)

    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    with serving() as sockets, socket.create_server(("127.0.0.1", 0)) as server:
        ended = asyncio.get_running_loop().create_future()
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        Attempt(sockets, sock, server.getsockname(), Peer(), ended.set_result, (context, "localhost"))
        other, _ = server.accept()
        if when == "at once":
            reset(other)
        elif when in ("after the hello", "within the answer"):
            await until(lambda: hello(other))
            if when == "within the answer":
                other.send(b"\x16\x03\x03\x00\x7a\x02\x00")
                await asyncio.sleep(0.01)
            reset(other)
        error = await asyncio.wait_for(ended, 60)
        assert (cause_of(error).kind, cause_of(error).message) == ("tls", "the server hung up in the TLS handshake")
        await until(lambda: not any(sockets.entries))


def hello(sock: socket.socket) -> bytes:
    """What a client has said so far."""
    with contextlib.suppress(BlockingIOError):
        return sock.recv(65536, socket.MSG_DONTWAIT)
    return b""


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
