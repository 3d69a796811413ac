"""One virtual client: opens, becomes ready, exchanges messages, closes, and reports each of these."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol, cast

from websockets.frames import CloseCode

from wstui.load.attempt import Attempt
from wstui.load.connect_outcome import Cause, Outcome, cause_of, end_of_tls
from wstui.load.context import (
    CLOSING,
    CONNECTING,
    ENDED,
    HANDSHAKE,
    READY,
    RETIRING,
    WAITING,
    WorkerContext,
)
from wstui.load.end_causes import broken_by, closed_by, lost_early, no_welcome
from wstui.load.handshake import Upgrade
from wstui.load.messaging import Messaging
from wstui.load.refusal import MOST_REDIRECTS, Header, Refusal
from wstui.scenario.url import Address

_now = time.monotonic_ns


class ClientEvents(Protocol):
    """Events that a client reports."""

    def redirected(self, client: LoadClient) -> None:
        """It continues at another address of the same server."""

    def opened(self, client: LoadClient) -> None:
        """The upgrade succeeded."""

    def became_ready(self, client: LoadClient, at_ns: int) -> None:
        """The ready condition is met."""

    def attempt_ended(self, client: LoadClient, outcome: Outcome, cause: Cause | None, detail: str) -> None:
        """The attempt ended without becoming ready."""

    def began_closing(self, client: LoadClient) -> None:
        """We close a ready connection."""

    def closed_unready(self, client: LoadClient) -> None:
        """We close an open connection that is not ready yet."""

    def dropped(self, client: LoadClient, cause: Cause) -> None:
        """The other side ended a ready connection."""

    def ended(self, client: LoadClient) -> None:
        """A connection that was ready, or that we closed, is gone."""


class LoadClient(Messaging, asyncio.Protocol):
    """A connection of the load. Its number is its identity: token, phase of its sends, lines in the error log."""

    __slots__ = (
        "attempt", "born_ns", "closing_ns", "events", "first_message", "head", "leaves_ns", "leaving", "next_ns",
        "opened_ns", "redirected", "redirects", "stay_ns", "turn", "upgrade",
    )  # fmt: skip

    uri: Address

    def __init__(self, context: WorkerContext, events: ClientEvents, number: int, slot: int, stay_ns: int = 0) -> None:
        super().__init__(context, number, slot, context.identities.credentials_of(number).address)
        self.events = events
        self.stay_ns = stay_ns  # how long it stays once it is ready; 0: until it is told to leave
        self.leaves_ns = 0
        self.leaving = False  # told to leave while its attempt is under way: closes once it is open
        self.attempt: Attempt | asyncio.Task[None] | None = None  # opens the connection
        self.upgrade: Upgrade | None = None
        self.redirected: Address | None = None
        self.redirects = 0
        self.head: Sequence[Header] = ()  # of the answer to the upgrade, while the client is told of it
        self.first_message = b""  # that came instead of the welcome
        self.born_ns = _now()
        self.opened_ns = 0
        self.closing_ns = 0
        self.next_ns = 0
        self.turn = 0  # of its own schedule, if that is random

    # -- opening -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP (and TLS) is up: ask for the upgrade."""
        # uvloop's transports are not subclasses of asyncio's.
        self.transport = cast(asyncio.Transport, transport)
        if self.step is not CONNECTING:
            self.transport.abort()
            return
        self.step = HANDSHAKE
        try:
            identities = self.context.identities
            credentials = identities.credentials_of(self.number)
            self.upgrade = credentials.upgrade(identities.of(self.number), self.redirected)
            request = self.upgrade.request()
        except Exception as error:  # our mistake, or its token's: never the server's
            self._give_up(Outcome.FAILED, cause_of(error)._replace(local=True))
            return
        self.write(request)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the network. The clock is read once for all of them."""
        context = self.context
        context.now = _now()
        context.counters.bytes_received += len(data)
        if self.upgrade is not None:
            self._respond(self.upgrade, data)
        elif self.step < CLOSING:
            self.feed(data)
        elif self.step is CLOSING:
            self.feed_closing(data)

    def _respond(self, upgrade: Upgrade, data: bytes) -> None:
        answer = upgrade.read(data)
        if answer is None:
            return
        if isinstance(answer, Refusal):
            if (location := answer.location) is not None and self.context.connect.follow_redirects:
                if location.origin == self.uri.origin and self.redirects < MOST_REDIRECTS:
                    self._follow(location)
                    return
                answer = answer.not_followed(location.origin == self.uri.origin)
            self.upgrade = None
            self._give_up(answer.outcome, answer.cause, answer.detail)
            return
        self.upgrade = None
        self.adopt(answer.protocol)
        self.plain = not self.compressed
        self.head = answer.head
        self._opened(self.context.now)
        if answer.rest:
            self.feed_closing(answer.rest) if self.leaving else self.feed(answer.rest)

    def go_without_connection(self) -> None:
        """Go on as if the connection were open: the client only makes HTTP requests."""
        if self.step is CONNECTING:
            self._opened(_now())

    def _opened(self, at_ns: int) -> None:
        self.opened_ns = at_ns
        self.step = WAITING
        self.waiting = self.context.exchange.waits
        self.events.opened(self)
        self.head = ()
        if self.leaving:
            self.close()
        elif self.conversation is not None and self.waiting:
            self.conversation.start()

    def _follow(self, location: Address) -> None:
        """Follow a redirect within the same attempt."""
        transport, self.transport = self.transport, None
        if transport is not None:
            transport.set_protocol(asyncio.Protocol())  # its end is not the end of the client
            transport.abort()
        self.upgrade = None
        self.step = CONNECTING
        self.redirected = location
        self.redirects += 1
        self.events.redirected(self)

    def on_welcome(self) -> None:
        self.waiting = False
        self.become_ready(self.context.now)

    def not_the_welcome(self, document: bytes) -> None:
        """Keep the first, to be shown if no welcome comes."""
        self.first_message = self.first_message or document[:500]

    def become_ready(self, at_ns: int) -> None:
        """End the attempt with success at `at_ns` (monotonic)."""
        if self.step is WAITING:
            self.step = READY
            self.events.became_ready(self, at_ns)

    def end_attempt(self, outcome: Outcome, cause: Cause, detail: str) -> None:
        """A step before the client was ready failed."""
        self._give_up(outcome, cause, detail)

    def connect_failed(self, error: BaseException) -> None:
        """TCP or TLS did not come up."""
        self._give_up(Outcome.FAILED, self._certificate_wanted(error) or cause_of(error))

    def _certificate_wanted(self, error: BaseException | None) -> Cause | None:
        """The cause if TLS ended because of the certificate that the server asked for."""
        return end_of_tls(self.context.wanted_certificate, error)

    def time_out(self, asking: str = "") -> None:
        """Give up an attempt that took too long, naming the part; `asking` is what a proxy has not answered, or ""."""
        if self.step is WAITING and (not self.waiting or self.conversation is not None):
            return  # it is connected and only has to settle, or its steps have limits of their own
        within = f"within {self.context.connect.timeout_ns / 1e9:g} s"
        cause, detail = Cause("connect timeout", f"no TCP connection {within}"), ""
        if self.step is WAITING:
            cause, detail = no_welcome(within, self.context.welcome, self.first_message)
        elif asking:
            cause = Cause("proxy", f"no {asking} from the proxy {within}")
        elif self.step is HANDSHAKE:
            cause = Cause("connect timeout", f"no answer to the upgrade {within}")
        elif getattr(self.attempt, "is_in_tls", False):
            cause = Cause("connect timeout", f"no answer in the TLS handshake {within}")
        self._give_up(Outcome.TIMED_OUT, cause, detail)

    def _give_up(self, outcome: Outcome, cause: Cause | None, detail: str = "") -> None:
        if self.step >= READY:
            return
        if self.upgrade is not None and (refusal := self.upgrade.refusal) is not None:
            # It was already refused; only the rest of the answer is missing.
            outcome, cause, detail = refusal.outcome, refusal.cause, refusal.detail
        is_open = self.step is WAITING and outcome is not Outcome.DRAINED
        self.step = ENDED
        self.upgrade = None
        self.tail = b""
        if self.conversation is not None:
            self.conversation.ended(dropped=outcome is not Outcome.DRAINED)
        self.events.attempt_ended(self, outcome, cause, detail)
        if self.attempt is not None:
            self.attempt.cancel()
        if self.transport is None:
            return
        if is_open:
            self._send_close()
            asyncio.get_running_loop().call_later(self.context.connect.close_timeout_ns / 1e9, self.transport.abort)
        else:
            self.transport.abort()

    # -- ending ------------------------------------------------------------------------------------------------

    def close_when_idle(self) -> None:
        """Stop sending, and close when the replies in flight have arrived, or the upgrade is answered."""
        if self.step is READY:
            self.step = RETIRING
            if self.conversation is not None:
                self.conversation.close_when_idle()
            elif not self.pending:
                self.close()
        elif self.step is WAITING:
            self.close()
        elif self.step < WAITING:
            self.leaving = True  # the target has until the connect timeout to answer

    def close(self) -> None:
        """Begin the closing handshake with 1000. If the client is not ready yet, its attempt counts as drained."""
        if self.step not in (WAITING, READY, RETIRING):
            return
        was_ready = self.step is not WAITING
        if was_ready and self.conversation is not None:
            self.step = RETIRING
            if not self.conversation.may_close() or self.step is not RETIRING:
                return  # it still has to say goodbye, or has closed by now
        self.step = CLOSING
        self.closing_ns = _now()
        if self.conversation is not None:
            self.conversation.ended()
        if was_ready:
            self.events.began_closing(self)
        else:
            self.waiting = False
            self.events.closed_unready(self)
        self._send_close()
        if self.transport is None:
            asyncio.get_running_loop().call_soon(self.connection_lost, None)

    def _send_close(self) -> None:
        protocol = self.ensure_protocol()
        protocol.send_close(CloseCode.NORMAL_CLOSURE)
        for data in protocol.data_to_send():
            self.write(data)

    def abort(self) -> None:
        if self.step < READY:
            self._give_up(Outcome.DRAINED, None)
        elif self.step is not ENDED:
            if self.step is not CLOSING:
                self.step = CLOSING
                if self.conversation is not None:
                    self.conversation.ended()
                self.events.began_closing(self)
            if self.transport is not None:
                self.transport.abort()
            else:
                self.connection_lost(None)

    def closing(self) -> None:
        """The other side closes, or its frames are broken."""
        if self.step is CLOSING or self.step is ENDED:
            return
        protocol = self.protocol
        assert protocol is not None
        received = protocol.close_rcvd
        if received is not None:
            cause = closed_by(received, self.conversation.role.closes if self.conversation is not None else {})
        elif protocol.parser_exc is not None:
            cause = broken_by(protocol.parser_exc, self.max_size)
        else:
            cause = Cause("reset", "connection closed without a close frame")
        self._ended(Outcome.REFUSED if received is not None else Outcome.FAILED, cause)

    def fail(self, code: CloseCode, cause: Cause) -> None:
        """End the connection with this code: the other side broke the protocol."""
        protocol = self.ensure_protocol()
        protocol.fail(code)
        for data in protocol.data_to_send():
            self.write(data)
        if self.step is not CLOSING and self.step is not ENDED:
            self._ended(Outcome.FAILED, cause)

    def _ended(self, outcome: Outcome, cause: Cause) -> None:
        """Report a connection that ends without our request."""
        if self.step >= READY:
            self._dropped(cause)
            return
        transport, self.transport = self.transport, None
        self._give_up(outcome, cause)
        self.transport = transport
        if transport is not None:
            transport.close()  # not abort(): our close frame must get out

    def _dropped(self, cause: Cause) -> None:
        self.step = CLOSING
        self.closing_ns = _now()
        self.abandon_pending()
        self.events.dropped(self, cause)

    def eof_received(self) -> bool:
        """Let the transport close itself."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self.step < READY:
            upgrading = self.step is HANDSHAKE
            wanted = self._certificate_wanted(exc) if upgrading else None
            self._give_up(Outcome.FAILED, wanted or lost_early(exc, upgrading=upgrading))
        elif self.step < CLOSING:
            self._dropped(cause_of(exc) if exc is not None else Cause("reset", "closed without a close frame"))
        self.transport = None
        self.protocol = None
        if self.step is not ENDED:
            self.step = ENDED
            self.context.counters.abandoned += len(self.pending)
            self.pending = {}
            self.events.ended(self)
