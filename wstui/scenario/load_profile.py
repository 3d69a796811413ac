"""The stages of a plan, and how many clients they want at a time: those of ramps, and those that arrive and leave."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from wstui.scenario.types import Count, Duration, Line, Rate, TomlTable, Wait


class Stage(TomlTable):
    """A part of the load: `clients` are reached in a straight line over `over`.

    With `arrive`, further clients arrive on top of them at this rate (the open model), stay for `stay` once they are
    ready, and close. They arrive however slow the target is, as independent users do.
    """

    name: Annotated[Line, Field(min_length=1)] = Field(
        description="ramp, hold, …; thresholds leave out stages whose name begins with cooldown"
    )
    over: Duration = Field(description="duration of the stage: 30s, 2m, 1h")
    clients: Count | None = Field(
        default=None, description="reached in a straight line at the end of the stage; unset: as many as before"
    )
    arrive: Rate | None = Field(
        default=None, description="clients that arrive on top, however slow the target is: 50/s, 90/min; unset: none"
    )
    stay: Wait | None = Field(default=None, description="how long each arriving client stays once it is ready")
    every: Duration | None = Field(
        default=None, description="interval between two messages of a client from here on; unset: as before"
    )

    @property
    def is_cooldown(self) -> bool:
        """Return whether thresholds leave this stage out unless they name it."""
        return self.name.startswith("cooldown")


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
    """Return the arrivals that are still connected at `at_s`."""
    found = 0
    begin = 0.0
    for stage in stages:
        if stage.arrive and stage.stay:
            found += _arrived(stage, at_s - begin) - _arrived(stage, at_s - begin - stage.stay)
        begin += stage.over
    return found


def arrivals(stage: Stage) -> int:
    """Return how many clients arrive in a stage."""
    return _arrived(stage, stage.over)


def peak(stages: Sequence[Stage]) -> int:
    """Return the largest number of clients that are wanted at once, to within one arrival."""
    moments = []
    begin = 0.0
    for stage in stages:
        moments += [begin, begin + stage.over]
        if stage.stay:
            moments += [begin + stage.stay, begin + stage.over + stage.stay]
        begin += stage.over
    return max((clients_at(stages, at) for at in moments if at <= begin), default=0)


def connects_per_s(stages: Sequence[Stage]) -> float:
    """Return the most connects a second that stages ask for, arrivals included; infinite if all come at once."""
    most, before = 0.0, 0
    for stage in stages:
        clients = before if stage.clients is None else stage.clients
        most = max(most, ramp_rate(before, clients, stage.over) + (stage.arrive or 0.0))
        before = clients
    return most


def ramp_rate(before: float, clients: float, over_s: float) -> float:
    """Return the connects a second of a ramp; 0 where it goes down, infinite where it takes no time."""
    more = max(0.0, clients - before)
    if over_s > 0:
        return more / over_s
    return math.inf if more else 0.0


def _arrived(stage: Stage, after_s: float) -> int:
    rate = stage.arrive or 0.0
    # A nanosecond of tolerance: 0.1 s at 30/s is 3, in binary too.
    return int(rate * min(max(after_s, 0.0), stage.over) + 1e-9 * max(rate, 1.0))
