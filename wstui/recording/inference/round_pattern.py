"""Opening, rounds and leave of a client, told apart by what repeats."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from wstui.recording.inference.message import ObservedMessage

_SETUP = re.compile(
    r"auth|login|log_?in|join|subscr|^sub|hello|^init|connect|register|identify|handshake|welcome|enter|session",
    re.IGNORECASE,
)
_LEAVE = re.compile(r"leave|unsub|bye|log_?out|quit|exit|disconnect|close|goodbye", re.IGNORECASE)
_MOST_PERIOD = 60
_MOST_STEPS = 2000
_SETUP_GAP_S = 0.5


@dataclass(slots=True)
class RoundPattern:
    """The kinds of messages of a client in each phase. `drawn`: the rounds follow no order, kinds are drawn."""

    open: list[str] = field(default_factory=list)
    loop: list[str] = field(default_factory=list)
    leave: list[str] = field(default_factory=list)
    count: int = 0
    drawn: bool = False


@dataclass(slots=True)
class ParsedClient:
    """The messages of one client by phase; those of the loop by round."""

    open: list[ObservedMessage] = field(default_factory=list)
    rounds: list[list[ObservedMessage]] = field(default_factory=list)
    leave: list[ObservedMessage] = field(default_factory=list)


def find_rounds(messages: Sequence[ObservedMessage]) -> RoundPattern:
    """Tell the phases of one client apart."""
    kinds = [message.kind for message in messages][:_MOST_STEPS]
    times = [message.at for message in messages][:_MOST_STEPS]
    first, period, count = _repetition(kinds, times)
    repeated = {kind for kind, number in Counter(kinds).items() if number > 1 and not _is_setup(kind)}
    inside = [kind for kind in kinds if kind in repeated]
    if count >= 2 and period * count >= 0.6 * len(inside):
        end = first + period * count
        loop, rest = kinds[first:end][:period], kinds[end:]
        partial = next((n for n, (a, b) in enumerate(zip(rest, loop, strict=False)) if a != b), min(len(rest), period))
        return RoundPattern(kinds[:first], loop, rest[partial:], count)
    if repeated:
        start = next(n for n, kind in enumerate(kinds) if kind in repeated)
        end = len(kinds) - next(n for n, kind in enumerate(reversed(kinds)) if kind in repeated)
        return RoundPattern(kinds[:start], list(dict.fromkeys(kinds[start:end])), kinds[end:], end - start, drawn=True)
    start = next((n for n, kind in enumerate(kinds) if not _is_setup(kind)), len(kinds))
    end = len(kinds)
    while end > start and _LEAVE.search(kinds[end - 1]):
        end -= 1
    return RoundPattern(kinds[:start], kinds[start:end], kinds[end:], int(end > start))


def _is_setup(kind: str) -> bool:
    return bool(_SETUP.search(kind)) and not _LEAVE.search(kind)


def _repetition(kinds: Sequence[str], times: Sequence[float]) -> tuple[int, int, int]:
    """Return where a pattern begins that repeats, its length, and how often it comes: the one that covers most."""
    best = (0, 0, 0)
    covered = 0.0
    for period in range(1, min(_MOST_PERIOD, len(kinds) // 2) + 1):
        start = 0
        while start + 2 * period <= len(kinds):
            same = start
            while same + period < len(kinds) and kinds[same] == kinds[same + period]:
                same += 1
            count = (same - start) // period + 1
            pattern = kinds[start : start + period]
            all_setup = all(map(_is_setup, pattern))
            quick = all_setup and times[start + period * count - 1] - times[start] < _SETUP_GAP_S * count
            is_setup = quick or (all_setup and any(not _is_setup(kind) for kind in kinds))
            if count >= 2 and period * count > covered and not is_setup:
                best, covered = (start, period, count), period * count
            start = max(same, start) + 1 if count < 2 else start + period * (count - 1) + 1
    return best


def parse(rounds: RoundPattern, messages: Sequence[ObservedMessage]) -> ParsedClient:
    """Return the messages of a client as far as they follow the phases."""
    parsed = ParsedClient()
    kinds = [message.kind for message in messages]
    at = len(rounds.open)
    if kinds[:at] != rounds.open:
        same = next((n for n, (a, b) in enumerate(zip(kinds, rounds.open, strict=False)) if a != b), len(kinds))
        parsed.open = list(messages[:same])
        return parsed
    parsed.open = list(messages[:at])
    end = len(kinds) - len(rounds.leave)
    if not rounds.leave or end < at or kinds[end:] != rounds.leave:
        end = len(kinds)
    else:
        parsed.leave = list(messages[end:])
    size = 1 if rounds.drawn else len(rounds.loop)
    known = set(rounds.loop)
    while size and at + size <= end:
        if kinds[at] not in known if rounds.drawn else kinds[at : at + size] != rounds.loop:
            break
        parsed.rounds.append(list(messages[at : at + size]))
        at += size
    return parsed
