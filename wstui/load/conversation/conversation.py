"""One client's conversation: a coroutine that its worker resumes when a message matches or a time has come.

No client has a task, future or queue of its own. What the coroutine awaits registers itself here and yields `WAIT`;
`resume` goes on with True when it has happened, or False when it failed.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine, Generator, Sequence
from enum import IntEnum
from typing import Any, Protocol

from wstui.load.client import Client
from wstui.load.connect_outcome import Cause, Outcome
from wstui.load.context import LATE_NS
from wstui.load.conversation.program import Beat, Operation, Role
from wstui.load.conversation.timers import Timers
from wstui.load.reply_matcher import MISSING
from wstui.measure.sanitize import visible
from wstui.scenario.units import format_duration

EXPIRED_KEPT = 32
SHORT_NS = 1_000_000_000
"""A wait that is shorter ends by a timer of its own; longer ones are looked at four times a second."""
_IN_FLIGHT = 1  # the key of the one message that a client may have in flight

_now = time.monotonic_ns


class _Wait:
    """What our own awaitables yield."""


WAIT = _Wait()


class Phase(IntEnum):
    """What a conversation is at."""

    OPEN = 0
    LOOP = 1
    LEAVE = 2
    ENDED = 3


OPEN, LOOP, LEAVE, ENDED = Phase


class ConversationHost(Protocol):
    """What a conversation asks of its worker."""

    schedule: Timers
    live: Timers
    conversations: dict[Client, Conversation]
    parked: dict[Conversation, None]
    deals_rows: bool
    mistake: Exception | None  # of a conversation, which ends the worker

    def walk(self, conversation: Conversation, operations: list[Operation]) -> Generator[Any, bool, None]: ...
    def first_round(self, conversation: Conversation) -> int: ...
    def next_round(self, conversation: Conversation) -> bool: ...
    def meet(self, conversation: Conversation, operation: Operation) -> None: ...
    def first_beat(self, conversation: Conversation, beat: Beat) -> None: ...
    def deal_row(self, conversation: Conversation) -> None: ...
    def leave_meeting(self, conversation: Conversation) -> None: ...
    def forget(self, conversation: Conversation) -> None: ...


class Conversation:
    """The state of one client between two resumptions."""

    __slots__ = (
        "answered", "answered_bound", "awaits_round", "beats", "began_ns", "behind_ns", "bound", "client", "context",
        "coroutine", "expired", "in_round", "intended_ns", "leave_begun_ns", "leaving", "message", "next_ns", "number",
        "operation", "phase", "refusal", "role", "roles", "row", "running", "sent_ns", "seq", "sequences", "turn",
        "values", "wake_ns",
    )  # fmt: skip

    def __init__(self, roles: ConversationHost, role: Role, client: Client, row: Sequence[str]) -> None:
        self.roles = roles
        self.role = role
        self.client = client
        self.context = client.context
        self.number = client.number
        self.row = row
        self.values: list[Any] = [None] * len(role.spec.variables)
        self.seq = client.sequence
        self.turn = client.turn
        self.phase = OPEN
        self.coroutine: Coroutine[Any, bool, None] | Generator[Any, bool, None] | None = None
        self.running = False
        self.leaving = False  # closes when the answer that it waits for is there
        self.leave_begun_ns = 0
        # the message that is waited for
        self.operation: Operation | None = None
        self.bound: Any = None
        self.refusal: Any = None
        self.sent_ns = 0
        self.began_ns = 0
        self.intended_ns = 0  # when the next message is due; 0: as soon as it may
        self.answered: Operation | None = None  # the one before, for duplicates
        self.answered_bound: Any = None
        self.expired: list[tuple[Operation, Any]] | None = None  # those whose answer did not come in time
        # time
        self.wake_ns = -1
        self.behind_ns = 0
        self.next_ns = 0
        self.awaits_round = False
        self.in_round = False
        # rules
        self.beats: list[tuple[Any, int] | None] | None = None  # heartbeats that wait for their reply: bound, sent
        self.sequences: dict[Any, tuple[int, set[int]]] | None = None  # last number and missing ones
        self.message: Any = None  # the document that is being answered

    # -- the coroutine -----------------------------------------------------------------------------------------

    def resume(self, value: bool | None) -> None:
        """Go on until the next wait."""
        coroutine = self.coroutine
        if coroutine is None:
            return
        if self.leaving and self.phase is LOOP:
            self.begin_leave()
            return
        self.running = True
        try:
            coroutine.send(value)  # type: ignore[arg-type]  # None begins it
        except StopIteration:
            self.coroutine = None
        except Exception as error:
            self.coroutine = None
            self.roles.mistake = self.roles.mistake or error
        finally:
            self.running = False
        if self.phase is ENDED and self.coroutine is not None:
            self.coroutine.close()
            self.coroutine = None

    def start(self) -> None:
        """Begin with the first step."""
        self.roles.conversations[self.client] = self
        self.coroutine = self.roles.walk(self, self.role.opening)
        self.resume(None)

    def ready(self) -> None:
        """The last step of `open` is done."""
        self.phase = LOOP
        self.role.counts.ready += 1
        self.intended_ns = 0
        self.client.become_ready(_now())
        roles = self.roles
        if self.role.beats:
            self.beats = [None] * len(self.role.beats)
            for beat in self.role.beats:
                roles.first_beat(self, beat)
        self.next_ns = roles.first_round(self)

    def begin_leave(self) -> None:
        """Cut the round short and take leave."""
        self._cut()
        self.phase = LEAVE
        self.leaving = False
        self.leave_begun_ns = _now()
        self.intended_ns = 0
        if self.coroutine is not None and not self.running:
            self.coroutine.close()
            self.coroutine = None
        if not self.role.leaving:
            self.client.close()
            return
        self.coroutine = self.roles.walk(self, self.role.leaving)
        self.resume(None)

    def close_when_idle(self) -> None:
        """Take leave when the answer that is waited for has come; the client is ready."""
        if self.phase is not LOOP:
            return
        if self.operation is not None and self.operation.render is not None:
            self.leaving = True
        else:
            self.begin_leave()

    def may_close(self) -> bool:
        """Whether nothing is left to say before the connection closes; begins to take leave otherwise."""
        if self.phase is LOOP and self.role.leaving and not self.running:
            self.begin_leave()
        if self.phase is not LEAVE or self.coroutine is None:
            return True
        return self.running or _now() - self.leave_begun_ns >= self.context.timeout_ns

    def ended(self, dropped: bool = False) -> None:
        """The connection is gone, or about to go: by us, unless the other side `dropped` it."""
        if self.phase is ENDED:
            return
        operation = self.operation
        if operation is not None and operation.tally is not None:
            self._cut(dropped)
        self._cut()
        self.phase = ENDED
        for beat, waits in zip(self.role.beats, self.beats or (), strict=False):
            beat.tally.counts.abandoned += waits is not None
        self.beats = None
        self.awaits_round = False
        self.wake_ns = -1
        self.roles.forget(self)
        if self.coroutine is not None and not self.running:
            self.coroutine.close()
            self.coroutine = None

    def _cut(self, dropped: bool = False) -> None:
        """Nothing that is waited for matters any more."""
        operation, self.operation = self.operation, None
        if operation is not None and operation.tally is not None:
            if dropped:
                self._count_lost(operation, "connection ended before the reply")
            else:
                operation.tally.counts.abandoned += 1
        if self.in_round:
            self.in_round = False
            self.role.counts.cut += 1

    # -- what steps do -----------------------------------------------------------------------------------------

    def say(self, operation: Operation) -> None:
        """Send the message of a step that waits for nothing."""
        now = _now()
        tally = operation.tally
        assert tally is not None
        tally.counts.begun += 1
        tally.counts.done += 1
        self._send(operation, now)
        if self.phase is LOOP:
            self.context.counters.no_reply_expected += 1

    def ask(self, operation: Operation) -> None:
        """Send the message of a step, if it has one, and wait for what it expects."""
        now = _now()
        intended = self.intended_ns
        if not intended:
            self.intended_ns = now
        if operation.render is not None:
            self._send(operation, now)
            if self.phase is LOOP:
                self.client.pending[_IN_FLIGHT] = (self.intended_ns, now)
        self.operation = operation
        self.began_ns = now
        self.bound = operation.expect.bind(self)  # type: ignore[union-attr]
        if operation.refuse is not None:
            self.refusal = operation.refuse.bind(self)
        operation.tally.counts.begun += 1  # type: ignore[union-attr]
        if operation.within_ns < SHORT_NS:
            live = self.roles.live
            self.wake_ns = live.add(now + operation.within_ns, self)

    def _send(self, operation: Operation, now: int) -> None:
        client = self.client
        context = self.context
        self.sent_ns = now
        self.seq = client.sequence = client.sequence + 1
        payload = operation.render(self)  # type: ignore[misc]
        if self.phase is LOOP:
            context.counters.sent += 1
            if self.intended_ns and self.intended_ns != now:
                delay = now - self.intended_ns
                context.tally.send_delay.record(delay)
                if delay > LATE_NS:
                    context.counters.late_sends += 1
        client.say(operation.first, payload)

    def think(self, ns: int) -> None:
        """Wait so long."""
        timers = self._timers()
        # What is due after it is due so much later than this was due, not later than this was done.
        self.behind_ns = _now() - self.intended_ns if self.intended_ns else 0
        self.wake_ns = timers.add(timers.clock() + ns, self)

    def turns(self) -> int:
        """Count one more thing that is drawn at random."""
        self.turn = self.client.turn = self.client.turn + 1
        return self.turn

    def _timers(self) -> Timers:
        """A pause holds up the load, and nobody who is about to connect or to leave."""
        return self.roles.schedule if self.phase is LOOP else self.roles.live

    @property
    def epoch_offset_ns(self) -> int:
        """What the wall clock is ahead of the monotonic one."""
        return self.context.epoch_ns

    @property
    def is_held(self) -> bool:
        """Whether nothing may be sent: the run is paused, and the client neither on its way in nor out."""
        return self.context.paused and self.phase is LOOP

    def park(self) -> None:
        """Wait until the run goes on."""
        self.behind_ns = 0
        self.roles.parked[self] = None

    def wait_for_others(self, operation: Operation) -> None:
        """Wait until other clients are there as well."""
        now = _now()
        self.operation = operation
        self.began_ns = now
        self.intended_ns = self.intended_ns or now
        operation.tally.counts.begun += 1  # type: ignore[union-attr]

    def met(self) -> None:
        """They are there."""
        operation, self.operation = self.operation, None
        assert operation is not None and operation.tally is not None
        now = _now()
        operation.tally.counts.done += 1
        operation.tally.round_trip.record(now - self.began_ns)
        operation.tally.response.record(now - self.intended_ns)
        self.behind_ns = 0
        live = self.roles.live
        self.wake_ns = live.add(live.clock(), self)

    def finish_round(self) -> None:
        """A round is done."""
        if self.in_round:
            self.in_round = False
            self.role.counts.completed += 1

    def fail_round(self) -> bool:
        """A step failed: the round is over. Return whether there may be another."""
        if self.in_round:
            self.in_round = False
            self.role.counts.failed += 1
        self.intended_ns = 0
        if self.phase is LOOP and not self.role.spec.closes_on_failure:
            return True
        if self.phase is not ENDED:
            self.client.close()
        return False

    # -- what happens ------------------------------------------------------------------------------------------

    def wake(self, due_ns: int, monotonic_ns: int) -> None:
        """A time has come; one that no longer counts wakes nobody."""
        if due_ns != self.wake_ns:
            return
        self.wake_ns = -1
        if self.operation is not None:
            self.expire(_now())
            return
        self.intended_ns = monotonic_ns - self.behind_ns
        self.behind_ns = 0
        self.resume(True)

    def take(self, document: Any, payload: bytes) -> bool:
        """A message arrived: return whether it was waited for, or belongs to what was."""
        operation = self.operation
        if operation is not None and operation.expect is not None:
            if operation.expect.matches(document, payload, self.bound):
                self._replied(operation, document, payload)
                return True
            if operation.refuse is not None and operation.refuse.matches(document, payload, self.refusal):
                self._refused(operation, payload)
                return True
        if self.beats is not None and self._beat_replied(document, payload):
            return True
        if self.expired:
            for entry in self.expired:
                if entry[0].expect.matches(document, payload, entry[1]):  # type: ignore[union-attr]
                    self.expired.remove(entry)
                    entry[0].tally.counts.late += 1  # type: ignore[union-attr]
                    self.context.counters.late += 1
                    return True
        answered = self.answered
        if answered is not None and answered.expect.matches(document, payload, self.answered_bound):  # type: ignore[union-attr]
            answered.tally.counts.duplicates += 1  # type: ignore[union-attr]
            self.context.counters.duplicates += 1
            return True
        return False

    def _replied(self, operation: Operation, document: Any, payload: bytes) -> None:
        context = self.context
        now = context.now
        began, intended = self.began_ns, self.intended_ns
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
        if self.phase is LOOP and operation.render is not None:
            self.client.pending.clear()
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
        self.intended_ns = 0
        self.wake_ns = -1
        if operation.expect.is_keyed:  # type: ignore[union-attr]
            self.answered, self.answered_bound = operation, self.bound
        if operation.captures is not None and (lack := operation.captures.take(document, payload, self.values)):
            self._fail(operation, Cause("capture", f"{self._words(operation)}: nothing to capture for {lack}"), payload)
            return
        self.resume(True)

    def _refused(self, operation: Operation, payload: bytes) -> None:
        """The answer is no."""
        context = self.context
        tally = operation.tally
        assert tally is not None and operation.refuse is not None
        now, began = context.now, self.began_ns
        tally.counts.done += 1
        tally.round_trip.record(now - began)
        tally.response.record(now - self.intended_ns)
        if self.phase is LOOP and operation.render is not None:
            self.client.pending.clear()
            context.counters.matched += 1
            context.tally.round_trip.record(now - began)
            context.tally.response.record(now - self.intended_ns)
        self.operation = None
        self.wake_ns = -1
        self._fail(operation, Cause("refused", f"{self._words(operation)}: {operation.refuse.words}"), payload)

    def _fail(self, operation: Operation, cause: Cause, payload: bytes) -> None:
        operation.tally.counts.failed += 1  # type: ignore[union-attr]
        detail = visible(payload, 120)
        if self.phase is OPEN:
            outcome = Outcome.REFUSED if cause.kind == "refused" else Outcome.FAILED
            self.client.end_attempt(outcome, cause, detail)
            return
        self.context.events.expectation_failed(self.number, cause, detail)
        self.resume(False)

    def expire(self, now_ns: int) -> None:
        """Give up what has been waited for too long."""
        operation = self.operation
        if operation is not None and now_ns - self.began_ns >= operation.within_ns:
            self._lose(operation, keep=True)

    def _lose(self, operation: Operation, keep: bool) -> None:
        self.operation = None
        self.wake_ns = -1
        if operation.expect is None:
            self.roles.leave_meeting(self)
        elif keep and operation.expect.is_keyed:
            if self.expired is None:
                self.expired = []
            self.expired.append((operation, self.bound))
            del self.expired[:-EXPIRED_KEPT]
        within = format_duration(operation.within_ns / 1e9)
        cause = self._count_lost(operation, f"no reply within {within}" if operation.render else f"waited {within}")
        if self.phase is OPEN:
            self.client.end_attempt(Outcome.TIMED_OUT, cause, "")
            return
        self.resume(False)

    def _count_lost(self, operation: Operation, why: str) -> Cause:
        """Count a step whose answer does not come; it enters the response times with all of its time limit."""
        waited = operation.within_ns + (self.began_ns - self.intended_ns if self.intended_ns else 0)
        tally = operation.tally
        assert tally is not None
        tally.counts.lost += 1
        tally.response.record(waited)
        cause = Cause("timeout", f"{self._words(operation)}: {why}")
        if self.phase is LOOP and operation.render is not None:
            self.client.pending.clear()
            self.context.events.reply_timed_out(self.number, waited, cause)
        elif self.phase is not OPEN:
            self.context.events.step_failed(self.number, cause, "")
        return cause

    def _words(self, operation: Operation) -> str:
        return f"{self.role.name}, {operation.label}"

    # -- rules -------------------------------------------------------------------------------------------------

    def of_message(self, path: Sequence[str]) -> Any:
        """Return a value of the message that is being answered; None when it has none."""
        found = self.role.reader.value(self.message, path)
        return None if found is MISSING else found

    def beat(self, beat: Beat) -> bool:
        """Send a heartbeat. Return whether there will be more."""
        if self.beats is None:
            return False
        client = self.client
        now = _now()
        if self.beats[beat.index] is not None:
            self._miss(beat)
        self.sent_ns = now
        self.seq = client.sequence = client.sequence + 1
        client.say(beat.first, beat.render(self))
        self.context.counters.pings += 1
        beat.tally.counts.begun += 1
        if beat.expect is None:
            beat.tally.counts.done += 1
        else:
            self.beats[beat.index] = (beat.expect.bind(self), now)
        return True

    def look_for_missed(self, beat: Beat) -> None:
        """Count a heartbeat whose reply has not come."""
        waits = self.beats[beat.index] if self.beats is not None else None
        if waits is not None and _now() - waits[1] >= beat.within_ns:
            self._miss(beat)

    def _miss(self, beat: Beat) -> None:
        assert self.beats is not None
        self.beats[beat.index] = None
        beat.tally.counts.lost += 1
        within = format_duration(beat.within_ns / 1e9)
        words = f"{self.role.name}, {beat.tally.name or 'heartbeat'}: no reply within {within}"
        self.context.events.step_failed(self.number, Cause("heartbeat", words), "")

    def _beat_replied(self, document: Any, payload: bytes) -> bool:
        assert self.beats is not None
        for beat in self.role.beats:
            waits = self.beats[beat.index]
            if waits is not None and beat.expect is not None and beat.expect.matches(document, payload, waits[0]):
                self.beats[beat.index] = None
                now = self.context.now
                self.context.counters.pongs += 1
                beat.tally.counts.done += 1
                beat.tally.on_time.record(now - waits[1])
                return True
        return False
