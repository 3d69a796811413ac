"""The figures of steps and roles, everywhere a figure is: of one real run against a chat server that counts itself."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from junitparser import JUnitXml
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from tests.conversations.chat import Chat
from tests.servers.web import Web
from wstui.execution.run.result import Result
from wstui.execution.run.result_figures import distribution_in, figure
from wstui.execution.run.run import Run
from wstui.execution.run.status import Status
from wstui.execution.search.breakpoint_search import BreakpointRun
from wstui.report.analysis.compare import compare
from wstui.report.formats import format_registry, result_schema
from wstui.report.formats.compare_text import render
from wstui.report.formats.console import summary
from wstui.report.formats.html_charts import charts
from wstui.report.live.event_stream import EventStream
from wstui.report.live.prometheus import RunCollector
from wstui.scenario.checks import check, warnings
from wstui.scenario.errors import ScenarioError
from wstui.scenario.file import load, loads
from wstui.scenario.model import Scenario
from wstui.tui.editor.draft import Draft
from wstui.tui.editor.draft_reader import read

LOST_SAY = 3
FILE = """
name = "chat"
[target]
url = "URL"
settle = "20ms"
close_timeout = "2s"
[[stages]]
name = "hold"
over = "2200ms"
clients = 4
[messages]
every = "100ms"
timeout = "1s"
[[roles]]
name = "member"
weight = 1
open = [{ name = "auth", json = { type = "auth", token = "good" }, expect = { type = "auth_ok" } }]
loop = [{ name = "say", json = { type = "say", seq = "{{seq}}" }, expect = { type = "said", seq = "{{seq}}" } }]
[[roles.heartbeats]]
name = "beat"
every = "200ms"
json = { type = "beat" }
expect = { type = "beat_ok" }
[[login]]
name = "token"
post = "WEB/login"
json = { user = "u" }
[[roles]]
name = "guest"
clients = 1
loop = [{ name = "say", json = { type = "say", seq = "{{seq}}" }, expect = { type = "said", seq = "{{seq}}" } }]
[roles.delivery]
name = "echo"
of = { type = "said" }
stamp = "at"
[roles.sequence]
of = { type = "said" }
number = "number"
[fleet]
workers = 1
"""
THRESHOLDS = """
[[thresholds]]
metric = "step.say.p99"
limit = "< 5s"
[[thresholds]]
metric = "step.say.lost"
limit = "== 0"
[[thresholds]]
metric = "step.say.late"
limit = "== 0"
[[thresholds]]
metric = "step.auth.rate"
limit = "> 0/s"
[[thresholds]]
metric = "step.say.failed"
limit = "== 0"
[[thresholds]]
metric = "delivery.echo.p99"
limit = "< 60s"
[[thresholds]]
metric = "login.p95"
limit = "< 60s"
[[thresholds]]
metric = "login.token.failed"
limit = "<= 0"
[[thresholds]]
metric = "sequence.gaps"
limit = "<= 0"
"""


class Stamping(Chat):
    """Loses one message, stamps and numbers its answers to a client, and leaves out the number 3."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.numbers: Counter[int] = Counter()

    def say(self, client: Any, **document: Any) -> None:
        self.numbers[client.number] += 1 + (self.numbers[client.number] == 2)
        super().say(client, **document, at=time.time_ns() // 1_000_000, number=self.numbers[client.number])


def made(url: str, more: str = "", web: str = "http://127.0.0.1:1") -> Scenario:
    """The scenario, as the file would be loaded and checked."""
    found = loads(FILE.replace("URL", url).replace("WEB", web) + more, "chat.toml", {})
    assert isinstance(found, Scenario)
    return check(found)


@pytest.fixture(scope="module")
def ended() -> tuple[Run, Result, Stamping]:
    async def one() -> tuple[Run, Result, Stamping]:
        async with Web() as web, Stamping(lose=frozenset({LOST_SAY})) as server:
            run = Run(made(server.url, THRESHOLDS, web.url))
            return run, await run.execute(), server

    return asyncio.run(one())


@pytest.fixture
def result(ended: tuple[Run, Result, Stamping]) -> Result:
    return ended[1]


def test_thresholds_judge_steps_over_all_roles(ended: tuple[Run, Result, Stamping]) -> None:
    _, result, server = ended
    outcomes = {outcome.metric: outcome for outcome in result.verdict.thresholds}
    assert outcomes["step.say.lost"].value == 1 and outcomes["step.say.lost"].passed is False
    assert {metric for metric, outcome in outcomes.items() if not outcome.passed} == {"step.say.lost", "sequence.gaps"}
    assert outcomes["sequence.gaps"].value == 1 and outcomes["login.token.failed"].value == 0
    assert 0 < (outcomes["login.p95"].value or 0) < 60_000
    says = {step.role: step for step in result.steps if step.name == "say"}
    assert says.keys() == {"member", "guest"}
    assert sum(step.begun for step in says.values()) == server.kinds()["say"]
    assert outcomes["step.say.p99"].value == pytest.approx(figure(result, "step.say.p99"), rel=0.01)


def test_a_result_computes_the_figures_of_a_step_from_all_its_roles(result: Result) -> None:
    data = distribution_in(result, "step.say")
    assert data is not None and data.count == sum(s.response_ms.count for s in result.steps if s.name == "say")
    assert figure(result, "step.say.p50") == pytest.approx((data.quantile(0.5) or 0) / 1e6)
    assert figure(result, "step.say.lost") == 1
    assert figure(result, "step.say.p97.5") is not None
    assert figure(result, "delivery.p99") == figure(result, "delivery.echo.p99") is not None
    assert figure(result, "delivery.echo.count") == next(s.done for s in result.steps if s.kind == "delivery")
    assert figure(result, "step.nothing.p99") is None and figure(result, "step.nothing.lost") is None


def test_the_timeline_follows_each_step(result: Result) -> None:
    jsonschema.Draft202012Validator(json.loads(result_schema.text())).validate(json.loads(result.to_json()))
    rows = result.timeline
    done = sum(row.get("step.member.say.per_s", 0) for row in rows)
    step = next(s for s in result.steps if (s.role, s.name) == ("member", "say"))
    assert 0 < done <= step.done + 1 and sum(row.get("step.member.say.lost", 0) for row in rows) <= 1
    assert any(row.get("step.member.say.p99_ms") for row in rows)
    table = list(csv.DictReader(io.StringIO(format_registry.named("csv").render(result))))
    assert "step.guest.say.p99_ms" in table[0] and float(table[1]["step.member.say.per_s"]) > 0


@pytest.mark.parametrize("name", ["text", "markdown", "html"])
def test_every_report_has_a_row_for_each_step_and_role(result: Result, name: str) -> None:
    text = format_registry.named(name).render(result)
    for words in ("Steps, ms", "auth", "say", "beat (heartbeat)", "echo (delivery)", "guest", "cut short"):
        assert words in text, words


def test_the_console_shows_a_step_with_its_count_latencies_and_what_was_lost(result: Result) -> None:
    head, row = (
        next(line for line in summary(result, width=200).splitlines() if line.strip().startswith(words))
        for words in ("step ", "say ")
    )
    names = re.split(r"  +", head.strip())
    assert names == [
        "step", "role", "count", "per second", "p50", "p95", "p99", "max", "round trip p50", "round trip p99", "lost",
        "late", "failed", "abandoned", "duplicates",
    ]  # fmt: skip
    step = next(s for s in result.steps if s.name == "say")
    cells = dict(zip(names, re.split(r"  +", row.strip()), strict=True))
    assert cells["role"] == step.role and cells["count"] == str(step.done) and cells["lost"] == str(step.lost)
    assert all("step " in line for line in summary(result, width=80).splitlines() if line.startswith("  step"))


def test_html_draws_the_steps_of_each_role(result: Result) -> None:
    drawn = {chart.title: [line["name"] for line in chart.lines] for chart in charts(result)}
    assert drawn["Steps of member"] == ["auth", "say", "beat"] and drawn["Steps of guest"] == ["say", "echo"]
    assert drawn["Logins"] == ["login", "token"]


def test_junit_has_thresholds_of_steps_as_cases(result: Result) -> None:
    (suite,) = JUnitXml.fromstring(format_registry.named("junit").render(result).encode())
    failed = [case.name for case in suite if case.result and case.result[0]._tag == "failure"]
    assert failed == ["step.say.lost == 0", "sequence.gaps ≤ 0"]
    assert {"step.say.p99 (member)", "step.say.lost (guest)"} <= {found.name for found in suite.properties()}  # type: ignore[no-untyped-call]


def test_prometheus_labels_steps_by_role(ended: tuple[Run, Result, Stamping]) -> None:
    run, result, _ = ended
    registered = CollectorRegistry()
    registered.register(RunCollector(run))
    text = generate_latest(registered).decode()
    step = next(s for s in result.steps if (s.role, s.name) == ("member", "say"))
    assert f'wstui_steps_total{{kind="step",outcome="done",role="member",step="say"}} {float(step.done)}' in text
    assert 'wstui_step_response_seconds_bucket{kind="delivery",le="+Inf",role="guest",step="echo"}' in text
    assert 'wstui_step_response_quantile_seconds{kind="heartbeat",quantile="0.99",role="member",step="beat"}' in text
    completed = next(role.completed for role in result.roles if role.name == "guest")
    assert f'wstui_rounds_total{{outcome="completed",role="guest"}} {float(completed)}' in text


def test_opentelemetry_has_the_same(ended: tuple[Run, Result, Stamping]) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra `otlp` is not installed")
    from wstui.report.live.otlp import metrics_of

    run, result, _ = ended
    (resource,) = metrics_of(run.status).resource_metrics
    found = {metric.name: metric.data.data_points for metric in resource.scope_metrics[0].metrics}
    (point,) = [p for p in found["wstui_step_response"] if dict(p.attributes or {}).get("step") == "echo"]
    assert point.count == next(s.response_ms.count for s in result.steps if s.name == "echo")  # type: ignore[union-attr]
    assert any(dict(p.attributes or {}).get("outcome") == "lost" for p in found["wstui_steps"])


class Ended:
    """A run that has ended, for what follows it."""

    def __init__(self, status: Status) -> None:
        self.status = status


def test_events_tell_steps_each_second_and_at_the_end(ended: tuple[Run, Result, Stamping]) -> None:
    run, result, _ = ended
    out = io.StringIO()
    stream = EventStream(Ended(run.status), out, every_s=0.01)
    stream.start()
    stream.close(result)
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert any(event.get("step.member.say.p99_ms") for event in events if event["event"] == "row")
    (end,) = [event for event in events if event["event"] == "end"]
    assert [step["name"] for step in end["steps"]] == [step.name for step in result.steps]
    assert end["roles"][0]["name"] == "member"


def rows_of(result: Result) -> Iterator[str]:
    yield from (change.metric for change in compare(result, result).changes)


def test_a_comparison_has_rows_for_steps_and_names_those_that_only_one_run_has(result: Result) -> None:
    assert {"step.say.p50", "step.say.p99", "step.say.lost", "delivery.echo.p99", "login.p99"} <= set(rows_of(result))
    other = msgspec.structs.replace(result, steps=[step for step in result.steps if step.name != "auth"])
    told = compare(result, other)
    assert "only the first run has the step auth" in told.warnings
    change = told.change("step.auth.p99")
    assert change is not None and change.before is not None and change.after is None
    assert "step.auth.p99" in render(told)


async def test_a_search_stops_at_a_condition_on_a_step() -> None:
    class SlowWhenBusy(Chat):
        """Answers the later the more messages it gets a second."""

        async def other(self, client: Any, first: int, payload: bytes) -> None:
            if json.loads(payload)["type"] == "say" and len(self.live) > 6:
                self.delay_s = {self.says + 1: 0.12}
            await super().other(client, first, payload)

    more = """
[[thresholds]]
metric = "step.say.p95"
limit = "< 60ms"
[breakpoint]
of = "clients"
start = 4
most = 16
factor = 2.0
ramp = "200ms"
settle = "200ms"
measure = "700ms"
"""
    head, _, tail = FILE.partition("[[stages]]")
    text = head + "[messages]" + tail.partition("[messages]")[2] + more
    async with Web() as web, SlowWhenBusy() as server:
        found = loads(text.replace("URL", server.url).replace("WEB", web.url), "", {})
        assert isinstance(found, Scenario)
        result = await BreakpointRun(check(found)).execute()
    assert result.breakpoint is not None and result.breakpoint.broken_on == "step.say.p95"
    assert (result.breakpoint.low, result.breakpoint.high) == (4, 8) or (result.breakpoint.low or 0) < 8


@pytest.mark.parametrize(
    "name", ["text", "markdown", "html", "json", "csv", "junit", "prometheus", "opentelemetry", "events", "compare"]
)
def test_logins_deliveries_and_gaps_in_numbers_are_in_every_output(
    ended: tuple[Run, Result, Stamping], name: str
) -> None:
    run, result, _ = ended
    words = {
        "text": ("Logins", "token", "echo (delivery)", "Numbered messages"),
        "markdown": ("Logins", "token", "echo (delivery)", "Numbered messages"),
        "html": ("Logins", "token", "echo (delivery)", "Numbered messages"),
        "json": ('"login"', '"sequence"', '"gaps": 1', '"kind": "delivery"'),
        "csv": ("login.token.p99_ms", "login.p99_ms", "step.guest.echo.p99_ms"),
        "junit": ("sequence.gaps ≤ 0", "login.p95", "delivery.echo.p99", "login.token.p99"),
        "prometheus": (
            'wstui_sequence_total{finding="gaps"} 1.0',
            'wstui_steps_total{kind="login",outcome="done",role="",step="token"} 4.0',
            'wstui_threshold_kept{limit="<= 0",metric="sequence.gaps",stage=""} 0.0',
        ),
        "opentelemetry": ("wstui_sequence", "token", "echo", "sequence.gaps"),
        "events": ('"sequence": {', '"login": {', '"login.token.p99_ms"', '"metric": "delivery.echo.p99"'),
        "compare": ("sequence.gaps", "login.token.p99", "delivery.echo.p99"),
    }[name]
    text = _output(name, run, result)
    for word in words:
        assert word in text, (name, word)


def _output(name: str, run: Run, result: Result) -> str:
    if name == "prometheus":
        registered = CollectorRegistry()
        registered.register(RunCollector(run))
        return generate_latest(registered).decode()
    if name == "opentelemetry":
        pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra `otlp` is not installed")
        from wstui.report.live.otlp import metrics_of

        return str(metrics_of(run.status))
    if name == "events":
        out = io.StringIO()
        stream = EventStream(Ended(run.status), out, every_s=0.01)
        stream.start()
        stream.close(result)
        return "\n".join(json.dumps(json.loads(line)) for line in out.getvalue().splitlines())
    return render(compare(result, result)) if name == "compare" else format_registry.named(name).render(result)


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("step.sya.p99", 'names no step of a role; did you mean "step.say.p99"?'),
        ("step.zzzz.p99", 'names no step of a role: there are "auth", "say", "beat", "echo"'),
        ("step.token.p99", 'names no step of a role: there are "auth", "say", "beat", "echo"'),
        ("delivery.ecco.p99", 'names no delivery of a role; did you mean "delivery.echo.p99"?'),
        ("step.say.p99x", 'did you mean "step.say.p99"?'),
        ("step.say", 'did you mean "step.say.p99"?'),
        ("delivery.echo.lots", 'did you mean "delivery.echo.'),
    ],
)
def test_a_threshold_on_an_unknown_step_proposes_one(metric: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=re.escape(words)):
        made("ws://127.0.0.1:1/", f'[[thresholds]]\nmetric = "{metric}"\nlimit = "< 20ms"')


def test_a_threshold_on_numbers_that_no_role_follows_is_warned_about() -> None:
    text = FILE.partition("[roles.sequence]")[0] + '[[thresholds]]\nmetric = "sequence.gaps"\nlimit = "== 0"'
    found = loads(text.replace("URL", "ws://127.0.0.1:1/").replace("WEB", "http://127.0.0.1:1"))
    assert isinstance(found, Scenario)
    assert "sequence.gaps is never measured: it takes sequence in a role." in warnings(found)


def test_a_threshold_may_name_a_step_of_a_script(tmp_path: Path) -> None:
    script = tmp_path / "chat.py"
    text = """import wstui
scenario = {"target": {"url": "ws://127.0.0.1:1/"}, "load": {"clients": 1, "ramp": "1s", "hold": "1s"},
            "thresholds": [{"metric": "step.say.p99", "limit": "< 1s"}]}
@wstui.role()
async def member(client):
    client.ready()
    async for _ in client.rounds():
        async with client.step("say"):
            await client.send_json({"type": "say"})
"""
    script.write_text(text)
    found = load(script)
    assert isinstance(found, Scenario) and read(Draft(found)).content == found
    script.write_text(text.replace("step.say", "step.sya"))
    with pytest.raises(ScenarioError, match="did you mean"):
        load(script)
