"""The search for the limit: of which load, between which bounds, how finely, and how long each step takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from wstui.scenario.load_profile import ramp_rate
from wstui.scenario.types import MOST_CLIENTS, Count, Duration, Factor, Share, TomlTable, Wait, Whole

Of = Literal["clients", "connects", "messages"]

UNITS: dict[Of, str] = {"clients": "clients", "connects": "connects/s", "messages": "messages/s"}
"""The unit in which the load is counted."""
_BOUNDS: dict[Of, tuple[int, int]] = {"clients": (100, 20_000), "connects": (20, 2_000), "messages": (200, 20_000)}


Load = Annotated[Whole, Field(ge=1, le=MOST_CLIENTS)]


class Breakpoint(TomlTable):
    """Step up until a threshold breaks, then narrow down what the target carries. Replaces the stages.

    Each step goes to its load within `ramp`, waits for `settle`, and measures for `measure`; connects/s are made for
    `measure`, on top of `clients`.
    """

    of: Of = Field(default="clients", title="looks for", description="clients, connects a second, or messages a second")
    start: Load | None = Field(
        default=None,
        title="first load",
        description="the first load; unset: 100 clients, 20 connects/s, 200 messages/s",
    )
    most: Load | None = Field(
        default=None,
        title="largest",
        description="the largest load; unset: 20 000 clients, 2 000 connects/s, 20 000 messages/s",
    )
    factor: Annotated[Factor, Field(ge=1.1, le=10)] = Field(
        default=2.0, description="each load that holds is multiplied by it: 1.1 to 10"
    )
    precision: Annotated[Share, Field(ge=0.01, le=0.5)] = Field(
        default=0.1, description="end when the loads that hold and break are this close: 1% to 50%"
    )
    clients: Count = Field(
        default=100, title="stay connected", description="connects, messages: clients that stay connected throughout"
    )
    ramp: Duration = Field(default=10.0, description="time to reach each load")
    settle: Duration = Field(default=5.0, description="time after the ramp that is not judged")
    measure: Wait = Field(default=15.0, description="time that is judged")
    recover: Duration = Field(
        default=60.0, description="after a break: how long the target may take to recover at the last load that held"
    )

    @property
    def first(self) -> int:
        return min(_BOUNDS[self.of][0] if self.start is None else self.start, self.largest)

    @property
    def largest(self) -> int:
        """The load that is never exceeded."""
        if self.most is None:
            return max(_BOUNDS[self.of][1], self.start or 0)
        return self.most

    @property
    def unit(self) -> str:
        return UNITS[self.of]

    @property
    def step_s(self) -> float:
        """Planned seconds of one step."""
        return self.ramp + self.settle + self.measure

    @property
    def longest_s(self) -> float:
        """The most seconds the search takes if the target recovers after each break."""
        up = math.ceil(math.log(self.largest / self.first, self.factor)) + 1
        down = math.ceil(math.log2(max(self.first, 2)))
        between = math.ceil(math.log2(max((self.factor - 1) / self.precision, 2))) + 2
        # A break is followed by a step at the last load that held.
        return float(math.ceil((max(up, down) + 2 * between) * self.step_s))

    @property
    def peak_clients(self) -> int:
        """The largest number of connections that the search may hold at once."""
        match self.of:
            case "clients":
                return self.largest
            case "connects":
                return self.clients + math.ceil(self.largest * self.measure)
            case _:
                return self.clients

    @property
    def connects_per_s(self) -> float:
        """The most connects a second that the search asks for while no load breaks."""
        if self.of == "clients":
            return max(ramp_rate(before, load, self.ramp) for before, load in pairwise((0.0, *self.climb())))
        return max(float(self.largest) if self.of == "connects" else 0.0, ramp_rate(0, self.clients, self.ramp))

    def climb(self) -> Iterator[float]:
        """Yield the loads that are tried while each of them holds."""
        load = float(self.first)
        while load < self.largest:
            yield load
            load *= self.factor
        yield float(self.largest)
