from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.example import good
from tests.report.test_runs_command import call
from tests.report.test_store import record
from wstui.report.analysis.trend import FEWEST, Point, Trend, change_points, parse_condition, stored_trend
from wstui.report.formats import trend_text
from wstui.report.model.cell_text import width_of
from wstui.report.store.store import Store
from wstui.scenario.errors import BadValue


def points(values: Sequence[float | None]) -> list[Point]:
    return [Point(number, "2025-03-01T12:00", value) for number, value in enumerate(values, 1)]


def noisy(middle: float, count: int, seed: int) -> list[float | None]:
    source = random.Random(seed)
    return [middle * source.lognormvariate(0, 0.05) for _ in range(count)]


def test_a_step_is_found_where_it_is_with_the_medians_beside_it() -> None:
    (change,) = change_points(points(noisy(10, 12, 1) + noisy(13, 9, 2)))
    assert change.run == 13
    assert change.before == pytest.approx(10, rel=0.05) and change.after == pytest.approx(13, rel=0.05)
    assert change.ratio == pytest.approx(0.3, abs=0.06)


def test_several_steps_are_found_and_runs_without_a_figure_are_passed_over() -> None:
    values = [*noisy(10, 10, 1), None, *noisy(20, 10, 2), *noisy(12, 10, 3)]
    assert [change.run for change in change_points(points(values))] == [12, 22]


def test_noise_is_rarely_taken_for_a_change() -> None:
    found = sum(bool(change_points(points(noisy(10, 30, seed)))) for seed in range(40))
    assert found <= 3


@given(st.lists(st.floats(0, 1e6) | st.none(), max_size=14))
def test_a_change_has_enough_runs_on_each_side(values: list[float | None]) -> None:
    measured = [value for value in values if value is not None]
    changes = change_points(points(values))
    assert len(changes) <= len(measured) // FEWEST
    assert all(change.p_value < 0.01 for change in changes)


def trend_of(values: Sequence[float | None], metric: str = "response.p99") -> Trend:
    return Trend.of("quick", metric, points(values))


def test_a_condition_is_about_the_latest_change() -> None:
    worse, then_better = trend_of(noisy(10, 8, 1) + noisy(15, 8, 2)), trend_of(noisy(15, 8, 1) + noisy(10, 8, 2))
    assert parse_condition("change > 10%").matching_change(worse)
    assert parse_condition("change > 10%").matching_change(then_better) is None
    assert parse_condition("change < -10 %").matching_change(then_better)
    assert parse_condition("change > 10%").matching_change(trend_of(noisy(10, 16, 1))) is None


@pytest.mark.parametrize(
    "text", ["", "change", "change > 10", "change >= 10%", "p99 > 10%", "change > ten%", "change > 1e3%", "x\x1b[31m"]
)
def test_what_is_no_condition_is_told_how_one_is_written(text: str) -> None:
    with pytest.raises(BadValue, match="change > 10%"):
        parse_condition(text)


def test_a_share_changes_by_points_and_from_nothing_is_beyond_any_percentage() -> None:
    share = trend_of([0.1] * 8 + [0.3] * 8, "failures.rate")
    assert parse_condition("change > 0.1%").matching_change(share)
    assert not parse_condition("change > 1%").matching_change(share)
    count = trend_of([0.0] * 8 + [3.0] * 8, "messages.timed_out")
    assert parse_condition("change > 900%").matching_change(count)
    assert not parse_condition("change < -5%").matching_change(count)


def test_a_few_more_that_leave_the_median_as_it_was_are_no_change() -> None:
    values: list[float | None] = [*[0.0] * 20, *[0.0, 1.0, 2.0] * 4]
    assert [change for change in change_points(points(values)) if change.before == change.after] == []


def test_levels_are_the_medians_between_changes() -> None:
    trend = trend_of([1.0] * 6 + [None] + [2.0] * 6)
    assert trend.levels == [1.0] * 7 + [2.0] * 6
    assert trend_of([None, None]).levels == [] and trend_of([None, 3.0]).levels == [3.0, 3.0]


def of_run(text: str, run: int) -> str:
    """Return the line of a run, and what is below it up to the next."""
    found = re.search(rf"^ *{run}  .*?(?=^ *{run + 1}  )", text, re.MULTILINE | re.DOTALL)
    assert found
    return " ".join(found[0].split())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store in which `quick` became slower at its eighth run."""
    store = tmp_path / "runs.db"
    record(store, *(good(median_ms=1.2 if number < 7 else 1.8, seed=number) for number in range(14)))
    return store


def test_the_command_shows_the_change_and_fails_for_it(path: Path) -> None:
    output = call(path, "trend", "--metric", "response.p50").output
    marked = of_run(output, 8)
    assert "◆" in marked and "+" in marked
    broken = call(path, "trend", "quick", "--metric", "response.p50", "--fail-if", "change > 20%", status=1)
    assert "changed at run 8" in broken.output
    call(path, "trend", "quick", "--metric", "response.p50", "--fail-if", "change > 90%")


def test_tags_and_notes_are_marked_in_the_console_and_on_the_page(path: Path, tmp_path: Path) -> None:
    with Store(path) as store:
        store.tag(9, "v2")
        with store.transaction() as db:
            event = json.dumps({"at_s": 3.0, "kind": "note", "text": "cache <b>on</b>"})
            db.execute("INSERT INTO events (run, number, event) VALUES (9, 900, ?)", (event,))
    line = of_run(call(path, "trend").output, 9)
    assert "#v2" in line and "¶ cache <b>on</b>" in line
    (point,) = [point for point in json.loads(call(path, "trend", "--json").output)["points"] if point["run"] == 9]
    assert point["tags"] == ["v2"] and point["notes"] == ["cache <b>on</b>"]
    pytest.importorskip("jinja2", reason="the extra `html` is not installed")
    call(path, "trend", "--html", str(tmp_path / "trend.html"))
    page = (tmp_path / "trend.html").read_text()
    assert "#v2  ¶ cache &lt;b&gt;on" in page and "<b>on" not in page


@pytest.mark.parametrize("width", [40, 80, 160])
def test_the_bars_stay_where_marks_are_long(path: Path, width: int) -> None:
    with Store(path) as store:
        found = stored_trend(store, "quick", "response.p50", 50)
    text = trend_text.render(found, width=width, colour=False)
    assert max(map(width_of, text.splitlines())) <= width and text.count("\n  8") == 1
    assert sum("█" in line for line in text.splitlines()) == 14
    assert re.search(r"◆ 1\.\d+ ms → 1\.\d+ ms \(\+.* p = 0\.", of_run(text, 8))


def test_json_and_html_have_every_run(path: Path, tmp_path: Path) -> None:
    document = json.loads(call(path, "trend", "--json", "--last", "12").output)
    assert [point["run"] for point in document["points"]] == list(range(3, 15))
    pytest.importorskip("jinja2", reason="the extra `html` is not installed")
    call(path, "trend", "--html", str(tmp_path / "trend.html"), "--metric", "response.p50")
    page = (tmp_path / "trend.html").read_text()
    assert "◆ at run 8" in page and page.count("</tr>") == 1 + 14


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing"], "no run of 'nothing' is finished; those of quick are"),
        (["\x1b[31m"], r"no run of '\x1b[31m' is finished"),
        (["--metric", "response.p9q"], "response"),
        (["--fail-if", "p99 > 3"], "change > 10%"),
        (["--json", "--html", "-"], "only one of --json and --html"),
        (["--html", "/nowhere/trend.html"], "/nowhere"),
        (["--last", "0"], "--last"),
    ],
)
def test_what_cannot_be_shown_says_why(path: Path, arguments: list[str], told: str) -> None:
    assert told in call(path, "trend", *arguments, status=2).output


@pytest.mark.parametrize("count", [1, 9])
def test_too_few_runs_are_shown_with_how_many_it_takes(tmp_path: Path, count: int) -> None:
    store = tmp_path / "runs.db"
    record(store, *(good(seed=number) for number in range(count)))
    output = call(store, "trend", "--fail-if", "change > 1%").output
    assert "looked for in 10 runs or more" in output and sum("█" in line for line in output.splitlines()) == count


def test_a_metric_that_no_run_measured_says_so(path: Path, tmp_path: Path) -> None:
    assert call(path, "trend", "--metric", "delivery.p99").output.count("n/a") == 14
    pytest.importorskip("jinja2", reason="the extra `html` is not installed")
    call(path, "trend", "--metric", "delivery.p99", "--html", str(tmp_path / "trend.html"))
    assert "No run measured delivery.p99" in (tmp_path / "trend.html").read_text()


def test_an_empty_store_says_so(tmp_path: Path) -> None:
    Store(tmp_path / "runs.db").close()
    assert "no run has been recorded yet" in call(tmp_path / "runs.db", "trend", status=2).output
    assert "nor is any other" in call(tmp_path / "runs.db", "trend", "quick", status=2).output
