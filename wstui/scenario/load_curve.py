"""The load that a scenario asks for over its time, as a curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wstui.scenario.model import Scenario


@dataclass(slots=True)
class LoadCurve:
    """Corners of the curve: seconds and clients; `marks` are the beginnings of stages or runs."""

    at_s: list[float] = field(default_factory=lambda: [0.0])
    clients: list[float] = field(default_factory=lambda: [0.0])
    marks: list[tuple[float, str]] = field(default_factory=list)

    @property
    def length_s(self) -> float:
        return self.at_s[-1]

    @property
    def peak(self) -> int:
        """The most clients at once."""
        return int(max(self.clients))

    def clients_at(self, at_s: float) -> float:
        """The clients wanted at a moment."""
        for (x0, y0), (x1, y1) in zip(
            zip(self.at_s, self.clients, strict=True), zip(self.at_s[1:], self.clients[1:], strict=True), strict=False
        ):
            if at_s <= x1:
                return y1 if x1 == x0 else y0 + (y1 - y0) * (at_s - x0) / (x1 - x0)
        return self.clients[-1]


def shape_of(scenarios: Sequence[Scenario], cooldown_s: float = 0.0) -> LoadCurve:
    """Return the curve of scenarios run in order, with a pause between them."""
    shape = LoadCurve()
    for index, scenario in enumerate(scenarios):
        if index:
            _to(shape, 0.0, 0.0)
            _to(shape, cooldown_s, 0.0)
        if len(scenarios) > 1:
            shape.marks.append((shape.length_s, scenario.name))
        if scenario.breakpoint is not None:
            _climb(shape, scenario)
        for stage in scenario.stages:
            if len(scenarios) == 1:
                shape.marks.append((shape.length_s, stage.name))
            wanted = shape.clients[-1] if stage.clients is None else float(stage.clients)
            _to(shape, stage.over, wanted)
    return shape


def _climb(shape: LoadCurve, scenario: Scenario) -> None:
    """A search for the limit: up while every load holds, and as long as it takes at most to narrow down what breaks."""
    search = scenario.breakpoint
    assert search is not None
    end_s = shape.length_s + search.longest_s
    for load in search.climb():
        _to(shape, search.ramp, load if search.of == "clients" else float(search.clients))
        _to(shape, search.settle + search.measure, shape.clients[-1])
    if shape.length_s < end_s:
        shape.marks.append((shape.length_s, "narrows down"))
        _to(shape, end_s - shape.length_s, shape.clients[-1])


def _to(shape: LoadCurve, over_s: float, clients: float) -> None:
    shape.at_s.append(shape.at_s[-1] + over_s)
    shape.clients.append(clients)
