"""A live metric of a run: how it is named, read from a status, exposed and drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from wstui.execution.run.host_status import MARKS as HOST_MARKS
from wstui.execution.run.result_sections import Latency
from wstui.execution.run.role_sections import StepSummary
from wstui.execution.run.status import HostStatus, Status
from wstui.measure.histogram import Distribution
from wstui.measure.sanitize import sanitize

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


MOST_LABELS = 50
"""Most label values for what a server names itself: message types, kinds of failure."""
STEP_OUTCOMES = ("done", "lost", "late", "failed", "abandoned", "duplicates")


def number(read: Callable[[Status], float]) -> Callable[[Status], Values]:
    return lambda status: [((), read(status))]


def distribution(name: str) -> Callable[[Status], Values]:
    """Read a distribution by its name in a status, where there is one."""
    return lambda status: [((), found)] if (found := status.histograms.get(name)) is not None else []


def counts(*fields: str, **renamed: str) -> Callable[[Status], Values]:
    """Read counters, each labelled with its name or the one that it is given here."""
    named = {field: field for field in fields} | renamed
    return lambda status: [((name,), getattr(status.counters, field)) for name, field in named.items()]


def run_info(status: Status) -> Values:
    stage = next((stage.name for stage in status.stages if stage.current), "")
    yield (sanitize(status.scenario.name), sanitize(status.url), str(status.state), sanitize(stage)), 1


def failures(status: Status) -> Values:
    counts: dict[tuple[str, ...], int] = {}
    for group in status.result.failures[:MOST_LABELS]:
        key = (sanitize(group.kind, 60), "true" if group.local else "false")
        counts[key] = counts.get(key, 0) + group.count
    return counts.items()


def types(status: Status) -> Values:
    commonest = sorted(status.result.messages.by_type.items(), key=lambda item: -item[1])
    return [((sanitize(kind, 60),), number) for kind, number in commonest[:MOST_LABELS]]


def quantiles(latency: Latency, *labels: str) -> Values:
    named = (("0.5", latency.p50), ("0.95", latency.p95), ("0.99", latency.p99), ("0.999", latency.p999))
    return [((*labels, share), value / 1000) for share, value in named if value is not None]


def rounds(status: Status) -> Values:
    for role in status.result.roles[:MOST_LABELS]:
        for outcome in ("completed", "failed", "cut"):
            yield (sanitize(role.name), outcome), getattr(role, outcome)


def each_step(read: Callable[[StepSummary, Status], Values]) -> Callable[[Status], Values]:
    """Read something of each login and step of roles, whose labels go first."""
    return lambda status: (
        ((sanitize(step.role), sanitize(step.name), step.kind, *more), value)
        for step in status.result.steps[:MOST_LABELS]
        for more, value in read(step, status)
    )


def step_outcomes(step: StepSummary, _: Status) -> Values:
    return [((outcome,), getattr(step, outcome)) for outcome in STEP_OUTCOMES]


def step_response(step: StepSummary, status: Status) -> Values:
    return distribution(step.histogram)(status)


def sequence(status: Status) -> Values:
    seen = status.result.sequence
    return (
        [] if seen is None else [((name,), getattr(seen, name)) for name in ("received", "gaps", "repeats", "disorder")]
    )


def thresholds(status: Status) -> Values:
    for outcome in status.thresholds:
        if outcome.passed is not None:
            yield (outcome.metric, outcome.limit, sanitize(outcome.stage)), float(outcome.passed)


def _workers(there: int, lost: int, *labels: str) -> Values:
    return [((*labels, "there"), there - lost), ((*labels, "lost"), lost)]


def own_workers(status: Status) -> Values:
    workers = status.generator.workers
    return _workers(len(workers), sum(not worker.alive for worker in workers))


def each_host(read: Callable[[HostStatus], float | None]) -> Callable[[Status], Values]:
    """Read a figure of each machine that makes load, where it is not this one."""
    return lambda status: (
        ((sanitize(host.name),), figure)
        for host in status.generator.hosts[:MOST_LABELS]
        if (figure := read(host)) is not None
    )


def host_states(status: Status) -> Values:
    for host in status.generator.hosts[:MOST_LABELS]:
        for mark in HOST_MARKS:
            yield (sanitize(host.name), mark), float(host.mark == mark)


def host_workers(status: Status) -> Values:
    for host in status.generator.hosts[:MOST_LABELS]:
        yield from _workers(host.workers, host.workers_lost, sanitize(host.name))
