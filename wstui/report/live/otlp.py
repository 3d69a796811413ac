"""The run as OpenTelemetry metrics, pushed to a collector (OTLP over HTTP) while it goes: the figures of `prometheus`.

What the exporter reads from the environment holds here too: OTEL_EXPORTER_OTLP_HEADERS, certificates, compression.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Histogram as Distribution
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.status import RunView, Status
from wstui.measure.histogram import Distribution as Histogram
from wstui.report.live.observer import ExportError, Observer
from wstui.report.live.prometheus import BOUNDS_S, DURATIONS, MOST_LABELS, STEP_RESPONSE, RunCollector, step_labels
from wstui.scenario.secrets import mask_url

NS = 1e9
TIMEOUT_S = 5.0
_CUMULATIVE = AggregationTemporality.CUMULATIVE


class OtlpExport(Observer):
    """Sends the metrics of a run every few seconds, and once more at its end."""

    def __init__(
        self, run: RunView, url: str, *, every_s: float = 5.0, on_problem: Callable[[str], None] | None = None
    ) -> None:
        """`url` is the whole address, such as http://127.0.0.1:4318/v1/metrics."""
        super().__init__("OpenTelemetry export", run, every_s=every_s, on_problem=on_problem)
        self._shown = mask_url(url)
        self._exporter: Any = OTLPMetricExporter(endpoint=url, timeout=TIMEOUT_S)
        # It would write to a screen that shows a run; what goes wrong is said by `problem`.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)

    def follow(self) -> None:
        """Send the figures of this moment."""
        status = self._run.status
        if status.started is None:
            return
        if self._exporter.export(metrics_of(self._run, status)) is not MetricExportResult.SUCCESS:
            raise ExportError(f"the OpenTelemetry collector at {self._shown} does not take the metrics", lasting=False)

    def finish(self, result: Result | SuiteResult | None) -> None:
        """Send the last figures."""
        self.follow()

    def release(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()


def metrics_of(run: RunView, status: Status) -> MetricsData:
    """The picture of a run as what an exporter sends: names and labels are those of the Prometheus endpoint."""
    began_ns = round(status.started.timestamp() * NS) if status.started is not None else 0
    now_ns = time.time_ns()
    resource = Resource.create({"service.name": "wstui", "host.name": status.host})
    metrics = [*_numbers(run, began_ns, now_ns), *_distributions(status, began_ns, now_ns)]
    scope = ScopeMetrics(InstrumentationScope("wstui"), metrics, "")
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def _numbers(run: RunView, began_ns: int, now_ns: int) -> Iterator[Metric]:
    for family in RunCollector(run).collect():
        if family.type == "histogram":
            continue
        points = [NumberDataPoint(sample.labels, began_ns, now_ns, sample.value) for sample in family.samples]
        if points:
            data = Sum(points, _CUMULATIVE, True) if family.type == "counter" else Gauge(points)
            yield Metric(family.name, family.documentation, "", data)


def _distributions(status: Status, began_ns: int, now_ns: int) -> Iterator[Metric]:
    def metric(name: str, told: str, found: list[tuple[dict[str, str], Histogram | None]]) -> Iterator[Metric]:
        points = [_point(labels, data, began_ns, now_ns) for labels, data in found if data is not None and data.count]
        if points:
            yield Metric(name, told, "s", Distribution(points, _CUMULATIVE))

    histograms = status.histograms
    for name, told in DURATIONS.items():
        yield from metric(f"wstui_{name}", told, [({}, histograms.get(name))])
    steps = [
        (dict(zip(("role", "step", "kind"), step_labels(step), strict=True)), histograms.get(step.histogram))
        for step in status.result.steps[:MOST_LABELS]
    ]
    yield from metric("wstui_step_response", STEP_RESPONSE, steps)


def _point(labels: dict[str, str], histogram: Histogram, began_ns: int, now_ns: int) -> HistogramDataPoint:
    above = [histogram.count, *(histogram.above(round(bound * NS)) for bound in BOUNDS_S), 0]
    return HistogramDataPoint(
        labels,
        began_ns,
        now_ns,
        histogram.count,
        histogram.total / NS,
        [more - fewer for more, fewer in pairwise(above)],
        list(BOUNDS_S),
        histogram.low / NS,
        histogram.high / NS,
    )
