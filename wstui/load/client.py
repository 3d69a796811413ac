"""One virtual client: opens, becomes ready, talks, closes; and says how each of it went."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

from websockets.exceptions import PayloadTooBig
from websockets.frames import CloseCode

from wstui.load.client_state import CLOSING, CONNECTING, ENDED, HANDSHAKE, READY, RETIRING, WAITING
from wstui.load.connect_outcome import WANTS_CERTIFICATE, Cause, Outcome, cause_of, is_end_of_tls
from wstui.load.handshake import Upgrade
from wstui.load.messaging import Messaging
from wstui.load.refusal import MOST_REDIRECTS, Refusal
from wstui.measure.sanitize import visible
from wstui.scenario.units import format_size

if TYPE_CHECKING:
    from wstui.load.worker import Worker
    from wstui.scenario.url import Address

_now = time.monotonic_ns


class Client(Messaging, asyncio.Protocol):
    """A connection of the load. Its number is its identity: token, phase of its sends, lines in the error log."""

    __slots__ = (
        "born_ns",
        "closing_ns",
        "leaves_ns",
        "leaving",
        "next_ns",
        "opened_ns",
        "redirected",
        "redirects",
        "said",
        "stay_ns",
        "task",
        "turn",
        "upgrade",
    )

    uri: Address

    def __init__(self, worker: Worker, number: int, slot: int, uri: Address) -> None:
        super().__init__(worker, number, slot, uri)
        self.stay_ns = 0  # how long it stays once it is ready; 0: until it is told to go
        self.leaves_ns = 0
        self.leaving = False  # told to go while its attempt is under way: closes once it is open
        self.task: asyncio.Task[None] | None = None
        self.upgrade: Upgrade | None = None
        self.redirected: Address | None = None
        self.redirects = 0
        self.said = b""  # the first message that came in place of the welcome
        self.born_ns = _now()
        self.opened_ns = 0
        self.closing_ns = 0
        self.next_ns = 0
        self.turn = 0  # of its own schedule, where that is drawn at random

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
            self.upgrade = self.worker.upgrade(self)
            request = self.upgrade.request()
        except Exception as error:  # of ours, or of its token: nothing that the server can help
            self._give_up(Outcome.FAILED, cause_of(error)._replace(local=True))
            return
        self.write(request)

    def data_received(self, data: bytes) -> None:
        """Bytes from the network; the clock is read once for all that they hold."""
        worker = self.worker
        worker.now = _now()
        worker.counters.bytes_received += len(data)
        if self.upgrade is not None:
            self._respond(self.upgrade, data)
        elif self.step < CLOSING:
            self.feed(data)
        elif self.step is CLOSING:
            self.feed_closing(data)

    def _respond(self, upgrade: Upgrade, data: bytes) -> None:
        """Read the answer to the upgrade."""
        answer = upgrade.read(data)
        if answer is None:
            return
        if isinstance(answer, Refusal):
            if (location := answer.location) is not None and self.worker.spec.follow_redirects:
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
        self.opened_ns = self.worker.now
        self.step = WAITING
        self.waiting = self.worker.exchange.waits
        self.worker.opened(self)
        if self.leaving:
            self.close()
        if answer.rest:
            self.feed_closing(answer.rest) if self.leaving else self.feed(answer.rest)

    def _follow(self, location: Address) -> None:
        """Go on where a redirect leads, within the same attempt."""
        transport, self.transport = self.transport, None
        if transport is not None:
            transport.set_protocol(asyncio.Protocol())  # its end is not the client's
            transport.abort()
        self.upgrade = None
        self.step = CONNECTING
        self.redirected = location
        self.redirects += 1
        self.worker.redirected(self)

    def on_welcome(self) -> None:
        """The ready condition is met by a message."""
        self.waiting = False
        self.become_ready(self.worker.now)

    def not_the_welcome(self, document: bytes) -> None:
        """Keep the first for people to see, if it is all that comes."""
        self.said = self.said or document[:500]

    def become_ready(self, at_ns: int) -> None:
        """The attempt succeeded, `at_ns` on the monotonic clock."""
        if self.step is WAITING:
            self.step = READY
            self.worker.became_ready(self, at_ns)

    def connect_failed(self, error: BaseException) -> None:
        """TCP or TLS did not come up."""
        self._give_up(Outcome.FAILED, self._certificate_wanted(error) or cause_of(error))

    def _certificate_wanted(self, error: BaseException | None) -> Cause | None:
        """What it means that TLS ended, if the server had asked for a certificate that clients do not have."""
        return WANTS_CERTIFICATE if self.worker.wants_certificate and is_end_of_tls(error) else None

    def time_out(self, asking: str = "") -> None:
        """The attempt took too long: say which part; `asking` is what a proxy owes it, "" for nothing."""
        timeout = self.worker.spec.connect_timeout_ns / 1e9
        if self.step is WAITING and not self.waiting:
            return  # it is connected, and only has to stay so for a while
        detail = ""
        if self.step is WAITING:
            cause = Cause("connect timeout", f"no welcome within {timeout:g} s")
            if self.said:
                wanted = visible(self.worker.spec.welcome, 60)
                cause = cause._replace(message=f"{cause.message}: no message had {wanted!r} as its type")
                detail = f"the first was {visible(self.said, 120)}"
        elif asking:
            cause = Cause("proxy", f"no {asking} from the proxy within {timeout:g} s")
        elif self.step is HANDSHAKE:
            cause = Cause("connect timeout", f"no answer to the upgrade within {timeout:g} s")
        else:
            cause = Cause("connect timeout", f"no TCP connection within {timeout:g} s")
        self._give_up(Outcome.TIMED_OUT, cause, detail)

    def _give_up(self, outcome: Outcome, cause: Cause | None, detail: str = "") -> None:
        """The attempt ended without success."""
        if self.step >= READY:
            return
        if self.upgrade is not None and (refusal := self.upgrade.refusal) is not None:
            # It was refused already; the rest of the answer did not come.
            outcome, cause, detail = refusal.outcome, refusal.cause, refusal.detail
        self.step = ENDED
        self.upgrade = None
        self.tail = b""
        self.worker.attempt_ended(self, outcome, cause, detail)
        if self.task is not None:
            self.task.cancel()
        if self.transport is not None:
            self.transport.abort()

    # -- ending ------------------------------------------------------------------------------------------------

    def close_when_idle(self) -> None:
        """Send no more, and close when the replies in flight are there, or the upgrade is answered."""
        if self.step is READY:
            self.step = RETIRING
            if not self.pending:
                self.close()
        elif self.step is WAITING:
            self.close()
        elif self.step < WAITING:
            self.leaving = True  # the target still owes an answer, and has until the connect timeout to give it

    def close(self) -> None:
        """Begin the closing handshake of an open connection with 1000; before it is ready the attempt is drained."""
        if self.step not in (WAITING, READY, RETIRING):
            return
        was_ready = self.step is not WAITING
        self.step = CLOSING
        self.closing_ns = _now()
        if was_ready:
            self.worker.began_closing(self)
        else:
            self.waiting = False
            self.worker.closed_unready(self)
        protocol = self.ensure_protocol()
        protocol.send_close(CloseCode.NORMAL_CLOSURE)
        for data in protocol.data_to_send():
            self.write(data)

    def abort(self) -> None:
        """Drop the connection."""
        if self.step < READY:
            self._give_up(Outcome.DRAINED, None)
        elif self.transport is not None:
            if self.step is not CLOSING:
                self.step = CLOSING
                self.worker.began_closing(self)
            self.transport.abort()

    def closing(self) -> None:
        """The other side closes, or its frames are broken."""
        if self.step is CLOSING or self.step is ENDED:
            return
        protocol = self.protocol
        assert protocol is not None
        received = protocol.close_rcvd
        if received is not None:
            detail = visible(received.reason, 1230)  # 123 bytes at most, each of which may become an escape
            cause = Cause(f"close {int(received.code)}", detail or _close_name(received.code))
        elif protocol.parser_exc is not None:
            cause = self._broken_by(protocol.parser_exc)
        else:
            cause = Cause("reset", "connection closed without a close frame")
        self._ended(Outcome.REFUSED if received is not None else Outcome.FAILED, cause)

    def _broken_by(self, error: Exception) -> Cause:
        """Why this side had to end the connection: a limit of our own, or what the server sent."""
        if isinstance(error, PayloadTooBig):
            limit = format_size(self.max_size)
            return Cause("too large", f"messages larger than target.max_size ({limit}) came: raise it", True)
        if isinstance(error, UnicodeDecodeError):
            return Cause("invalid text", "the reason of a close frame is not UTF-8")
        return Cause("protocol", visible(str(error), 120))

    def fail(self, code: CloseCode, cause: Cause) -> None:
        """End the connection with this code: the other side broke the protocol."""
        protocol = self.ensure_protocol()
        protocol.fail(code)
        for data in protocol.data_to_send():
            self.write(data)
        if self.step is not CLOSING and self.step is not ENDED:
            self._ended(Outcome.FAILED, cause)

    def _ended(self, outcome: Outcome, cause: Cause) -> None:
        """The connection ends and we did not ask for it."""
        if self.step >= READY:
            self._dropped(cause)
            return
        transport, self.transport = self.transport, None
        self._give_up(outcome, cause)
        self.transport = transport
        if transport is not None:
            transport.close()  # only now: our close frame is to get out

    def _dropped(self, cause: Cause) -> None:
        """A ready connection ends and we did not ask for it."""
        self.step = CLOSING
        self.closing_ns = _now()
        self.abandon_pending()
        self.worker.dropped(self, cause)

    def eof_received(self) -> bool:
        """The other side has no more to say; the transport closes itself."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """TCP has ended."""
        if self.step < READY:
            if self.step is HANDSHAKE and (wanted := self._certificate_wanted(exc)) is not None:
                cause = wanted
            elif exc is not None:
                cause = cause_of(exc)
            elif self.step is HANDSHAKE:
                cause = Cause("handshake", "connection closed before the answer to the upgrade")
            else:
                cause = Cause("reset", "connection closed before ready, without a close frame")
            self._give_up(Outcome.FAILED, cause)
        elif self.step < CLOSING:
            self._dropped(cause_of(exc) if exc is not None else Cause("reset", "closed without a close frame"))
        self.transport = None
        self.protocol = None
        if self.step is not ENDED:
            self.step = ENDED
            self.worker.tally.counters.abandoned += len(self.pending)
            self.pending = {}
            self.worker.ended(self)


_BUFFER = memoryview(bytearray(256 * 1024))


class BufferedClient(Client, asyncio.BufferedProtocol):
    """The same for asyncio's own loop, which would allocate 256 KiB for each receive; one buffer serves all."""

    __slots__ = ()

    def get_buffer(self, sizehint: int) -> memoryview:
        """The shared buffer: it is emptied before the loop reads again."""
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """The loop has read `nbytes` into it."""
        self.data_received(bytes(_BUFFER[:nbytes]))


def _close_name(code: int) -> str:
    try:
        return CloseCode(code).name.lower().replace("_", " ")
    except ValueError:
        return "without a reason"
