"""What a client waits for: the answer to its message, in time, too late, or never."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from wstui.load.connect_outcome import Cause, Outcome
from wstui.load.context import LATE_NS
from wstui.load.conversation.conversation_state import LOOP, OPEN, ConversationState
from wstui.load.conversation.kinds import MessageKind
from wstui.load.conversation.program import Operation
from wstui.load.conversation.server_rules import reason_of
from wstui.measure.sanitize import sanitize
from wstui.scenario.units import format_duration

EXPIRED_KEPT = 32
MOST_EARLY = 64
"""Messages that are kept from a request or a meeting on, until the next step that expects one."""
SHORT_NS = 1_000_000_000
"""A wait that is shorter ends by a timer of its own; longer ones are looked at four times a second."""
_IN_FLIGHT = 1  # the key of the one message that a client may have in flight

_now = time.monotonic_ns


class Replies:
    """The step of one client that waits, and earlier ones whose answers may still come."""

    __slots__ = (
        "_answered", "_answered_bound", "_bound", "_expired", "_matched", "_plain", "began_ns", "conversation",
        "early", "expects_reply", "failure", "last_sent", "operation", "since_ns",
    )  # fmt: skip

    def __init__(self, conversation: ConversationState) -> None:
        self.conversation = conversation
        self.operation: Operation | None = None  # waits
        self.last_sent: Operation | None = None  # whose message was sent last
        self.expects_reply = False  # it waits for the answer to a message of its own
        self.failure = ""  # why the last wait of a script failed
        self.began_ns = 0
        self._bound: Any = None
        self._answered: Operation | None = None  # the one before, for duplicates
        self._answered_bound: Any = None
        self._plain: tuple[Operation, Any, int, int] | None = None  # the last answer without a key: hash, `seq` then
        self.early: list[tuple[int, Any, bytes]] | None = None  # since a request or a meeting, for the step behind it
        self.since_ns = 0
        self._matched: tuple[int, Any, bytes] | None = None
        self._expired: list[tuple[Operation, Any]] | None = None  # those whose answer did not come in time

    # -- what steps do -----------------------------------------------------------------------------------------

    def send_only(self, operation: Operation) -> None:
        """Send the message of a step that waits for nothing."""
        tally = operation.tally
        assert tally is not None
        self.early = None
        self._send(operation, _now())
        tally.counts.begun += 1
        tally.counts.done += 1
        if operation.captures is not None:
            operation.captures.take(None, b"", self.conversation.values, self.conversation.head)
        if self.conversation.phase is LOOP:
            self.conversation.context.counters.no_reply_expected += 1

    def send_and_wait(self, operation: Operation) -> None:
        """Send the message of a step, if it has one, and wait for what it expects."""
        conversation = self.conversation
        now = _now()
        if not conversation.intended_ns:
            conversation.intended_ns = now
        self.expects_reply = operation.render is not None
        if self.expects_reply:
            self._send(operation, now)
            if conversation.phase is LOOP:
                conversation.client.pending[_IN_FLIGHT] = (conversation.intended_ns, now)
        early, self.early = self.early, None
        if early is not None and not self.expects_reply:
            # What a request or a meeting causes may come before this step, and is measured from there.
            conversation.intended_ns = now = self.since_ns
        self.operation = operation
        self.began_ns = now
        self._bound = operation.expect.bind(conversation)
        operation.tally.counts.begun += 1  # type: ignore[union-attr]
        if operation.within_ns < SHORT_NS:
            conversation.wake_ns = conversation.live.add(now + operation.within_ns, conversation)
        for message in early or ():
            if not self.expects_reply and operation.expect.matches(*message[1:], self._bound):
                self._matched = message
                conversation.wake_ns = conversation.live.add(conversation.live.clock(), conversation)
                break

    def wait(self, operation: Operation) -> None:
        """Wait for something other than a message: the answer to an HTTP request, other clients."""
        self.operation = operation
        self.expects_reply = False
        self.began_ns = now = _now()
        self.conversation.intended_ns = self.conversation.intended_ns or now
        operation.tally.counts.begun += 1  # type: ignore[union-attr]

    def _send(self, operation: Operation, now: int) -> None:
        conversation = self.conversation
        conversation.sent_ns = now
        self.last_sent = operation
        conversation.seq = conversation.client.sequence = conversation.client.sequence + 1
        payload = operation.render(conversation)  # type: ignore[misc]
        more = [(first, render(conversation)) for first, render in operation.more] if operation.more else ()
        self.send(operation.first, payload, now, more)

    def not_sent(self, operation: Operation, why: str) -> None:
        """Count a message that its protocol can't say, and of which nothing was sent."""
        operation.tally.counts.begun += 1  # type: ignore[union-attr]
        operation.tally.counts.done += 1  # type: ignore[union-attr]
        self._failed(operation, Cause("unsendable", f"{self._words(operation)}: {why}", local=True), b"")

    def expect(self, operation: Operation, sent: tuple[int, int] | None) -> None:
        """Wait on behalf of a script. `sent` is when the message that is answered was due, and when it was sent."""
        conversation = self.conversation
        now = _now()
        self.expects_reply = sent is not None
        self.failure = ""
        conversation.intended_ns, self.began_ns = sent or (conversation.intended_ns or now, now)
        if sent is not None and conversation.phase is LOOP:
            conversation.client.pending[_IN_FLIGHT] = sent
        self.operation = operation
        operation.tally.counts.begun += 1  # type: ignore[union-attr]
        if operation.within_ns < SHORT_NS:
            conversation.wake_ns = conversation.live.add(self.began_ns + operation.within_ns, conversation)

    def send(self, first: int, payload: bytes, now: int, more: Sequence[tuple[int, bytes]] = ()) -> None:
        """Send a payload and the frames that follow it, and count it if it belongs to the load."""
        conversation = self.conversation
        if conversation.phase is LOOP:
            context = conversation.context
            context.counters.sent += 1
            if conversation.intended_ns and conversation.intended_ns != now:
                # Not the time that the server kept the client from this round: that is not our delay.
                delay = now - max(conversation.intended_ns, conversation.free_ns)
                context.tally.send_delay.record(delay)
                if delay > LATE_NS:
                    context.counters.late_sends += 1
        conversation.transmit(first, payload, more)

    # -- what arrives ------------------------------------------------------------------------------------------

    def take(self, kind: MessageKind, document: Any, payload: bytes) -> bool:
        """Return whether the step that waits expects or refuses this message."""
        operation = self.operation
        if operation is None or operation.expect is None:
            if self.early is not None and len(self.early) < MOST_EARLY:
                self.early.append((self.conversation.context.now, document, payload))
            return False
        expected = kind.rests[operation.expect]
        if expected is not None and expected(document, payload, self._bound):
            self._replied(operation, document, payload, self.conversation.context.now)
            return True
        if operation.refuse is not None:
            refused = kind.rests[operation.refuse]
            if refused is not None and refused(document, payload, self._bound):
                self._replied(operation, document, payload, self.conversation.context.now, is_refusal=True)
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
                    self.conversation.context.counters.late += 1
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
            or (expect.is_earlier is not None and expect.is_earlier(document, payload, self.conversation))
        ):
            answered.tally.counts.duplicates += 1  # type: ignore[union-attr]
            self.conversation.context.counters.duplicates += 1
            return True
        return False

    def _take_again(self, kind: MessageKind, document: Any, payload: bytes) -> bool:
        """Return whether a message would answer the last message again, which had no key to tell its answer by."""
        assert self._plain is not None
        operation, bound, known, seq = self._plain
        conversation = self.conversation
        rest = kind.rests[operation.expect]
        is_latest = conversation.phase is LOOP and seq == conversation.seq
        if not is_latest or rest is None or not rest(document, payload, bound):
            return False
        counters = conversation.context.counters
        if known == hash(payload):
            operation.tally.counts.duplicates += 1  # type: ignore[union-attr]
            counters.duplicates += 1
        else:
            counters.unmatched += 1  # the answer to another client, or a push
        return False

    def _replied(self, operation: Operation, document: Any, payload: bytes, now: int, is_refusal: bool = False) -> None:
        """Record the round trip; a reply lets the client go on, a refusal is a step that failed."""
        conversation = self.conversation
        context = conversation.context
        began, intended = self.began_ns, conversation.intended_ns
        round_trip = now - began
        tally = operation.tally
        assert tally is not None
        if round_trip >= operation.within_ns and not is_refusal:  # not checked since it was due
            tally.counts.late += 1
            context.counters.late += 1
            self._lose(operation, keep=False)
            return
        self.operation = None
        tally.counts.done += 1
        if self.expects_reply and conversation.phase is LOOP:
            conversation.client.pending.clear()
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
        conversation.wake_ns = -1
        if is_refusal:
            assert operation.refuse is not None
            why = reason_of(conversation.role, document, operation.reason) or operation.refuse.words
            self._fail(operation, Cause("refused", f"{self._words(operation)}: {why}"), payload)
            return
        conversation.intended_ns, self._plain = 0, None
        if operation.expect.is_keyed:
            self._answered, self._answered_bound = operation, self._bound
        elif self.expects_reply and conversation.phase is LOOP:
            self._plain = operation, self._bound, hash(payload), conversation.seq
        if operation.captures is not None and (
            lack := operation.captures.take(document, payload, conversation.values, conversation.head)
        ):
            self._fail(operation, Cause("capture", f"{self._words(operation)}: nothing to capture for {lack}"), payload)
            return
        conversation.resume(True)

    def _fail(self, operation: Operation, cause: Cause, payload: bytes) -> None:
        if self._failed(operation, cause, payload):
            self.conversation.resume(False)

    def _failed(self, operation: Operation, cause: Cause, payload: bytes) -> bool:
        """Count a step that failed. Return whether the client goes on; one that is not ready gives up."""
        conversation, events = self.conversation, self.conversation.context.events
        operation.tally.counts.failed += 1  # type: ignore[union-attr]
        self.failure = "refused"
        detail = sanitize(payload, 120)
        if conversation.phase is OPEN:
            outcome = Outcome.REFUSED if cause.kind == "refused" else Outcome.FAILED
            conversation.client.end_attempt(outcome, cause, detail)
            return False
        report = events.step_failed if cause.local else events.expectation_failed
        report(conversation.number, cause, detail)
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
        conversation = self.conversation
        self.operation, self.failure, conversation.wake_ns = None, "timeout", -1
        if operation.expect is None:
            conversation.leave_meeting()
        elif keep and operation.expect.is_keyed:
            if self._expired is None:
                self._expired = []
            self._expired.append((operation, self._bound))
            del self._expired[:-EXPIRED_KEPT]
        within = format_duration(operation.within_ns / 1e9)
        cause = self._count_lost(operation, f"no reply within {within}" if self.expects_reply else f"waited {within}")
        if conversation.phase is OPEN:
            conversation.client.end_attempt(Outcome.TIMED_OUT, cause, "")
            return
        conversation.resume(False)

    def _count_lost(self, operation: Operation, why: str) -> Cause:
        """Count a step whose answer does not come; it enters the response times with all of its time limit."""
        conversation = self.conversation
        waited = operation.within_ns + (self.began_ns - conversation.intended_ns if conversation.intended_ns else 0)
        tally = operation.tally
        assert tally is not None
        tally.counts.lost += 1
        tally.response.record(waited)
        cause = Cause("timeout", f"{self._words(operation)}: {why}")
        if self.expects_reply and conversation.phase is LOOP:
            conversation.client.pending.clear()
            conversation.context.events.reply_timed_out(conversation.number, waited, cause)
        elif conversation.phase is not OPEN:
            conversation.context.events.step_failed(conversation.number, cause, "")
        return cause

    def _words(self, operation: Operation) -> str:
        return f"{self.conversation.role.name}, {operation.label}"
