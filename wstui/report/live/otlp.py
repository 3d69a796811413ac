"""The run as OpenTelemetry metrics, pushed to a collector (OTLP over HTTP) while it goes.

What the exporter reads from the environment holds here too: OTEL_EXPORTER_OTLP_HEADERS, certificates, compression.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
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
from wstui.report.live.event_stream import RunEvents
from wstui.report.live.live_metric import BOUNDS_S, NS, LiveMetric
from wstui.report.live.metric_table import METRICS
from wstui.report.live.observer import ExportError, Observer
from wstui.scenario.secrets import mask_url

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
        if self._exporter.export(metrics_of(status)) is not MetricExportResult.SUCCESS:
            raise ExportError(f"the OpenTelemetry collector at {self._shown} does not take the metrics", lasting=False)

    def finish(self, result: Result | SuiteResult | None) -> None:
        """Send the last figures."""
        self.follow()

    def release(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()


def metrics_of(status: Status) -> MetricsData:
    """The picture of a run as what an exporter sends: receivers make the names of the Prometheus endpoint of it."""
    began_ns = round(status.started.timestamp() * NS) if status.started is not None else 0
    now_ns = time.time_ns()
    found = [_metric(row, status, began_ns, now_ns) for row in METRICS]
    about = {"service.name": "wstui", "service.instance.id": f"{status.host}:{os.getpid()}", "host.name": status.host}
    scope = ScopeMetrics(InstrumentationScope("wstui"), [metric for metric in found if metric.data.data_points], "")
    return MetricsData([ResourceMetrics(Resource.create(about), [scope], "")])


def _metric(row: LiveMetric, status: Status, began_ns: int, now_ns: int) -> Metric:
    numbers, distributions = [], []
    for values, found in row.read(status):
        labels = dict(zip(row.labels, values, strict=True))
        if not isinstance(found, Histogram):
            numbers.append(NumberDataPoint(labels, began_ns, now_ns, found))
        elif found.count:
            distributions.append(_point(labels, found, began_ns, now_ns))
    data: Any = Gauge(numbers)
    if row.kind == "counter":
        data = Sum(numbers, _CUMULATIVE, True)
    elif row.kind == "histogram":
        data = Distribution(distributions, _CUMULATIVE)
    return Metric(row.name, row.told, row.unit, data)


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


_KEPT = 10_000
"""Events held for a collector that does not answer; the oldest go first."""
_LEFT_OUT = "row"
"""Events that are metrics: they go out as such."""


class OtlpLogs(Observer):
    """Sends the events of a run: the same as `--events`, but for its rows."""

    def __init__(
        self, run: RunView, url: str, *, every_s: float = 1.0, on_problem: Callable[[str], None] | None = None
    ) -> None:
        """`url` is the whole address, such as http://127.0.0.1:4318/v1/logs."""
        super().__init__("OpenTelemetry log export", run, every_s=every_s, on_problem=on_problem)
        self._shown = mask_url(url)
        self._events = RunEvents()
        self._begun_ns = 0
        self._unsent: list[ReadableLogRecord] = []
        self._exporter: Any = OTLPLogExporter(endpoint=url, timeout=TIMEOUT_S)
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)  # `problem` says it

    def follow(self) -> None:
        """Send what is new."""
        self._send(self._events.new(self._run.status))

    def finish(self, result: Result | SuiteResult | None) -> None:
        """Send what is new, and the verdicts."""
        self._send([*self._events.new(self._run.status), *self._events.ends(result)])

    def release(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()

    def _send(self, events: list[dict[str, Any]]) -> None:
        resource = Resource.create({"service.name": "wstui", "host.name": self._run.status.host})
        scope = InstrumentationScope("wstui")
        for event in events:
            if event["event"] == "start":
                self._begun_ns = round(datetime.fromisoformat(event["started"]).timestamp() * NS)
            if event["event"] != _LEFT_OUT:
                self._unsent.append(ReadableLogRecord(self._record(event), resource, scope))
        del self._unsent[:-_KEPT]
        if self._unsent and self._exporter.export(self._unsent) is not LogRecordExportResult.SUCCESS:
            raise ExportError(f"the OpenTelemetry collector at {self._shown} does not take the events", lasting=False)
        self._unsent = []

    def _record(self, event: dict[str, Any]) -> LogRecord:
        severity = SeverityNumber.INFO
        if event["event"] == "failures" or event.get("kind") in ("warning", "generator", "health", "worker"):
            severity = SeverityNumber.WARN
        if event.get("passed") is False:
            severity = SeverityNumber.ERROR
        content = msgspec.to_builtins(event)
        return LogRecord(
            timestamp=self._begun_ns + round(event["at_s"] * NS),
            observed_timestamp=time.time_ns(),
            severity_number=severity,
            severity_text=severity.name,
            body=event.get("text") or event.get("reason") or event.get("message") or event["event"],
            attributes={
                f"wstui.{name}": value if isinstance(value, str | int | float | bool) else _text(value)
                for name, value in content.items()
                if value is not None
            },
            event_name=f"wstui.{event['event']}",
        )


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
