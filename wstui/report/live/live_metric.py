"""A live metric of a run: how it is named, read from a status, exposed and drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from wstui.execution.run.status import Status
from wstui.measure.histogram import Distribution

NS = 1e9
BOUNDS_S = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0
)  # fmt: skip
Values = Iterable[tuple[tuple[str, ...], float | Distribution]]
"""The values of the labels, and the number or distribution that has them."""


@dataclass(frozen=True, slots=True)
class GrafanaPanel:
    """Where a metric is drawn; metrics with the same title share a panel.

    `unit` is what Grafana calls it. `legend` names each line; the labels in it, as {{state}}, are those that lines are
    drawn for, and `combine` joins the series that differ in others.
    """

    group: str
    title: str
    unit: str
    legend: str
    combine: str = "sum"
    quantiles: tuple[float, ...] = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class LiveMetric:
    """A metric: its name without the suffixes of Prometheus, and how it is read from a status.

    The unit "s" is for distributions, whose durations are in seconds. One without a panel says the same as another
    that has one, or is about the run as a whole.
    """

    name: str
    told: str
    kind: Literal["gauge", "counter", "histogram"]
    read: Callable[[Status], Values]
    labels: tuple[str, ...] = ()
    panel: GrafanaPanel | None = None

    @property
    def unit(self) -> str:
        """Return the unit as UCUM writes it."""
        return "s" if self.kind == "histogram" else ""

    @property
    def exposed(self) -> str:
        """Return the name in Prometheus, which a receiver of OpenTelemetry's makes of name, unit and kind."""
        return self.name + {"gauge": "", "counter": "_total", "histogram": "_seconds"}[self.kind]

    def samples(self, status: Status) -> Iterator[tuple[str, dict[str, str], float]]:
        """Yield what Prometheus stores: name, labels and number of each series; buckets are cumulative."""
        for values, found in self.read(status):
            labels = dict(zip(self.labels, values, strict=True))
            if not isinstance(found, Distribution):
                yield self.exposed, labels, found
                continue
            for bound in BOUNDS_S:
                below = found.count - found.above(round(bound * NS))
                yield f"{self.exposed}_bucket", {**labels, "le": f"{bound:g}"}, below
            yield f"{self.exposed}_bucket", {**labels, "le": "+Inf"}, found.count
            yield f"{self.exposed}_count", labels, found.count
            yield f"{self.exposed}_sum", labels, found.total / NS
