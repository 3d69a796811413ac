"""The messages of one client: sends at their time, replies matched, missing replies counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from websockets.frames import CloseCode

from wstui.load.connect_outcome import Cause
from wstui.load.context import (
    ALTERED,
    CONNECTING,
    KEEPALIVE,
    LATE_NS,
    READY,
    RETIRING,
    ClientConversation,
    ClientState,
    WorkerContext,
)
from wstui.load.frames import PING, TEXT, FrameReceiver, encode, plain_size
from wstui.scenario.url import Address

EXPIRED_KEPT = 32
INVALID_TEXT = b"(invalid UTF-8)"

_now = time.monotonic_ns


class Messaging(FrameReceiver):
    """The messages of one connection. Subclasses open it and implement `on_welcome`, `close`, `closing` and `fail`."""

    __slots__ = (
        "answered", "blocked", "context", "conversation", "expired", "forgot", "number", "pending", "plain",
        "sequence", "slot", "step", "transport", "waiting",
    )  # fmt: skip

    def __init__(self, context: WorkerContext, number: int, slot: int, uri: Address) -> None:
        super().__init__(uri, context.connect.max_size)
        self.context = context
        self.number = number
        self.slot = slot
        self.waiting = False  # for the welcome
        self.transport: asyncio.Transport | None = None
        self.step: ClientState = CONNECTING
        self.blocked = False  # the other side does not read
        self.plain = True  # messages may be written, and uncompressed
        self.sequence = 0
        self.answered: int | None = None  # the key that was answered last
        self.pending: dict[int, tuple[int, int]] = {}  # key → intended, sent
        self.expired: dict[int, None] | None = None  # keys whose reply came too late to count
        self.forgot = False  # there were more of them than `expired` holds
        self.conversation: ClientConversation | None = None  # the steps of its role, if clients have roles

    def on_welcome(self) -> None:
        raise NotImplementedError

    def not_the_welcome(self, document: bytes) -> None:
        """A message came before the welcome."""
        raise NotImplementedError

    def close(self) -> None:
        """End the connection: nothing is in flight any more."""
        raise NotImplementedError

    def fail(self, code: CloseCode, cause: Cause) -> None:
        """End the connection with this code: the other side broke the protocol."""
        raise NotImplementedError

    # -- sending -----------------------------------------------------------------------------------------------

    def send(self, intended_ns: int = 0) -> None:
        """Send the next message, due at `intended_ns` (monotonic); 0 in a closed loop, where it is due now."""
        context = self.context
        counters = context.counters
        now = _now()
        first, payload, key = context.exchange.compose(self, now)
        counters.sent += 1
        if intended_ns:
            delay = now - intended_ns
            context.tally.send_delay.record(delay)
            if delay > LATE_NS:
                counters.late_sends += 1
        else:
            intended_ns = now
        if key:
            self.pending[key] = (intended_ns, now)
        else:
            counters.no_reply_expected += 1
        # A peer that does not read must not fill our memory: what it can't take stays unwritten and times out.
        if self.plain:
            data = encode(first, payload, counters.sent)
            counters.bytes_sent += len(data)
            self.transport.write(data)  # type: ignore[union-attr]
        elif not self.blocked:
            self._send_deflated(first, payload)

    def send_payload(self, first: int, payload: bytes, more: Sequence[tuple[int, bytes]] = ()) -> None:
        """Send a message that a role has composed, and the ones that follow it, in one write."""
        if self.plain:
            counters = self.context.counters
            data = encode(first, payload, counters.bytes_sent)
            for follows, content in more:
                data += encode(follows, content, counters.bytes_sent + len(data))
            counters.bytes_sent += len(data)
            self.transport.write(data)  # type: ignore[union-attr]
        elif not self.blocked and self.transport is not None:
            self._send_deflated(first, payload)
            for follows, content in more:
                self._send_deflated(follows, content)

    def _send_deflated(self, first: int, payload: bytes) -> None:
        protocol = self.ensure_protocol()
        if first == PING:
            protocol.send_ping(payload)
        elif first == TEXT:
            protocol.send_text(payload)
        else:
            protocol.send_binary(payload)
        data = b"".join(protocol.data_to_send())
        self.context.counters.compression_saved_sent += plain_size(len(payload), mask=4) - len(data)
        self.write(data)

    # -- receiving ---------------------------------------------------------------------------------------------

    def inflated(self, saved: int) -> None:
        self.context.counters.compression_saved_received += saved

    def message(self, first: int, payload: bytes) -> None:
        context = self.context
        context.counters.received += 1
        # Most text is ASCII: this check costs 0.05 of the 15 µs of a round trip.
        if not payload.isascii() and first == TEXT and not is_text(payload):
            self._invalid_text(payload)
            return
        context.exchange.receive(self, first, payload)

    def _invalid_text(self, payload: bytes) -> None:
        """Count it neither as a reply nor as the welcome: a browser would end the connection here."""
        context = self.context
        context.tally.count_type(INVALID_TEXT)
        context.events.invalid_text(self.number, payload)
        if context.strict:
            self.fail(CloseCode.INVALID_DATA, Cause("invalid text", "wstui closed the connection with 1007"))

    def pong(self, payload: bytes) -> None:
        context = self.context
        if payload == KEEPALIVE and context.unanswered_pings is not None:
            context.counters.pongs += 1
            context.unanswered_pings.pop(self, None)
        else:
            context.counters.received += 1
            context.exchange.pong(self, payload)

    def replied(self, key: object) -> int:
        """Take the reply to the message `key`. Return when that was sent, 0 if it was not waiting for a reply."""
        # A server may put anything there, also what can't be a key.
        entry = self.pending.pop(key, None) if type(key) is int else None
        if entry is None:
            self._unmatched(key)
            return 0
        context = self.context
        tally = context.tally
        intended, sent = entry
        now = context.now
        round_trip = now - sent
        if round_trip >= context.timeout_ns:  # it was due before this, but not checked since
            self._miss(intended, sent)
            context.counters.late += 1
            self._on_idle()
            return 0
        self.answered = key  # type: ignore[assignment]  # an int: it was pending
        context.counters.matched += 1
        if intended == sent:
            tally.on_time.record(round_trip)
        else:
            tally.round_trip.record(round_trip)
            tally.response.record(now - intended)
        if self.step is RETIRING or context.closed_loop:
            self._on_idle()
        return sent

    def _unmatched(self, key: object) -> None:
        """Classify a reply that nothing was waiting for."""
        counters = self.context.counters
        if type(key) is not int:
            counters.unmatched += 1
        elif key == ALTERED:
            counters.unmatched += 1
            counters.altered += 1
        elif self.expired is not None and key in self.expired:
            del self.expired[key]
            counters.late += 1
        elif key == self.answered or (not self.forgot and self.context.exchange.has_sent(self, key)):
            counters.duplicates += 1
        else:
            counters.unmatched += 1

    def _on_idle(self) -> None:
        """If nothing is in flight, send again in a closed loop, or close if retiring."""
        if self.pending:
            return
        step = self.step
        if step is READY:
            if self.context.closed_loop and not self.context.paused:
                self.send()
        elif step is RETIRING:
            self.close()

    def _miss(self, intended_ns: int, sent_ns: int, message: str = "") -> None:
        context = self.context
        timeout = context.timeout_ns
        cause = Cause("timeout", message or f"no reply within {timeout / 1e9:g} s")
        context.events.reply_timed_out(self.number, sent_ns + timeout - intended_ns, cause)

    def expire(self, now_ns: int) -> None:
        """Time out the messages that have waited too long for their reply; called several times a second."""
        if self.conversation is not None:
            self.conversation.expire(now_ns)
            return
        pending = self.pending
        timeout = self.context.timeout_ns
        expired = False
        while pending:
            key, (intended, sent) = next(iter(pending.items()))
            if now_ns - sent < timeout:
                break
            del pending[key]
            expired = True
            if self.expired is None:
                self.expired = {}
            self.expired[key] = None
            if len(self.expired) > EXPIRED_KEPT:
                del self.expired[next(iter(self.expired))]
                self.forgot = True
            self._miss(intended, sent)
        if expired:
            self._on_idle()

    def abandon_pending(self) -> None:
        """Count every message in flight as timed out, at the timeout's value: no reply can come any more."""
        if self.conversation is not None:
            self.conversation.ended(dropped=True)
        for intended, sent in self.pending.values():
            self._miss(intended, sent, "connection ended before the reply")
        self.pending = {}

    # -- writing -----------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.context.counters.bytes_sent += len(data)
            self.transport.write(data)

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self.blocked = True
        self.plain = False

    def resume_writing(self) -> None:
        """The transport's buffer has room again."""
        self.blocked = False
        self.plain = not self.compressed


def is_text(payload: bytes) -> bool:
    """Return whether these bytes are UTF-8."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
