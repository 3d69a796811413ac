"""The steps, logins, deliveries and numbers of one run, read back from every output: all of them say the same."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from junitparser import JUnitXml
from prometheus_client import CollectorRegistry

from tests.report.test_step_figures import Ended, Stamping, ended
from tests.tui.driving import running, until
from wstui.control.condition import WaitCondition
from wstui.execution.run.metrics import family_of, steps_of
from wstui.execution.run.result import Result
from wstui.execution.run.result_figures import figure
from wstui.execution.run.role_sections import StepSummary
from wstui.execution.run.run import Run
from wstui.measure import format
from wstui.measure.format import NONE
from wstui.measure.timeline import step_columns
from wstui.report.analysis.compare import compare
from wstui.report.formats import format_registry
from wstui.report.formats.console import summary
from wstui.report.live.event_stream import EventStream
from wstui.report.live.prometheus import RunCollector
from wstui.report.model.part_tables import STEP_COLUMNS, step_row
from wstui.scenario.threshold import parse_metric
from wstui.tui.dashboard.steps_panel import StepsPanel

__all__ = ["ended"]
Found = tuple[str, ...]
TITLES = [column.title for column in STEP_COLUMNS]


def told(step: StepSummary) -> Found:
    """Role, name, and what a person reads of a step: done, lost, late, failed, p50 and p99."""
    cells = dict(zip(TITLES, step_row(step).cells, strict=True))
    return tuple(cells[title] for title in ("role", "step", "count", "lost", "late", "failed", "p50", "p99"))


def in_table(rows: list[list[str]]) -> set[Found]:
    """The same, of the rows of a table under its titles."""
    at = [TITLES.index(title) for title in ("role", "step", "count", "lost", "late", "failed", "p50", "p99")]
    return {tuple(row[index] for index in at) for row in rows if len(row) == len(TITLES) and row[2][:1].isdigit()}


def of_text(run: Run, result: Result) -> set[Found]:
    part = summary(result, width=250).partition("Steps, ms")[2].partition("\n\n")[0]
    return in_table([re.split(r"  +", line.strip()) for line in part.split("\n")])


def of_markdown(run: Run, result: Result) -> set[Found]:
    text = format_registry.named("markdown").render(result)
    return in_table([[cell.strip() for cell in line.split("|")[1:-1]] for line in text.split("\n")])


def of_html(run: Run, result: Result) -> set[Found]:
    text = format_registry.named("html").render(result)
    rows = [re.findall(r"<td.*?</td>", row) for row in re.findall(r"<tr[^>]*>(.*?)</tr>", text, re.DOTALL)]
    return in_table([[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in rows])


def of_json(run: Run, result: Result) -> set[Found]:
    return {told(msgspec.convert(step, StepSummary)) for step in json.loads(result.to_json())["steps"]}


def of_events(run: Run, result: Result) -> set[Found]:
    out = io.StringIO()
    stream = EventStream(Ended(run.status), out, every_s=0.01)
    stream.start()
    stream.close(result)
    (end,) = [event for line in out.getvalue().splitlines() if (event := json.loads(line))["event"] == "end"]
    return {told(msgspec.convert(step, StepSummary)) for step in end["steps"]}


@pytest.mark.parametrize("read", [of_text, of_markdown, of_html, of_json, of_events])
def test_what_people_read_has_the_same_figures_of_each_step(
    ended: tuple[Run, Result, Stamping], read: Callable[[Run, Result], set[Found]]
) -> None:
    run, result, _ = ended
    rows = {told(step) for step in result.steps if not step.kind == step.name == "login"}
    if read in (of_json, of_events):
        rows = {told(step) for step in result.steps}
    found = read(run, result)
    if read is of_text:  # an empty role leaves no cell
        rows, found = ({row for row in each if row[0]} for each in (rows, found))
    assert found == rows and len(rows) >= 5


def test_metrics_have_the_same_figures_of_each_step(ended: tuple[Run, Result, Stamping]) -> None:
    run, result, _ = ended
    registered = CollectorRegistry()
    registered.register(RunCollector(run))
    series = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in registered.collect()
        for sample in family.samples
    }
    judged = {outcome.metric: outcome.value for outcome in result.verdict.thresholds}
    properties = {
        found.name: found.value
        for suite in JUnitXml.fromstring(format_registry.named("junit").render(result).encode())
        for found in suite.properties()  # type: ignore[no-untyped-call]
    }
    trends = json.loads(format_registry.named("k6").render(result))["metrics"]
    changes = {change.metric: change.before for change in compare(result, result).changes}
    assert len({(step.role, step.name) for step in result.steps}) == len(result.steps)
    for step in result.steps:
        labels = [("kind", step.kind), ("role", step.role), ("step", step.name)]
        for outcome in ("done", "lost", "late", "failed", "abandoned", "duplicates"):
            key = ("wstui_steps_total", *sorted([*labels, ("outcome", outcome)]))
            assert series[key] == getattr(step, outcome), key
        p99 = series[("wstui_step_response_quantile_seconds", *sorted([*labels, ("quantile", "0.99")]))]
        assert p99 * 1000 == pytest.approx(step.response_ms.p99)
        assert series[("wstui_step_response_seconds_count", *labels)] == step.response_ms.count
        family = family_of(step)
        role = f" ({step.role})" if step.role else ""
        assert properties[f"{family}.p99{role}"] == format.milliseconds(step.response_ms.p99)
        assert properties[f"{family}.lost{role}"] == str(step.lost)
        tags = [f"{name}:{value}" for name, value in (("role", step.role), ("step", step.name)) if value]
        name = ",".join([*tags, *([] if step.kind == "step" else [f"kind:{step.kind}"])])
        assert trends[f"wstui_step{{{name}}}"]["values"]["p(99)"] == pytest.approx(step.response_ms.p99)
        for statistic in ("p50", "p99", "lost"):
            metric = f"{family}.{statistic}"
            assert changes[metric] == figure(result, metric)
            assert judged.get(metric) in (None, pytest.approx(changes[metric], rel=0.01)), metric
        rows = steps_of(parse_metric(f"{family}.count").family, result.steps)
        assert step in rows and figure(result, f"{family}.count") == sum(row.done for row in rows)


def test_opentelemetry_has_the_same_figures_of_each_step(ended: tuple[Run, Result, Stamping]) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra `otlp` is not installed")
    from wstui.report.live.otlp import metrics_of

    run, result, _ = ended
    (resource,) = metrics_of(run.status).resource_metrics
    found: dict[str, Any] = {metric.name: metric.data.data_points for metric in resource.scope_metrics[0].metrics}
    counted = {
        (labels["role"], labels["step"], labels["outcome"]): point.value
        for point in found["wstui_steps"]
        if (labels := point.attributes)
    }
    measured = {(p.attributes["role"], p.attributes["step"]): p.count for p in found["wstui_step_response"]}
    for step in result.steps:
        for outcome in ("done", "lost", "late", "failed"):
            assert counted[step.role, step.name, outcome] == getattr(step, outcome)
        assert measured[step.role, step.name] == step.response_ms.count


@pytest.mark.parametrize("name", ["csv", "influx"])
def test_the_seconds_add_up_to_the_figures_of_each_step(ended: tuple[Run, Result, Stamping], name: str) -> None:
    _, result, _ = ended
    text = format_registry.named(name).render(result)
    if name == "csv":
        rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(io.StringIO(text))]
    else:
        rows = [dict(pair.split("=") for pair in line.split(" ")[1].split(",")) for line in text.splitlines()]
    times = [0.0, *(float(row["at_s"]) for row in rows)]
    for step in result.steps:
        rate, lost, _, p99 = step_columns(step.role, step.name)
        seconds = zip(rows, times, times[1:], strict=False)
        done = sum(float(row.get(rate, 0)) * (end - begin) for row, begin, end in seconds)
        # The last part of a second has no row; a step of it is at most what all clients do in that time.
        assert 0.55 * step.done - 4 <= done <= 1.15 * step.done + 2, (step.name, done, step.done)
        assert sum(float(row.get(lost, 0)) for row in rows) <= step.lost
        assert any(p99 in row for row in rows)
    assert not [key for key in rows[0] if ".." in key]


async def test_the_dashboard_has_the_same_figures_of_each_step(ended: tuple[Run, Result, Stamping]) -> None:
    run, result, _ = ended
    async with running(run.status, size=(200, 50)) as (app, pilot, _):
        await until(lambda: bool(app.screen.query_one(StepsPanel).items), pilot)
        lines = [line for line in app.screen.query_one(StepsPanel).items if line.step is not None]
    assert {line.key for line in lines} == {(step.role, step.name) for step in result.steps}
    for line in lines:
        assert line.step is not None
        cells = dict(zip(TITLES, step_row(line.step).cells, strict=True))
        wanted = [cells[title] for title in TITLES if title not in ("role", "per second")]
        there = [cell.strip() for cell in line.cells]
        assert there[:2] + there[3:] == wanted and there[2] != NONE


@pytest.mark.parametrize("metric", ["step.say.count", "login.count", "login.token.count", "delivery.echo.count"])
def test_a_condition_on_the_last_seconds_counts_steps_of_those_seconds(
    ended: tuple[Run, Result, Stamping], metric: str
) -> None:
    run, result, _ = ended
    condition = WaitCondition(f"{metric} > 0", window_s=2.0)
    assert condition.is_met(replace(run.status, elapsed_s=1.0)) and condition.value == figure(result, metric)
    assert not condition.is_met(replace(run.status, elapsed_s=60.0)), "nothing more was done since"
