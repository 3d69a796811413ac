"""Rules that only measure: stamps inside messages, and numbers that should follow each other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from wstui.load.conversation.conversation import Conversation
from wstui.load.conversation.conversation_state import StreamState
from wstui.load.conversation.kinds import MessageKind
from wstui.load.conversation.program import StreamTally
from wstui.measure.snapshot import Counters
from wstui.measure.steps import StepTally

_UNITS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_PLAUSIBLE_NS = 3600 * 1_000_000_000
MISSING_KEPT = 1000


def follow_delivery(found: Any, unit: str, tally: StepTally, now_ns: int, epoch_ns: int, ahead_ns: int) -> None:
    """Record the time from a stamp to its receipt, `now_ns`; a message without a sound one counts as failed."""
    counts = tally.counts
    counts.begun += 1
    counts.done += 1
    took = delay_of(found, unit, now_ns, epoch_ns, ahead_ns)
    if took is None:
        counts.failed += 1
    else:
        tally.on_time.record(took)


def delay_of(found: Any, unit: str, now_ns: int, epoch_ns: int, ahead_ns: int = 0) -> int | None:
    """Nanoseconds from a stamp to now; None when it is not a stamp. Below zero when clocks differ.

    Our own stamps are of the operator's monotonic clock: this host's is `ahead_ns` ahead of it.
    """
    if isinstance(found, str):
        if unit in ("iso", "auto") and (stamp := _iso_ns(found)) is not None:
            return now_ns + epoch_ns - stamp
        try:
            found = float(found) if "." in found else int(found)
        except ValueError:
            return None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    if unit == "stamp":
        return now_ns - ahead_ns - int(found)
    if unit in _UNITS:
        return now_ns + epoch_ns - int(found * _UNITS[unit])
    delays = [now_ns - ahead_ns - int(found), *(now_ns + epoch_ns - int(found * factor) for factor in _UNITS.values())]
    nearest = min(delays, key=abs)
    return nearest if abs(nearest) < _PLAUSIBLE_NS else None


def _iso_ns(text: str) -> int | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    whole = at.replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000_000 + at.microsecond * 1000


def follow_stream(
    conversation: Conversation,
    kind: MessageKind,
    stream: StreamTally,
    state: StreamState,
    document: Any,
    payload: bytes,
) -> None:
    """Measure the part of an answer that a message is: how long after the one before, and whether it came too late."""
    now = conversation.context.now
    if kind.is_meant(stream.of, document, payload, conversation):
        if state.last_ns:
            _record(stream.gap, now - state.last_ns)
            if stream.underrun is not None and now > state.played_ns:
                _record(stream.underrun, now - state.played_ns)
        else:
            _record(stream.first, now - (state.since_ns or conversation.sent_ns))
        if stream.path:
            audio = conversation.role.reader.value(document, stream.path)
            size = len(audio) * 3 // 4 - audio[-2:].count("=") if isinstance(audio, str) else 0
            state.played_ns = max(state.played_ns, now) + size * 1_000_000_000 // stream.rate
        state.last_ns = now
    elif kind.is_meant(stream.ends, document, payload, conversation):
        state.end()
    elif stream.begins is not None and kind.is_meant(stream.begins, document, payload, conversation):
        state.since_ns = now


def _record(tally: StepTally, took_ns: int) -> None:
    tally.counts.begun += 1
    tally.counts.done += 1
    tally.on_time.record(took_ns)


def follow_sequence(
    conversation: Conversation, document: Any, path: Sequence[str], per: Sequence[str], counters: Counters
) -> None:
    """Count gaps, repeats and disorder of the numbers that one client receives."""
    reader = conversation.role.reader
    number = reader.value(document, path)
    if isinstance(number, str) and number.isdigit() and len(number) < 19:
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        return
    key = str(reader.value(document, per)) if per else ""
    counters.sequence_received += 1
    if conversation.sequences is None:
        conversation.sequences = {}
    known = conversation.sequences.get(key)
    if known is None:
        conversation.sequences[key] = (number, set())
        return
    last, missing = known
    if number > last:
        counters.sequence_gaps += number - last - 1
        if number - last > 1 and len(missing) < MISSING_KEPT:
            missing.update(range(last + 1, min(number, last + 1 + MISSING_KEPT - len(missing))))
        conversation.sequences[key] = (number, missing)
    elif number in missing:
        missing.remove(number)
        counters.sequence_gaps -= 1
        counters.sequence_disorder += 1
    else:
        counters.sequence_repeats += 1
