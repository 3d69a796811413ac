"""The heartbeats of a client: sent by the wheel, whatever its steps do, each with its reply."""

from __future__ import annotations

import time
from typing import Any

from wstui.load.connect_outcome import Cause
from wstui.load.conversation.conversation_state import Talk
from wstui.load.conversation.kinds import MessageKind
from wstui.load.conversation.program import Beat
from wstui.load.schedule import first_send
from wstui.scenario.conversation.pack import Unframed
from wstui.scenario.units import format_duration

_now = time.monotonic_ns


class Heartbeats:
    """All heartbeats of one ready client, and those that wait for their reply."""

    __slots__ = ("_ended", "_missed", "_talk", "_waiting")

    def __init__(self, talk: Talk) -> None:
        """Plan the first of each kind, at the client's own phase."""
        self._talk = talk
        self._ended = False
        self._waiting: list[tuple[Any, int, int] | None] = [None] * len(talk.role.beats)  # bound, sent, due
        self._missed: dict[int, Any] | None = None  # the last one of each kind that was given up: bound
        live = talk.live
        for beat in talk.role.beats:
            every = beat.delay.draw(talk, beat.tally.name or "heartbeat")
            if not every:
                continue  # the server wants none
            live.add(first_send(live.clock() + 1, talk.number, every), _Due(self, beat, talk))

    def take(self, kind: MessageKind, document: Any, payload: bytes) -> bool:
        """Return whether a message is the reply to a heartbeat."""
        for beat in self._talk.role.beats:
            waits = self._waiting[beat.index]
            if waits is None or beat.expect is None:
                continue
            rest = kind.rests[beat.expect]
            if rest is not None and rest(document, payload, waits[0]):
                self._waiting[beat.index] = None
                context = self._talk.context
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
            beat = self._talk.role.beats[index]
            if beat.expect is not None and beat.expect.matches(document, payload, bound):
                del self._missed[index]
                beat.tally.counts.late += 1
                return True
        return False

    def expire(self, now_ns: int) -> None:
        """Count the heartbeats whose reply has not come in time."""
        for beat in self._talk.role.beats:
            waits = self._waiting[beat.index]
            if waits is not None and now_ns - waits[1] >= beat.within_ns:
                self._miss(beat, f"within {format_duration(beat.within_ns / 1e9)}")

    def end(self) -> None:
        """The connection is gone: send no more."""
        self._ended = True
        for beat, waits in zip(self._talk.role.beats, self._waiting, strict=True):
            beat.tally.counts.abandoned += waits is not None

    def send(self, beat: Beat, due_ns: int) -> bool:
        """Send a heartbeat that was due at `due_ns` of the monotonic clock. Return whether there will be more."""
        if self._ended:
            return False
        talk = self._talk
        if self._waiting[beat.index] is not None:
            self._miss(beat, "before the next was due")
        talk.sent_ns = now = _now()
        talk.seq = talk.client.sequence = talk.client.sequence + 1
        beat.tally.counts.begun += 1
        try:
            payload = beat.render(talk)
        except Unframed as error:
            beat.tally.counts.done += 1
            beat.tally.counts.failed += 1
            self._report("unsendable", beat, error.message, local=True)
            return True
        talk.transmit(beat.first, payload)
        if beat.expect is None:
            beat.tally.counts.done += 1
        else:
            talk.context.counters.pings += 1
            self._waiting[beat.index] = (beat.expect.bind(talk), now, min(due_ns, now))
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
        talk = self._talk
        cause = Cause(kind, f"{talk.role.name}, {beat.tally.name or 'heartbeat'}: {why}", local)
        talk.context.events.step_failed(talk.number, cause, "")
        return cause


class _Due:
    """A kind of heartbeat of a client, on the wheel."""

    __slots__ = ("_beat", "_heartbeats", "_talk")

    def __init__(self, heartbeats: Heartbeats, beat: Beat, talk: Talk) -> None:
        self._heartbeats = heartbeats
        self._beat = beat
        self._talk = talk

    def wake(self, due_ns: int, late_from_ns: int) -> None:
        """Send it, and plan the next."""
        if self._heartbeats.send(self._beat, late_from_ns):
            talk = self._talk
            if every := self._beat.delay.draw(talk, self._beat.tally.name or "heartbeat"):
                talk.live.add(due_ns + every, self)
