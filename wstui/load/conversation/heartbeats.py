"""The heartbeats of a client: sent by the wheel, whatever its steps do, each with its reply."""

from __future__ import annotations

import time
from typing import Any

from wstui.load.connect_outcome import Cause
from wstui.load.conversation.conversation_state import ConversationState
from wstui.load.conversation.kinds import MessageKind
from wstui.load.conversation.program import Beat
from wstui.load.schedule import first_send
from wstui.scenario.conversation.pack import Unframed
from wstui.scenario.units import format_duration

_now = time.monotonic_ns


class Heartbeats:
    """All heartbeats of one ready client, and those that wait for their reply."""

    __slots__ = ("_conversation", "_ended", "_missed", "_waiting")

    def __init__(self, conversation: ConversationState) -> None:
        """Plan the first of each kind, at the client's own phase."""
        self._conversation = conversation
        self._ended = False
        self._waiting: list[tuple[Any, int, int] | None] = [None] * len(conversation.role.beats)  # bound, sent, due
        self._missed: dict[int, Any] | None = None  # the last one of each kind that was given up: bound
        live = conversation.live
        for beat in conversation.role.beats:
            every = beat.delay.draw(conversation, beat.tally.name or "heartbeat")
            if not every:
                continue  # the server wants none
            live.add(first_send(live.clock() + 1, conversation.number, every), _Due(self, beat, conversation))

    def take(self, kind: MessageKind, document: Any, payload: bytes) -> bool:
        """Return whether a message is the reply to a heartbeat."""
        for beat in self._conversation.role.beats:
            waits = self._waiting[beat.index]
            if waits is None or beat.expect is None:
                continue
            rest = kind.rests[beat.expect]
            if rest is not None and rest(document, payload, waits[0]):
                self._waiting[beat.index] = None
                context = self._conversation.context
                context.counters.pongs += 1
                beat.tally.counts.done += 1
                beat.tally.round_trip.record(context.now - waits[1])
                beat.tally.response.record(context.now - waits[2])
                return True
        return self._missed is not None and self._is_late(document, payload)

    def _is_late(self, document: Any, payload: bytes) -> bool:
        """Count the reply to a heartbeat that was given up."""
        assert self._missed is not None
        for index, bound in self._missed.items():
            beat = self._conversation.role.beats[index]
            if beat.expect is not None and beat.expect.matches(document, payload, bound):
                del self._missed[index]
                beat.tally.counts.late += 1
                return True
        return False

    def expire(self, now_ns: int) -> None:
        """Count the heartbeats whose reply has not come in time."""
        for beat in self._conversation.role.beats:
            waits = self._waiting[beat.index]
            if waits is not None and now_ns - waits[1] >= beat.within_ns:
                self._miss(beat, f"within {format_duration(beat.within_ns / 1e9)}")

    def end(self) -> None:
        """The connection is gone: send no more."""
        self._ended = True
        for beat, waits in zip(self._conversation.role.beats, self._waiting, strict=True):
            beat.tally.counts.abandoned += waits is not None

    def send(self, beat: Beat, due_ns: int) -> bool:
        """Send a heartbeat that was due at `due_ns` of the monotonic clock. Return whether there will be more."""
        if self._ended:
            return False
        conversation = self._conversation
        if self._waiting[beat.index] is not None:
            self._miss(beat, "before the next was due")
        conversation.sent_ns = now = _now()
        conversation.seq = conversation.client.sequence = conversation.client.sequence + 1
        beat.tally.counts.begun += 1
        try:
            payload = beat.render(conversation)
        except Unframed as error:
            beat.tally.counts.done += 1
            beat.tally.counts.failed += 1
            self._report("unsendable", beat, error.message, local=True)
            return True
        conversation.transmit(beat.first, payload)
        if beat.expect is None:
            beat.tally.counts.done += 1
        else:
            conversation.context.counters.pings += 1
            self._waiting[beat.index] = (beat.expect.bind(conversation), now, min(due_ns, now))
        return True

    def _miss(self, beat: Beat, how: str) -> Cause:
        waits, self._waiting[beat.index] = self._waiting[beat.index], None
        if waits is not None:
            self._missed = self._missed or {}
            self._missed[beat.index] = waits[0]
            beat.tally.response.record(beat.within_ns + waits[1] - waits[2])
        beat.tally.counts.lost += 1
        return self._report("heartbeat", beat, f"no reply {how}")

    def _report(self, kind: str, beat: Beat, why: str, *, local: bool = False) -> Cause:
        conversation = self._conversation
        cause = Cause(kind, f"{conversation.role.name}, {beat.tally.name or 'heartbeat'}: {why}", local)
        conversation.context.events.step_failed(conversation.number, cause, "")
        return cause


class _Due:
    """A kind of heartbeat of a client, on the wheel."""

    __slots__ = ("_beat", "_conversation", "_heartbeats")

    def __init__(self, heartbeats: Heartbeats, beat: Beat, conversation: ConversationState) -> None:
        self._heartbeats = heartbeats
        self._beat = beat
        self._conversation = conversation

    def wake(self, due_ns: int, late_from_ns: int) -> None:
        """Send it, and plan the next."""
        if self._heartbeats.send(self._beat, late_from_ns):
            conversation = self._conversation
            if every := self._beat.delay.draw(conversation, self._beat.tally.name or "heartbeat"):
                conversation.live.add(due_ns + every, self)
