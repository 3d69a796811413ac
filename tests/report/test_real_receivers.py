"""What is sent and exported, taken by servers that nobody here wrote: a collector, VictoriaMetrics, InfluxDB.

Debian's Prometheus is held in test_grafana and test_remote_write; it has no receiver of OTLP.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.example import broken, good
from tests.report.post_receiver import Post, PostReceiver
from tests.report.prometheus_server import PrometheusServer
from tests.report.stand_in import StandIn, status
from tests.servers.process import free_ports, listens, server_process
from tests.waiting import wait_until
from wstui.report.formats import format_registry
from wstui.report.live.metric_table import METRICS
from wstui.report.live.remote_write import RemoteWrite

ROTEL = importlib.util.find_spec("rotel")


def answers(url: str, data: bytes | None = None) -> str | None:
    """Return what a server says, None while it can't be reached."""
    try:
        with urllib.request.urlopen(url, data, timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        if error.code == 503:
            return None
        raise AssertionError(f"{url}: {error.code} {error.read()!r}") from None
    except OSError:
        return None


# -- a collector of OpenTelemetry's --------------------------------------------------------------------------------


@pytest.mark.skipif(ROTEL is None, reason="rotel is not installed")
def test_a_collector_passes_metrics_and_events_on_as_they_were() -> None:
    """Rotel reads them with its own protobuf library, and sends what it understood."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra `otlp` is not installed")
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    from wstui.report.live.otlp import OtlpExport, OtlpLogs, metrics_of

    assert ROTEL is not None and ROTEL.origin is not None
    http, grpc = free_ports(2)
    with PostReceiver() as receiver, server_process(
        str(Path(ROTEL.origin).with_name("rotel-agent")), "start",
        "--otlp-http-endpoint", f"127.0.0.1:{http}", "--otlp-grpc-endpoint", f"127.0.0.1:{grpc}",
        "--exporter", "otlp", "--otlp-exporter-protocol", "http", "--otlp-exporter-endpoint", receiver.url,
        "--batch-timeout", "50ms",
    ):  # fmt: skip
        wait_until(lambda: listens(http))
        run = StandIn(status(3), status(12))
        metrics = OtlpExport(run, f"http://127.0.0.1:{http}/v1/metrics", every_s=0.05)
        logs = OtlpLogs(run, f"http://127.0.0.1:{http}/v1/logs", every_s=0.05)
        for export in (metrics, logs):
            export.start()
        wait_until(lambda: {post.path for post in receiver.posted} == {"/v1/metrics", "/v1/logs"})
        for export in (metrics, logs):
            export.close(broken())
            assert export.problem == ""
        wait_until(lambda: "end" in _events(receiver.posted))
    points = {
        metric.name: metric
        for post in receiver.posted
        if post.path == "/v1/metrics"
        for resource in ExportMetricsServiceRequest.FromString(post.body).resource_metrics
        for metric in resource.scope_metrics[0].metrics
    }
    (sent,) = metrics_of(run.status).resource_metrics
    assert points.keys() == {metric.name for metric in sent.scope_metrics[0].metrics}
    (response,) = points["wstui_response"].histogram.data_points
    assert response.count == sum(response.bucket_counts) == 240 and 0 < response.min < response.max
    events = _events(receiver.posted)
    assert set(events) >= {"start", "end", "failures"} and "row" not in events
    assert len(events["start"]) == len(events["end"]) == 1
    assert events["end"][0].severity_text == "ERROR"


def _events(posted: list[Post]) -> dict[str, list[Any]]:
    """Return the log records by the name of their event."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    found: dict[str, list[Any]] = {}
    for post in posted:
        for resource in ExportLogsServiceRequest.FromString(post.body).resource_logs if post.path == "/v1/logs" else ():
            for record in resource.scope_logs[0].log_records:
                found.setdefault(record.event_name.removeprefix("wstui."), []).append(record)
    return found


# -- VictoriaMetrics -----------------------------------------------------------------------------------------------


@pytest.fixture
def victoria(tmp_path: Path) -> Iterator[PrometheusServer]:
    """One that shows at once what it has got, however old."""
    if (program := shutil.which("victoria-metrics")) is None:
        pytest.skip("VictoriaMetrics is not installed")
    (port,) = free_ports(1)
    server = PrometheusServer(f"127.0.0.1:{port}")
    with server_process(
        program, f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={tmp_path}/data", "-retentionPeriod=100y",
        "-search.latencyOffset=0s", "-search.disableCache",
    ):  # fmt: skip
        wait_until(lambda: answers(f"{server.url}/health") == "OK")
        yield server


def test_victoria_metrics_takes_remote_write(victoria: PrometheusServer) -> None:
    run = StandIn(*(status(second) for second in range(5, 400)))
    export = RemoteWrite(run, f"{victoria.url}/api/v1/write", every_s=0.1)
    export.start()
    wait_until(lambda: bool(victoria.answer("rate(wstui_messages_sent_total[1m])")))
    wait_until(lambda: bool(victoria.answer("histogram_quantile(0.99, rate(wstui_response_seconds_bucket[1m]))")))
    export.close(None)
    assert export.problem == ""
    answers(f"{victoria.url}/internal/force_flush")
    found = {
        sample["metric"]["__name__"]
        for sample in victoria.answer('last_over_time({job="wstui"}[5m]) keep_metric_names')
    }
    assert found == {name for metric in METRICS for name, _, _ in metric.samples(run.status)}


def test_victoria_metrics_takes_the_line_protocol(victoria: PrometheusServer) -> None:
    result = good()
    assert answers(f"{victoria.url}/write", format_registry.named("influx").render(result).encode()) == ""
    answers(f"{victoria.url}/internal/force_flush")
    asked = urllib.parse.urlencode(
        {"match[]": 'wstui_sent_per_s{preset="quick"}', "start": "2025-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}
    )
    lines = [json.loads(line) for line in (answers(f"{victoria.url}/api/v1/export?{asked}") or "").splitlines()]
    stored = sorted((at, value) for line in lines for at, value in zip(line["timestamps"], line["values"], strict=True))
    assert [value for _, value in stored] == pytest.approx([row["sent_per_s"] for row in result.timeline])
    assert {line["metric"]["stage"] for line in lines} == {row["stage"] for row in result.timeline}


# -- InfluxDB ------------------------------------------------------------------------------------------------------


@pytest.fixture
def influx(tmp_path: Path) -> Iterator[str]:
    """The address of an InfluxDB 1.x with the database `load`."""
    if (program := shutil.which("influxd")) is None:
        pytest.skip("InfluxDB is not installed")
    http, rpc = free_ports(2)
    (tmp_path / "influx.conf").write_text(f"""
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{tmp_path}/meta"
[data]
dir = "{tmp_path}/data"
wal-dir = "{tmp_path}/wal"
[http]
bind-address = "127.0.0.1:{http}"
""")
    url = f"http://127.0.0.1:{http}"
    with server_process(program, "-config", f"{tmp_path}/influx.conf"):
        wait_until(lambda: answers(f"{url}/query", b"q=CREATE DATABASE load") is not None)
        yield url


@pytest.mark.parametrize("name", ["good", "broken"])
def test_influxdb_takes_the_line_protocol(influx: str, name: str) -> None:
    result = {"good": good, "broken": broken}[name]()
    assert answers(f"{influx}/write?db=load", format_registry.named("influx").render(result).encode()) == ""
    columns = sorted({key for row in result.timeline for key, value in row.items() if value is not None})
    asked = urllib.parse.urlencode({"db": "load", "q": 'SELECT * FROM "wstui"'})
    series: dict[str, Any] = json.loads(answers(f"{influx}/query?{asked}") or "")["results"][0]["series"][0]
    assert sorted(series["columns"]) == sorted({*columns, "stage", "preset", "time"})
    at = series["columns"].index("sent_per_s")
    assert [row[at] for row in series["values"]] == pytest.approx([row["sent_per_s"] for row in result.timeline])
