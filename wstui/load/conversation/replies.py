"""What a client waits for: the answer to its message, in time, too late, or never."""

from __future__ import annotations

import time
from typing import Any

from wstui.load.connect_outcome import Cause, Outcome
from wstui.load.context import LATE_NS
from wstui.load.conversation.conversation_state import LOOP, OPEN, Talk
from wstui.load.conversation.kinds import MessageKind
from wstui.load.conversation.program import Operation
from wstui.load.conversation.server_rules import reason_of
from wstui.measure.sanitize import sanitize
from wstui.scenario.units import format_duration

EXPIRED_KEPT = 32
CAME_KEPT = 64
"""Messages that are kept from a request or a meeting on, until the next step that expects one."""
SHORT_NS = 1_000_000_000
"""A wait that is shorter ends by a timer of its own; longer ones are looked at four times a second."""
_IN_FLIGHT = 1  # the key of the one message that a client may have in flight

_now = time.monotonic_ns


class Replies:
    """The step of one client that waits, and earlier ones whose answers may still come."""

    __slots__ = (
        "_answered", "_answered_bound", "_bound", "_expired", "_matched", "_plain", "asked", "began_ns", "came",
        "failure", "operation", "saying", "since_ns", "talk",
    )  # fmt: skip

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.operation: Operation | None = None  # waits
        self.saying: Operation | None = None  # whose message was sent last
        self.asked = False  # it waits for the answer to a message of its own
        self.failure = ""  # why the last wait of a script failed
        self.began_ns = 0
        self._bound: Any = None
        self._answered: Operation | None = None  # the one before, for duplicates
        self._answered_bound: Any = None
        self._plain: tuple[Operation, Any, int, int] | None = None  # the last answer without a key: hash, `seq` then
        self.came: list[tuple[int, Any, bytes]] | None = None  # since a request or a meeting, for the step behind it
        self.since_ns = 0
        self._matched: tuple[int, Any, bytes] | None = None
        self._expired: list[tuple[Operation, Any]] | None = None  # those whose answer did not come in time

    # -- what steps do -----------------------------------------------------------------------------------------

    def say(self, operation: Operation) -> None:
        """Send the message of a step that waits for nothing."""
        tally = operation.tally
        assert tally is not None
        self.came = None
        self._send(operation, _now())
        tally.counts.begun += 1
        tally.counts.done += 1
        if operation.captures is not None:
            operation.captures.take(None, b"", self.talk.values, self.talk.head)
        if self.talk.phase is LOOP:
            self.talk.context.counters.no_reply_expected += 1

    def ask(self, operation: Operation) -> None:
        """Send the message of a step, if it has one, and wait for what it expects."""
        talk = self.talk
        now = _now()
        if not talk.intended_ns:
            talk.intended_ns = now
        self.asked = operation.render is not None
        if self.asked:
            self._send(operation, now)
            if talk.phase is LOOP:
                talk.client.pending[_IN_FLIGHT] = (talk.intended_ns, now)
        came, self.came = self.came, None
        if came is not None and not self.asked:
            # What a request or a meeting causes may come before this step, and is measured from there.
            talk.intended_ns = now = self.since_ns
        self.operation = operation
        self.began_ns = now
        self._bound = operation.expect.bind(talk)
        operation.tally.counts.begun += 1  # type: ignore[union-attr]
        if operation.within_ns < SHORT_NS:
            talk.wake_ns = talk.live.add(now + operation.within_ns, talk)
        for message in came or ():
            if not self.asked and operation.expect.matches(*message[1:], self._bound):
                self._matched = message
                talk.wake_ns = talk.live.add(talk.live.clock(), talk)
                break

    def hold(self, operation: Operation) -> None:
        """Wait for something other than a message: the answer to an HTTP request, other clients."""
        self.operation = operation
        self.asked = False
        self.began_ns = now = _now()
        self.talk.intended_ns = self.talk.intended_ns or now
        operation.tally.counts.begun += 1  # type: ignore[union-attr]

    def _send(self, operation: Operation, now: int) -> None:
        talk = self.talk
        talk.sent_ns = now
        self.saying = operation
        talk.seq = talk.client.sequence = talk.client.sequence + 1
        payload = operation.render(talk)  # type: ignore[misc]
        more = [(first, render(talk)) for first, render in operation.more] if operation.more else ()
        self.send(operation.first, payload, now)
        for first, frame in more:
            talk.transmit(first, frame)

    def not_sent(self, operation: Operation, why: str) -> None:
        """Count a message that its protocol can't say, and of which nothing was sent."""
        operation.tally.counts.begun += 1  # type: ignore[union-attr]
        operation.tally.counts.done += 1  # type: ignore[union-attr]
        self._failed(operation, Cause("unsendable", f"{self._words(operation)}: {why}", local=True), b"")

    def expect(self, operation: Operation, sent: tuple[int, int] | None) -> None:
        """Wait on behalf of a script. `sent` is when the message that is answered was due, and when it was sent."""
        talk = self.talk
        now = _now()
        self.asked = sent is not None
        self.failure = ""
        talk.intended_ns, self.began_ns = sent or (talk.intended_ns or now, now)
        if sent is not None and talk.phase is LOOP:
            talk.client.pending[_IN_FLIGHT] = sent
        self.operation = operation
        operation.tally.counts.begun += 1  # type: ignore[union-attr]
        if operation.within_ns < SHORT_NS:
            talk.wake_ns = talk.live.add(self.began_ns + operation.within_ns, talk)

    def send(self, first: int, payload: bytes, now: int) -> None:
        """Send a payload, and count it if it belongs to the load."""
        talk = self.talk
        if talk.phase is LOOP:
            context = talk.context
            context.counters.sent += 1
            if talk.intended_ns and talk.intended_ns != now:
                # Not the time that the server kept the client from this round: that is not our delay.
                delay = now - max(talk.intended_ns, talk.free_ns)
                context.tally.send_delay.record(delay)
                if delay > LATE_NS:
                    context.counters.late_sends += 1
        talk.transmit(first, payload)

    # -- what arrives ------------------------------------------------------------------------------------------

    def take(self, kind: MessageKind, document: Any, payload: bytes) -> bool:
        """Return whether the step that waits expects or refuses this message."""
        operation = self.operation
        if operation is None or operation.expect is None:
            if self.came is not None and len(self.came) < CAME_KEPT:
                self.came.append((self.talk.context.now, document, payload))
            return False
        expected = kind.rests[operation.expect]
        if expected is not None and expected(document, payload, self._bound):
            self._replied(operation, document, payload, self.talk.context.now)
            return True
        if operation.refuse is not None:
            refused = kind.rests[operation.refuse]
            if refused is not None and refused(document, payload, self._bound):
                self._refused(operation, document, payload)
                return True
        return False

    def is_own(self, kind: MessageKind, document: Any, payload: bytes) -> bool:
        """Return whether the step that waits expects this message, and no other client's step does."""
        expect = self.operation.expect if self.operation is not None else None
        if expect is None or not expect.names_client:
            return False
        rest = kind.rests[expect]
        return rest is not None and rest(document, payload, self._bound)

    def take_stale(self, kind: MessageKind, document: Any, payload: bytes) -> bool:
        """Return whether this is a late answer, or the last one again."""
        if self._expired:
            for entry in self._expired:
                rest = kind.rests[entry[0].expect]
                if rest is not None and rest(document, payload, entry[1]):
                    self._expired.remove(entry)
                    entry[0].tally.counts.late += 1  # type: ignore[union-attr]
                    self.talk.context.counters.late += 1
                    return True
        if self._plain is not None:
            return self._take_again(kind, document, payload)
        answered = self._answered
        if answered is None or answered.expect is None:
            return False
        expect = answered.expect
        rest = kind.rests[expect]
        if rest is not None and (
            rest(document, payload, self._answered_bound)
            or (expect.is_earlier is not None and expect.is_earlier(document, payload, self.talk))
        ):
            answered.tally.counts.duplicates += 1  # type: ignore[union-attr]
            self.talk.context.counters.duplicates += 1
            return True
        return False

    def _take_again(self, kind: MessageKind, document: Any, payload: bytes) -> bool:
        """Return whether a message would answer the last message again, which had no key to tell its answer by."""
        assert self._plain is not None
        operation, bound, known, seq = self._plain
        talk = self.talk
        rest = kind.rests[operation.expect]
        if talk.phase is not LOOP or seq != talk.seq or rest is None or not rest(document, payload, bound):
            return False
        counters = talk.context.counters
        if known == hash(payload):
            operation.tally.counts.duplicates += 1  # type: ignore[union-attr]
            counters.duplicates += 1
        else:
            counters.unmatched += 1  # the answer to another client, or a push
        return False

    def _replied(self, operation: Operation, document: Any, payload: bytes, now: int) -> None:
        talk = self.talk
        context = talk.context
        began, intended = self.began_ns, talk.intended_ns
        round_trip = now - began
        tally = operation.tally
        assert tally is not None
        if round_trip >= operation.within_ns:  # not checked since it was due
            tally.counts.late += 1
            context.counters.late += 1
            self._lose(operation, keep=False)
            return
        self.operation = None
        tally.counts.done += 1
        if self.asked and talk.phase is LOOP:
            talk.client.pending.clear()
            context.counters.matched += 1
            if intended == began:
                context.tally.on_time.record(round_trip)
            else:
                context.tally.round_trip.record(round_trip)
                context.tally.response.record(now - intended)
        if intended == began:
            tally.on_time.record(round_trip)
        else:
            tally.round_trip.record(round_trip)
            tally.response.record(now - intended)
        talk.intended_ns, talk.wake_ns, self._plain = 0, -1, None
        if operation.expect.is_keyed:
            self._answered, self._answered_bound = operation, self._bound
        elif self.asked and talk.phase is LOOP:
            self._plain = operation, self._bound, hash(payload), talk.seq
        if operation.captures is not None and (
            lack := operation.captures.take(document, payload, talk.values, talk.head)
        ):
            self._fail(operation, Cause("capture", f"{self._words(operation)}: nothing to capture for {lack}"), payload)
            return
        talk.resume(True)

    def _refused(self, operation: Operation, document: Any, payload: bytes) -> None:
        """The answer is no."""
        talk = self.talk
        context = talk.context
        tally = operation.tally
        assert tally is not None and operation.refuse is not None
        now = context.now
        round_trip, response = now - self.began_ns, now - talk.intended_ns
        tally.counts.done += 1
        tally.round_trip.record(round_trip)
        tally.response.record(response)
        if self.asked and talk.phase is LOOP:
            talk.client.pending.clear()
            context.counters.matched += 1
            context.tally.round_trip.record(round_trip)
            context.tally.response.record(response)
        self.operation, talk.wake_ns = None, -1
        why = reason_of(talk.role, document, operation.reason) or operation.refuse.words
        self._fail(operation, Cause("refused", f"{self._words(operation)}: {why}"), payload)

    def _fail(self, operation: Operation, cause: Cause, payload: bytes) -> None:
        if self._failed(operation, cause, payload):
            self.talk.resume(False)

    def _failed(self, operation: Operation, cause: Cause, payload: bytes) -> bool:
        """Count a step that failed. Return whether the client goes on; one that is not ready gives up."""
        talk, events = self.talk, self.talk.context.events
        operation.tally.counts.failed += 1  # type: ignore[union-attr]
        self.failure = "refused"
        detail = sanitize(payload, 120)
        if talk.phase is OPEN:
            outcome = Outcome.REFUSED if cause.kind == "refused" else Outcome.FAILED
            talk.client.end_attempt(outcome, cause, detail)
            return False
        report = events.step_failed if cause.local else events.expectation_failed
        report(talk.number, cause, detail)
        return True

    # -- what does not -----------------------------------------------------------------------------------------

    def expire(self, now_ns: int) -> None:
        """Give up what has been waited for too long."""
        operation = self.operation
        if operation is None or operation.request is not None:
            return
        if self._matched is not None:
            (at, document, payload), self._matched = self._matched, None
            self._replied(operation, document, payload, at)
        elif now_ns - self.began_ns >= operation.within_ns:
            self._lose(operation, keep=True)

    def cut(self, *, dropped: bool) -> None:
        """Stop waiting: we end the wait, or the other side has `dropped` the connection."""
        operation, self.operation, self._matched = self.operation, None, None
        if operation is not None and operation.tally is not None:
            self.failure = "dropped" if dropped else "leaving"
            if dropped and operation.request is None:
                self._count_lost(operation, "connection ended before the reply")
            else:
                operation.tally.counts.abandoned += 1

    def _lose(self, operation: Operation, keep: bool) -> None:
        talk = self.talk
        self.operation, self.failure, talk.wake_ns = None, "timeout", -1
        if operation.expect is None:
            talk.leave_meeting()
        elif keep and operation.expect.is_keyed:
            if self._expired is None:
                self._expired = []
            self._expired.append((operation, self._bound))
            del self._expired[:-EXPIRED_KEPT]
        within = format_duration(operation.within_ns / 1e9)
        cause = self._count_lost(operation, f"no reply within {within}" if self.asked else f"waited {within}")
        if talk.phase is OPEN:
            talk.client.end_attempt(Outcome.TIMED_OUT, cause, "")
            return
        talk.resume(False)

    def _count_lost(self, operation: Operation, why: str) -> Cause:
        """Count a step whose answer does not come; it enters the response times with all of its time limit."""
        talk = self.talk
        waited = operation.within_ns + (self.began_ns - talk.intended_ns if talk.intended_ns else 0)
        tally = operation.tally
        assert tally is not None
        tally.counts.lost += 1
        tally.response.record(waited)
        cause = Cause("timeout", f"{self._words(operation)}: {why}")
        if self.asked and talk.phase is LOOP:
            talk.client.pending.clear()
            talk.context.events.reply_timed_out(talk.number, waited, cause)
        elif talk.phase is not OPEN:
            talk.context.events.step_failed(talk.number, cause, "")
        return cause

    def _words(self, operation: Operation) -> str:
        return f"{self.talk.role.name}, {operation.label}"
