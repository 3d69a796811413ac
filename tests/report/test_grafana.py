"""The dashboard is made from the table of metrics; a real Prometheus with a real run answers each of its queries."""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, product
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("prometheus_client", reason="the extra `prometheus` is not installed")

from prometheus_client import CollectorRegistry, start_http_server

from tests.report.prometheus_server import PrometheusServer, needs_prometheus, prometheus
from tests.report.stand_in import StandIn, status
from tests.report.test_step_figures import THRESHOLDS, Stamping, made
from tests.servers.server import Connection, Server, now_ms
from tests.servers.web import Web
from tests.waiting import wait_until
from wstui.cli.schema import grafana
from wstui.execution.run.commands import CompletePlan
from wstui.execution.run.status import HostStatus, RunView
from wstui.execution.suite import SuiteRun
from wstui.report.live.grafana import dashboard
from wstui.report.live.live_metric import LiveMetric
from wstui.report.live.metric_table import METRICS
from wstui.report.live.prometheus import MetricsEndpoint
from wstui.report.live.remote_write import RemoteWrite, snappy_block, write_request
from wstui.scenario.model import Fleet, Messages, Scenario, Stage, Target

RECEIVE = "--web.enable-remote-write-receiver"
DRAWN = {metric.name: metric for metric in METRICS if metric.panel is not None}
HOSTS = {name: metric for name, metric in DRAWN.items() if metric.panel and metric.panel.group == "Hosts"}
NO_PANEL = {
    "wstui_run_info": "the variable asks for it",
    "wstui_run_elapsed_seconds": "a clock",
    "wstui_run_plan_seconds": "a clock",
    "wstui_run_plan_total_seconds": "a clock",
    "wstui_response_quantile_seconds": "the distribution is drawn",
    "wstui_step_response_quantile_seconds": "the distribution is drawn",
}


def queries(metrics: dict[str, LiveMetric], *, suffixes: bool = True) -> dict[str, list[str]]:
    """Return what the dashboard asks about each of the metrics, in whichever job."""
    asked = [target["expr"] for panel in panels(suffixes=suffixes) for target in panel["targets"]]
    return {
        name: [query for query in asked if re.search(rf"\b{metric.exposed if suffixes else name}(_bucket)?{{", query)]
        for name, metric in metrics.items()
    }


def panels(*, suffixes: bool = True) -> list[dict[str, Any]]:
    return [panel for panel in dashboard(suffixes=suffixes)["panels"] if panel["type"] != "row"]


def test_every_metric_is_drawn_or_left_out_for_a_reason() -> None:
    assert {metric.name for metric in METRICS} - DRAWN.keys() == NO_PANEL.keys()
    for suffixes in (True, False):
        assert all(queries(DRAWN, suffixes=suffixes).values())
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_metrics_that_share_a_panel_share_its_unit_and_no_legend() -> None:
    for title in {metric.panel.title for metric in METRICS if metric.panel}:
        found = [metric.panel for metric in METRICS if metric.panel and metric.panel.title == title]
        assert len({(panel.group, panel.unit) for panel in found}) == 1, title
        assert len({panel.legend for panel in found}) == len(found), title


def test_lines_are_drawn_for_labels_that_the_metric_has() -> None:
    for metric in DRAWN.values():
        assert metric.panel and set(re.findall(r"{{(\w+)}}", metric.panel.legend)) <= set(metric.labels), metric.name


@pytest.mark.parametrize("options", [[], ["--no-suffixes"]])
def test_the_command_prints_a_dashboard_whose_panels_do_not_overlap(options: list[str]) -> None:
    document = json.loads(CliRunner().invoke(grafana, options).output)
    assert document == dashboard(suffixes=not options)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in document["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])


def unknown(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Yield where something of ours is missing or different in theirs."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            yield from unknown(value, theirs.get(key), f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from unknown(one, other, f"{path}[{number}]")
    elif ours != theirs:
        yield f"{path}: {ours!r} is {theirs!r}"


def test_grafana_knows_every_field_of_the_dashboard() -> None:
    """Its own library, generated from its schema, reads the dashboard and writes what it knows of it."""
    sdk = pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk is not installed")
    from grafana_foundation_sdk.cog import encoder, plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    assert sdk
    plugins.register_default_plugins()
    ours = json.loads(json.dumps(dashboard()))
    assert list(unknown(ours, json.loads(encoder.JSONEncoder().encode(Dashboard.from_json(ours))))) == []
    ours["panels"][1]["options"]["legend"]["place"] = "bottom"
    ours["panels"][1]["tittle"] = "x"
    assert len(list(unknown(ours, json.loads(encoder.JSONEncoder().encode(Dashboard.from_json(ours)))))) == 2


class Broadcasting(Server):
    """Sends each ping to every client too, closes now and then, and refuses one client."""

    async def answer(self, client: Connection, key: bytes) -> bool:
        if client.number == 2:
            client.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            return False
        return await super().answer(client, key)

    async def ping(self, client: Connection, timestamp: int) -> None:
        await super().ping(client, timestamp)
        told = json.dumps({"type": "news", "timestamp": now_ms(), "number": self.messages["ping"]}).encode()
        for other in list(self.live.values()):
            other.send(told)
        if self.messages["ping"] % 20 == 0:
            client.close(1011, "restart")


async def carry_out(watched: Callable[[RunView], AbstractContextManager[Callable[[Iterable[str]], None]]]) -> None:
    """A suite of two: steps, logins, numbers; broadcasts, drops, a refusal. Each goes on until all is answered."""
    long = [Stage(name="hold", over=120.0, clients=4)]
    async with Web() as web, Stamping(lose=frozenset({3})) as chat, Broadcasting() as news:
        second = Scenario(
            name="news",
            target=Target(url=news.url, ready="welcome", health="off", reconnect="at once"),
            stages=long,
            messages=Messages(exchange="odin", every=0.1, timeout=5.0, fanout_window=0.3),
            fleet=Fleet(workers=1),
        )
        # Somebody logs in each second: of what ended before Prometheus looked there is no rate.
        growing = [Stage(name="hold", over=1.0, clients=4), Stage(name="grow", over=120.0, clients=124)]
        first = made(chat.url, THRESHOLDS, web.url).model_copy(update={"stages": growing})
        suite = SuiteRun([first, second], probe_first=False)
        of_first = {name for name in DRAWN if re.search("_steps?|_rounds|_sequence|_threshold", name)}
        with watched(suite) as answered:
            ending = asyncio.create_task(suite.run())
            for names in (of_first, DRAWN.keys() - HOSTS.keys() - of_first):
                await asyncio.to_thread(answered, names)
                suite.send(CompletePlan())
            await ending


def converted(run: RunView, stack: ExitStack) -> str:
    """Serve what OTLP sends, with the names that OpenTelemetry's own exporter makes for Prometheus; return where."""
    pytest.importorskip("opentelemetry.exporter.prometheus", reason="opentelemetry-exporter-prometheus is missing")
    from opentelemetry.exporter.prometheus import PrometheusMetricReader

    from wstui.report.live.otlp import metrics_of

    registry = CollectorRegistry(auto_describe=False)
    reader = PrometheusMetricReader(registry=registry)
    reader._collector._callback = lambda: reader._receive_metrics(metrics_of(run.status))  # type: ignore[assignment]
    server, thread = start_http_server(0, "127.0.0.1", registry)
    stack.callback(thread.join)
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return f"127.0.0.1:{server.server_port}"


@needs_prometheus
def test_a_real_prometheus_that_has_a_real_run_answers_every_query(tmp_path: Path) -> None:
    """It scrapes the run, gets it by remote write, and by OTLP as far as names go: Debian's has no receiver of it."""

    @contextmanager
    def watched(run: RunView) -> Iterator[Callable[[Iterable[str]], None]]:
        with ExitStack() as stack:
            endpoint = MetricsEndpoint(run, port=0)
            stack.callback(endpoint.close)
            jobs = {"scraped": urllib.parse.urlsplit(endpoint.url).netloc, "otlp": converted(run, stack)}
            server = stack.enter_context(prometheus(tmp_path, RECEIVE, scrape=jobs))
            wait_until(lambda: bool(server.answer("vector(1)")))
            export = RemoteWrite(run, f"{server.url}/api/v1/write", every_s=0.2)
            export.start()
            stack.callback(export.close, None)
            asked = queries(DRAWN)

            def answered(names: Iterable[str]) -> None:
                for query, job in product(chain.from_iterable(asked[name] for name in names), (*jobs, "wstui")):
                    here = query.replace("$job", job).replace("$__rate_interval", "2m")
                    wait_until(partial(has_figures, server, here))

            yield answered
            by_step = "count by (step) (last_over_time(wstui_step_response_seconds_count[5m]))"
            steps = {found["metric"]["step"] for found in server.answer(by_step)}
            assert steps >= {"auth", "say", "beat", "echo", "token"}

    asyncio.run(carry_out(watched))


def has_figures(server: PrometheusServer, query: str) -> bool:
    """Whether a query has an answer, and is not 0 ÷ 0 where it is about a distribution."""
    found = server.answer(query)
    return bool(found) and all(one["value"][1] not in ("NaN", "+Inf") for one in found)


@needs_prometheus
def test_hosts_and_names_without_suffixes_are_answered_too(tmp_path: Path) -> None:
    hosts = (HostStatus("host1", "ok", 2, 0, 40, 0.5, 3.0, 0.2, 2.5), HostStatus("host2", "slow", 3, 1, 7, 0.9, 60, 4))
    seen = [status(second) for second in range(5, 200)]
    pictures = [replace(each, generator=replace(each.generator, hosts=hosts)) for each in seen]
    named = {metric.name: metric for metric in METRICS if any(metric.samples(pictures[0]))}
    with prometheus(tmp_path, RECEIVE) as server:
        address = f"{server.url}/api/v1/write"
        wait_until(lambda: bool(server.answer("vector(1)")))
        export = RemoteWrite(StandIn(*pictures), address, every_s=0.1)
        export.start()
        for number, picture in enumerate(pictures[:2]):
            plain = {
                (
                    ("__name__", name.replace(metric.exposed, metric.name)),
                    ("job", "plain"),
                    *sorted(labels.items()),
                ): value
                for metric in named.values()
                for name, labels, value in metric.samples(picture)
            }
            body = snappy_block(write_request(plain, time.time_ns() // 1_000_000 - 2000 + number * 1000))
            urllib.request.urlopen(urllib.request.Request(address, body, export._headers, method="POST")).close()
        wait_until(lambda: bool(server.answer("rate(wstui_messages_sent_total[1m])")))
        export.close(None)
        for job, suffixes, metrics in (("wstui", True, HOSTS), ("plain", False, named)):
            for name, asked in queries(metrics, suffixes=suffixes).items():
                assert asked or name in NO_PANEL
                for query in asked:
                    assert server.answer(query.replace("$job", job).replace("$__rate_interval", "2m")), (job, query)
