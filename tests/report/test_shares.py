"""Success and failures as shares: of what, is the same wherever they are told."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from junitparser import JUnitXml

from tests.report.example import good
from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.result_figures import failure_rate, figure
from wstui.execution.run.window import Window, connections_of
from wstui.measure.format import percent
from wstui.measure.snapshot import Counters, Totals
from wstui.report.analysis import compare
from wstui.report.formats import format_registry
from wstui.report.model import tables
from wstui.report.model.table import Table
from wstui.scenario.threshold import parse_metric
from wstui.tui.runs.run_table import SORTS

COUNTS = Counters(attempted=100, ready=72, refused=6, failed=2, drained=20, dropped=9)
"""80 attempts came to an end of their own, 20 were cut short by us."""
SUCCESS = parse_metric("connect.success")


@pytest.fixture
def result() -> Result:
    return msgspec.structs.replace(good(), connections=connections_of(COUNTS, 10.0))


def first_row(table: Table) -> dict[str, str]:
    return dict(zip([column.title for column in table.columns], table.rows[0].cells, strict=True))


def test_success_is_ready_of_the_attempts_that_came_to_an_end_of_their_own(result: Result) -> None:
    going = msgspec.structs.replace(COUNTS, drained=0, opening=20)
    assert [Window(Totals(counters=counts), 10.0).figure(SUCCESS) for counts in (COUNTS, going)] == [90, 90]
    assert result.connections.success_rate == connections_of(going, 10.0).success_rate == 0.9
    assert figure(result, "connect.success") == 90
    found = compare.compare(result, result).change("connect.success")
    assert found is not None and (found.before, found.after) == (90, 90)
    assert compare._SHARES["connect.success"](result) == (72, 80)


def test_every_report_says_the_same_success(result: Result) -> None:
    (connections,) = (table for table in tables.measured(result) if table.title == "Connections")
    assert first_row(connections)["success"] == "90 %"
    for form in ("text", "markdown", "html"):
        text = format_registry.named(form).render(result)
        assert "90 %" in text and "72 %" not in text, form
    checks = json.loads(format_registry.named("k6").render(result))["metrics"]["checks"]["values"]
    assert checks == {"rate": 0.9, "passes": 72, "fails": 8}
    properties = {
        found.name: found.value
        for suite in JUnitXml.fromstring(format_registry.named("junit").render(result).encode())
        for found in suite.properties()  # type: ignore[no-untyped-call]
    }
    assert properties["success"] == "90 %"
    suite = SuiteResult(name="all", started="", finished="", verdict=result.verdict, runs=[result])
    assert first_row(tables.overview(suite))["success"] == "90 %"


def test_the_list_of_runs_says_the_same_share_of_failures_as_the_dashboard_and_the_reports(result: Result) -> None:
    failures = 6 + 2 + 9 + result.messages.timed_out
    share = failure_rate(result)
    assert share == pytest.approx(failures / (100 + result.messages.sent))
    assert share is not None and figure(result, "failures.rate") == pytest.approx(share * 100)
    run: Any = SimpleNamespace(summary=result)
    assert (SORTS["err %"].by(run), SORTS["err %"].text(run)) == (share, percent(share))
