"""How each live metric is read from the status of a run."""

from __future__ import annotations

from collections.abc import Callable

from wstui.execution.run.host_status import MARKS as HOST_MARKS
from wstui.execution.run.result_sections import Latency
from wstui.execution.run.role_sections import StepSummary
from wstui.execution.run.status import HostStatus, Status
from wstui.measure.sanitize import sanitize
from wstui.report.live.live_metric import Values

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
