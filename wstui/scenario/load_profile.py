"""How many clients a plan wants at a time: those of its ramps, and those who arrive and leave. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wstui.scenario.model import Stage


def clients_at(stages: Sequence[Stage], at_s: float) -> int:
    """Return the clients planned at `at_s` seconds; after the end, the final count less departed arrivals."""
    found = begin = 0.0
    before = 0
    for stage in stages:
        if begin > at_s:
            break
        if stage.clients is not None:
            done = min(1.0, (at_s - begin) / stage.over) if stage.over else 1.0
            found = before + (stage.clients - before) * done
            before = stage.clients
        begin += stage.over
    return int(found + 1e-9) + visitors_at(stages, at_s)


def visitors_at(stages: Sequence[Stage], at_s: float) -> int:
    """How many have arrived by then and are still to stay."""
    found = 0
    begin = 0.0
    for stage in stages:
        if stage.arrive and stage.stay:
            found += _arrived(stage, at_s - begin) - _arrived(stage, at_s - begin - stage.stay)
        begin += stage.over
    return found


def arrivals(stage: Stage) -> int:
    """How many clients arrive in a stage."""
    return _arrived(stage, stage.over)


def peak(stages: Sequence[Stage]) -> int:
    """The largest number of clients that are ever wanted at once, to within one visitor."""
    moments = []
    begin = 0.0
    for stage in stages:
        moments += [begin, begin + stage.over]
        if stage.stay:
            moments += [begin + stage.stay, begin + stage.over + stage.stay]
        begin += stage.over
    return max((clients_at(stages, at) for at in moments if at <= begin), default=0)


def _arrived(stage: Stage, after_s: float) -> int:
    rate = stage.arrive or 0.0
    # A nanosecond's grace: 0.1 s at 30/s are three, in binary too.
    return int(rate * min(max(after_s, 0.0), stage.over) + 1e-9 * max(rate, 1.0))
