"""The search for the limit: of which load, between which bounds, how finely, and how long each step takes."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from wstui.scenario.errors import BadValue
from wstui.scenario.types import MOST_CLIENTS, Count, Duration, Share, TomlTable, Wait, Whole

Of = Literal["clients", "connects", "messages"]

UNITS: dict[Of, str] = {"clients": "clients", "connects": "connects/s", "messages": "messages/s"}
"""The unit in which the load is counted."""
_BOUNDS: dict[Of, tuple[int, int]] = {"clients": (100, 20_000), "connects": (20, 2_000), "messages": (200, 20_000)}


def _factor(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValue("is no number")
    if not 1.1 <= value <= 10:
        raise BadValue("must be from 1.1 to 10")
    return float(value)


def _precision(value: float) -> float:
    if not 0.01 <= value <= 0.5:
        raise BadValue("must be from 1% to 50%")
    return value


Load = Annotated[Whole, Field(ge=1, le=MOST_CLIENTS)]


class Breakpoint(TomlTable):
    """Steps up until a threshold breaks, then narrows down how much the target carries. Stands in the place of stages.

    Each step goes to its load within `ramp`, waits for `settle`, and measures for `measure`; connects/s are made for
    `measure`, on top of `clients`.
    """

    of: Of = "clients"  # clients | connects (new ones a second) | messages (sent a second)
    start: Load | None = None  # the first load; None: 100 clients, 20 connects/s, 200 messages/s
    most: Load | None = None  # none is larger; None: 20000 clients, 2000 connects/s, 20000 messages/s
    factor: Annotated[float, BeforeValidator(_factor)] = 2.0  # from one load that holds to the next
    precision: Annotated[Share, AfterValidator(_precision)] = 0.1  # how far apart what holds and what breaks may stay
    clients: Count = 100  # connects, messages: how many stay connected
    ramp: Duration = 10.0
    settle: Duration = 5.0
    measure: Wait = 15.0
    recover: Duration = 60.0  # after a break: how long the target may take to get well at the last load that held

    @property
    def first(self) -> int:
        """The first load."""
        return min(_BOUNDS[self.of][0] if self.start is None else self.start, self.largest)

    @property
    def largest(self) -> int:
        """The load that is never exceeded."""
        if self.most is None:
            return max(_BOUNDS[self.of][1], self.start or 0)
        return self.most

    @property
    def unit(self) -> str:
        """What the load is counted in."""
        return UNITS[self.of]

    @property
    def step_s(self) -> float:
        """Planned seconds of one step."""
        return self.ramp + self.settle + self.measure

    @property
    def longest_s(self) -> float:
        """Seconds that the search takes at most, as long as the target gets well after each break."""
        up = math.ceil(math.log(self.largest / self.first, self.factor)) + 1
        down = math.ceil(math.log2(max(self.first, 2)))
        between = math.ceil(math.log2(max((self.factor - 1) / self.precision, 2))) + 2
        # A break is followed by a step at the last load that held.
        return float(math.ceil((max(up, down) + 2 * between) * self.step_s))

    @property
    def peak_clients(self) -> int:
        """The largest number of connections that it may ask for at once."""
        match self.of:
            case "clients":
                return self.largest
            case "connects":
                return self.clients + math.ceil(self.largest * self.measure)
            case _:
                return self.clients
