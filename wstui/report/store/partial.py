"""What the result would be if the run ended now: kept while it goes, so that a run cut short is not lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec

from wstui.execution.run.metrics import connections_of, messages_of
from wstui.execution.run.result import (
    Connections,
    FailureSample,
    FailureSummary,
    GeneratorSummary,
    HostSummary,
    Latency,
    LatencySet,
    Messages,
    Result,
    StageSummary,
    Verdict,
)
from wstui.execution.run.result_sections import RouteSummary
from wstui.execution.run.status import Status
from wstui.execution.search.summary import so_far
from wstui.measure.failure import FailureGroup
from wstui.measure.hdr import decode
from wstui.measure.histogram import Histogram, HistogramData
from wstui.measure.timeline import TimelineRow
from wstui.scenario.secret_fields import mask_of, masked

RUNNING = "it goes on: these are the figures so far"
INTERRUPTED = "interrupted: wstui ended before the run did"
NS = 1e9


@dataclass(slots=True)
class RowSums:
    """What a result needs of all rows, kept up row by row: a day's timeline is not read anew every second."""

    rows: int = 0
    paused_s: float = 0.0
    cpu_total: float = 0.0
    cpu_max: float | None = None

    def add(self, rows: Iterable[TimelineRow]) -> None:
        """Take further rows in."""
        for row in rows:
            self.rows += 1
            self.paused_s += row.paused
            self.cpu_total += row.cpu
            self.cpu_max = max(self.cpu_max or 0.0, row.cpu)


def partial_result(status: Status, histograms: Mapping[str, HistogramData], sums: RowSums) -> Result:
    """The result up to now, without timeline, events, failures and stages, which are kept apart.

    What is under way counts as if it were cut now: attempts as drained, messages in flight as abandoned.

    `histograms` are the distributions so far, by the names of `Result.histograms`; `sums` is what the rows add up to.
    """
    c = status.counters  # what is under way is cut short
    counters = msgspec.structs.replace(
        c, opening=0, drained=c.drained + max(0, c.opening), abandoned=c.abandoned + max(0, c.in_flight)
    )
    seconds = max(status.plan_s, 0.0)

    def latency(name: str) -> Latency:
        data = histograms.get(name)
        return Latency.of(Histogram.from_data(data)) if data else Latency()

    return Result(
        scenario=masked(status.scenario),
        started=stamp(status.started),
        finished=stamp(None),
        duration_s=round(status.elapsed_s, 3),
        paused_s=sums.paused_s,
        verdict=Verdict(passed=False, reason=INTERRUPTED, aborted=True, thresholds=list(status.thresholds)),
        connections=connections_of(counters, seconds),
        route=RouteSummary.of(status.scenario),
        fanout=status.fanout,
        breakpoint=so_far(status.breakpoint) if status.breakpoint else None,
        messages=messages_of(counters, seconds, dict(status.types)),
        latency_ms=LatencySet(status.latency, latency("round_trip"), latency("connect"), latency("reconnect")),
        generator=GeneratorSummary(
            workers=len(status.generator.workers),
            workers_lost=sum(1 for worker in status.generator.workers if not worker.alive),
            cpu=sums.cpu_total / sums.rows if sums.rows else None,
            cpu_max=sums.cpu_max,
            late_sends=status.generator.late_sends,
            open_files=status.generator.files,
            limited_by=list(status.generator.limited_by),
            hosts=[
                HostSummary(
                    name=host.name,
                    workers=host.workers,
                    workers_lost=host.workers_lost,
                    clients_max=host.clients,
                    cpu_max=host.cpu,
                    loop_lag_max_ms=host.loop_lag_ms,
                    round_trip_ms=host.round_trip_ms,
                    lost=host.why,
                )
                for host in status.generator.hosts
            ],
        ),
    )


def stamp(moment: datetime | None) -> str:
    """A moment, or now, as ISO 8601 with offset and milliseconds."""
    return (moment or datetime.now().astimezone()).isoformat(timespec="milliseconds")


def failures_so_far(status: Status) -> list[FailureSummary]:
    """The failures as a result holds them: seconds instead of nanoseconds, secrets masked."""
    mask = mask_of(status.scenario)
    return [_failure(group, mask) for group in status.failures]


def _failure(group: FailureGroup, mask: Callable[[str], str]) -> FailureSummary:
    return FailureSummary(
        group.kind,
        mask(group.message),
        group.count,
        group.first_ns / NS,
        group.last_ns / NS,
        group.local,
        [FailureSample(s.at_ns / NS, s.client, mask(s.detail)) for s in group.samples],
        group.outcome,
    )


def stages_from(timeline: Sequence[dict[str, Any]], histograms: Mapping[str, str]) -> list[StageSummary]:
    """The stages of a run that was cut short, as far as its timeline tells: counts are sums of rates."""
    stages = []
    began_s = 0.0
    for name, group in groupby(timeline, key=lambda row: str(row.get("stage", ""))):
        rows = list(group)
        ended_s = float(rows[-1].get("at_s") or began_s)
        spans = _spans(rows, began_s)
        attempted, ready, sent, received = (
            round(sum(span * float(row.get(rate) or 0) for span, row in zip(spans, rows, strict=True)))
            for rate in ("attempted_per_s", "ready_per_s", "sent_per_s", "received_per_s")
        )
        seconds = ended_s - began_s
        encoded = histograms.get(f"response@{name}")
        stages.append(
            StageSummary(
                name,
                began_s,
                ended_s,
                Connections(attempted, ready, success_rate=ready / attempted if attempted else None),
                Messages(
                    sent,
                    received,
                    sent / seconds if seconds else None,
                    received / seconds if seconds else None,
                ),
                LatencySet(Latency.of(decode(encoded)) if encoded else Latency()),
            )
        )
        began_s = ended_s
    return stages


def _spans(rows: Sequence[dict[str, Any]], began_s: float) -> list[float]:
    ends = [float(row.get("at_s") or 0) for row in rows]
    return [end - start for start, end in zip([began_s, *ends], ends, strict=False)]
