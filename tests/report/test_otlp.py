from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra `otlp` is not installed")

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.cli.commands import invoke
from tests.report.example import broken
from tests.report.post_receiver import Post, PostReceiver
from tests.report.stand_in import StandIn, status
from tests.waiting import wait_until
from wstui.report.live.otlp import OtlpExport, OtlpLogs


@pytest.fixture
def collector() -> Iterator[PostReceiver]:
    with PostReceiver() as made:
        yield made


def decoded(post: Post) -> Any:
    """The metrics of a request, with what they are of."""
    (resource,) = ExportMetricsServiceRequest.FromString(post.body).resource_metrics
    return resource


def test_a_collector_gets_counters_gauges_and_distributions_until_the_end(collector: PostReceiver) -> None:
    run = StandIn(status(3), status(12))
    export = OtlpExport(run, f"{collector.url}/v1/metrics", every_s=0.01)
    export.start()
    wait_until(lambda: len(collector.posted) >= 3)
    export.close(None)
    assert export.problem == ""
    resource = decoded(collector.posted[-1])
    metrics = {metric.name: metric for metric in resource.scope_metrics[0].metrics}
    sent = metrics["wstui_messages_sent"].sum
    assert sent.is_monotonic and sent.data_points[0].as_int == run.status.counters.sent
    outcomes = {point.attributes[0].value.string_value for point in metrics["wstui_connects"].sum.data_points}
    assert outcomes == {"ready", "refused", "timed_out", "failed", "drained"}
    assert metrics["wstui_run_elapsed_seconds"].gauge.data_points[0].as_double == 12.0
    (response,) = metrics["wstui_response"].histogram.data_points
    assert metrics["wstui_response"].unit == "s"
    assert response.count == 240 == sum(response.bucket_counts)
    assert len(response.bucket_counts) == len(response.explicit_bounds) + 1
    assert 0 < response.min < response.max and response.start_time_unix_nano < response.time_unix_nano
    about = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
    assert (about["service.name"], about["host.name"]) == ("wstui", "generator-1")


def test_a_collector_that_refuses_is_a_problem_told_once_and_not_an_end_of_the_run(
    collector: PostReceiver, capsys: pytest.CaptureFixture[str]
) -> None:
    collector.status = 400
    problems: list[str] = []
    url = f"{collector.url}/v1/metrics"
    export = OtlpExport(StandIn(status(3)), url, every_s=0.01, on_problem=problems.append)
    export.start()
    wait_until(lambda: len(collector.posted) >= 3)
    assert problems == [f"the OpenTelemetry collector at {url} does not take the metrics"]
    collector.status = 200
    wait_until(lambda: not export.problem)
    export.close(None)
    assert capsys.readouterr().err == ""


def test_an_address_that_is_none_is_refused_before_the_run() -> None:
    status_, _, err = invoke("run", "quick", "--url", "ws://127.0.0.1:1/ws", "--no-store", "--otlp", "127.0.0.1:4318")
    assert status_ == 2 and '--otlp 127.0.0.1:4318: give the whole address, such as "http://127.0.0.1:4318/' in err


def test_events_arrive_as_log_records_each_once(collector: PostReceiver) -> None:
    export = OtlpLogs(StandIn(status(3), status(12)), f"{collector.url}/v1/logs", every_s=0.01)
    export.start()
    wait_until(lambda: len(collector.posted) >= 1)
    export.close(broken())
    assert export.problem == ""
    records = [
        record
        for post in collector.posted
        for resource in ExportLogsServiceRequest.FromString(post.body).resource_logs
        for record in resource.scope_logs[0].log_records
    ]
    names = [record.event_name for record in records]
    assert names.count("wstui.start") == 1 and "wstui.row" not in names and "wstui.failures" in names
    end = next(record for record in records if record.event_name == "wstui.end")
    assert end.severity_text == "ERROR" and end.body.string_value == broken().verdict.reason
