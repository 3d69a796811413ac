"""The events of a run as OpenTelemetry log records, pushed to a collector (OTLP over HTTP) as they happen."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.status import RunView
from wstui.report.live.event_stream import RunEvents
from wstui.report.live.observer import ExportError, Observer
from wstui.scenario.secrets import mask_url

_TIMEOUT_S = 5.0
_NS = 1e9
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
        self._exporter: Any = OTLPLogExporter(endpoint=url, timeout=_TIMEOUT_S)
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
                self._begun_ns = round(datetime.fromisoformat(event["started"]).timestamp() * _NS)
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
            timestamp=self._begun_ns + round(event["at_s"] * _NS),
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
