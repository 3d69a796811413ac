"""The dashboard asks for metrics that there are; a real Prometheus answers its queries where one is installed."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("prometheus_client", reason="the extra `prometheus` is not installed")

from tests.report.stand_in import StandIn, status
from tests.report.test_store import until
from wstui.cli.grafana import grafana
from wstui.report.live.grafana import PANELS
from wstui.report.live.prometheus import MetricsEndpoint

QUERIES = [
    query.replace("$job", ".*").replace("$__rate_interval", "1m") for _, _, shown in PANELS for _, query in shown
]

MADE_BY_REPLIES = {"wstui_round_trip_seconds_bucket", "wstui_failures_total"}
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


def test_the_command_prints_a_dashboard_whose_panels_do_not_overlap() -> None:
    document = json.loads(CliRunner().invoke(grafana).output)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in document["panels"]]
    assert len(set(places)) == len(PANELS) and len({panel["id"] for panel in document["panels"]}) == len(PANELS)


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed")
def test_a_real_prometheus_answers_every_query(endpoint: MetricsEndpoint, tmp_path: Path) -> None:
    target = urllib.parse.urlsplit(endpoint.url).netloc
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "wstui", "static_configs": [{"targets": [target]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    with socket.create_server(("127.0.0.1", 0)) as held:
        address = f"127.0.0.1:{held.getsockname()[1]}"
    server = subprocess.Popen(
        ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
         f"--web.listen-address={address}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def answered(query: str) -> list[object]:
        try:
            encoded = urllib.parse.urlencode({"query": query})
            with urllib.request.urlopen(f"http://{address}/api/v1/query?{encoded}", timeout=10) as answer:
                found: list[object] = json.load(answer)["data"]["result"]
                return found
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it is starting
                return []
            raise AssertionError(f"{query}: {error.read()!r}") from None
        except OSError:  # it has not started yet
            return []

    try:
        until(lambda: bool(answered("rate(wstui_messages_sent_total[1m])")))
        for query in QUERIES:
            if not any(metric in query for metric in MADE_BY_REPLIES):
                assert answered(query), query
    finally:
        server.kill()
        server.wait()
