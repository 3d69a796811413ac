"""State that the parts of a worker share, and what they know of a client and of each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, Protocol

from wstui.load.broadcasts import Broadcasts
from wstui.load.connect_outcome import Cause
from wstui.load.identity import Identities
from wstui.load.protocol import Spec
from wstui.measure.counters import Tally
from wstui.measure.fanout import ClockOffset

LATE_NS = 10_000_000
"""A send that is this much behind its intended time counts as late."""
KEEPALIVE = b"keepalive"
"""The payload of a keepalive ping."""
ALTERED = -1
"""The key of a reply to a message of the client's own that came back changed."""


class ClientState(IntEnum):
    """The states of a client, in order."""

    CONNECTING = 0  # TCP, TLS
    HANDSHAKE = 1  # request sent
    WAITING = 2  # open, not yet ready
    READY = 3
    RETIRING = 4  # sends no more; closes when the last reply has arrived
    CLOSING = 5  # close frame sent or answered
    ENDED = 6


# Looking a member up by its name costs as much as recording a latency: code that runs for every message uses these.
CONNECTING = ClientState.CONNECTING
HANDSHAKE = ClientState.HANDSHAKE
WAITING = ClientState.WAITING
READY = ClientState.READY
RETIRING = ClientState.RETIRING
CLOSING = ClientState.CLOSING
ENDED = ClientState.ENDED


class ClientConversation(Protocol):
    """The steps of a client's role, as the client sees them."""

    role: Any  # whose protocol gives meaning to close codes
    coroutine: Any  # None before it has begun, and after its end
    request: Any  # an HTTP request that is under way

    def start(self) -> None: ...
    def expire(self, now_ns: int) -> None: ...
    def close_when_idle(self) -> None: ...
    def may_close(self) -> bool: ...
    def ended(self, dropped: bool = False) -> None: ...


class MessageClient(Protocol):
    """A client as the code that writes and reads its messages sees it."""

    context: WorkerContext
    number: int
    slot: int
    waiting: bool  # for the welcome
    sequence: int
    answered: int | None  # the key that was answered last
    pending: dict[int, tuple[int, int]]  # key → intended, sent
    expired: dict[int, None] | None  # keys whose reply came too late to count
    conversation: Any  # ClientConversation, if clients have roles

    def write(self, data: bytes) -> None: ...
    def send_payload(self, first: int, payload: bytes, more: Sequence[tuple[int, bytes]] = ()) -> None: ...
    def replied(self, key: object) -> int: ...
    def on_welcome(self) -> None: ...
    def not_the_welcome(self, document: bytes) -> None: ...


class MessageExchange(Protocol):
    """What clients send, and how a reply is told from everything else that arrives."""

    sends: bool
    waits: bool  # a client is ready when a message says so

    def compose(self, client: MessageClient, now_ns: int) -> tuple[int, bytes, int]: ...
    def receive(self, client: MessageClient, first: int, payload: bytes) -> None: ...
    def pong(self, client: MessageClient, payload: bytes) -> None: ...
    def has_sent(self, client: MessageClient, key: int) -> bool: ...


class MessageEvents(Protocol):
    """What is reported about the messages of client `number`."""

    def reply_timed_out(self, number: int, waited_ns: int, cause: Cause) -> None: ...
    def expectation_failed(self, number: int, cause: Cause, detail: str) -> None: ...
    def step_failed(self, number: int, cause: Cause, detail: str) -> None: ...
    def invalid_text(self, number: int, payload: bytes) -> None: ...


class WorkerContext:
    """The state of a worker that its clients read and count in. It has slots because the hot path reads it."""

    __slots__ = (
        "ahead_ns", "broadcasts", "clock", "closed_loop", "connect", "counters", "epoch_ns", "events",
        "exchange", "identities", "now", "paused", "strict", "tally", "timeout_ns", "unanswered_pings",
        "wanted_certificate", "welcome",
    )  # fmt: skip

    events: MessageEvents  # set by the worker, which has them from the context's own counters

    def __init__(self, spec: Spec, exchange: MessageExchange, role_of: Callable[[int], str] | None = None) -> None:
        """`role_of` names the role of a client."""
        conversation = spec.conversation
        self.connect = spec.connect
        self.exchange = exchange
        self.tally = Tally()
        self.counters = self.tally.counters
        self.broadcasts: Broadcasts | None = None
        if conversation.fanout:
            self.broadcasts = Broadcasts(conversation.fanout_window_ns, self.tally.types)
        self.unanswered_pings: dict[Any, int] | None = {} if spec.send.ping_every_ns else None  # client → when, ns
        self.clock = ClockOffset()
        self.epoch_ns = time.time_ns() - time.monotonic_ns()
        self.ahead_ns = 0  # what this host's monotonic clock is ahead of the operator's
        self.identities = Identities(spec, role_of, self.epoch_ns)
        self.now = time.monotonic_ns()  # when the bytes that are being read arrived
        self.timeout_ns = conversation.reply_timeout_ns
        self.strict = conversation.strict
        self.welcome = conversation.welcome
        self.closed_loop = exchange.sends and spec.send.every_ns == 0
        self.paused = False  # or past the end: closed loops send no more
        self.wanted_certificate: Cause | None = None  # how TLS ends if the server asked for a certificate
