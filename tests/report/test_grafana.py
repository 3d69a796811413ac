"""The dashboard asks for metrics that there are; a real Prometheus answers its queries where one is installed."""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("prometheus_client", reason="the extra `prometheus` is not installed")

from tests.report.prometheus_server import needs_prometheus, prometheus
from tests.report.stand_in import StandIn, status
from tests.report.test_store import until
from wstui.cli.grafana import grafana
from wstui.report.live import prometheus as prometheus_metrics
from wstui.report.live.grafana import PANELS
from wstui.report.live.prometheus import DURATIONS, MetricsEndpoint

QUERIES = [
    query.replace("$job", ".*").replace("$__rate_interval", "1m") for _, _, shown in PANELS for _, query in shown
]

MADE_BY_REPLIES = {
    "wstui_round_trip_seconds_bucket",
    "wstui_failures_total",
    "wstui_step_response_seconds_bucket",
    "wstui_steps_total",
}
"""The made-up run has none of these."""


@pytest.fixture
def endpoint() -> Iterator[MetricsEndpoint]:
    opened = MetricsEndpoint(StandIn(*(status(second) for second in range(5, 200))), port=0)
    yield opened
    opened.close()


def test_every_metric_of_the_dashboard_is_served(endpoint: MetricsEndpoint) -> None:
    with urllib.request.urlopen(endpoint.url, timeout=60) as answer:
        served = set(re.findall(r"^(wstui_\w+)", answer.read().decode(), re.MULTILINE))
    asked = set(re.findall(r"wstui_\w+", " ".join(QUERIES)))
    assert not asked - served - MADE_BY_REPLIES


NOT_DRAWN = re.compile(
    r"wstui_(run_|host_|sequence|rounds|.*_quantile_seconds|connects_attempted|replies_altered"
    r"|messages_received_by_type|generator_(open_files|workers))"
)
"""Metrics of a run as a whole, of hosts and of rarer features, or that others on the dashboard have in them."""


def test_every_metric_of_the_table_is_on_the_dashboard_or_left_out_on_purpose() -> None:
    source = Path(prometheus_metrics.__file__).read_text()
    named = set(re.findall(r'"(wstui_[a-z_]+)"', source)) | {f"wstui_{name}_seconds" for name in DURATIONS}
    drawn = " ".join(QUERIES)
    missing = {name for name in named if name not in drawn and not NOT_DRAWN.match(name)}
    assert not missing


def test_the_command_prints_a_dashboard_whose_panels_do_not_overlap() -> None:
    document = json.loads(CliRunner().invoke(grafana).output)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in document["panels"]]
    assert len(set(places)) == len(PANELS) and len({panel["id"] for panel in document["panels"]}) == len(PANELS)


@needs_prometheus
def test_a_real_prometheus_answers_every_query(endpoint: MetricsEndpoint, tmp_path: Path) -> None:
    with prometheus(tmp_path, scrape=urllib.parse.urlsplit(endpoint.url).netloc) as server:
        until(lambda: bool(server.answer("rate(wstui_messages_sent_total[1m])")))
        for query in QUERIES:
            assert server.answer(query) or any(metric in query for metric in MADE_BY_REPLIES), query
