"""The trend of a preset: opened from the runs, its metrics, its marks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.driving import shown, until
from tests.tui.test_runs_screen import listed
from wstui.report.analysis.trend import Trend
from wstui.tui.result.result_screen import ResultScreen
from wstui.tui.runs.runs_screen import RunsScreen
from wstui.tui.runs.trend_screen import TrendChart, TrendScreen, TrendTable


async def test_the_trend_of_a_run_shows_changes_tags_and_notes_and_opens_a_run(tmp_path: Path) -> None:
    async with listed(tmp_path) as (app, pilot, _, _):
        await pilot.press("T")
        await until(lambda: isinstance(app.screen, TrendScreen) and "1 change" in shown(app), pilot)
        assert "trend of checkout-soak" in shown(app) and "response.p99 ms" in shown(app)
        (changed,) = [line for line in shown(app).splitlines() if "#v1.2" in line]
        assert changed.split()[0] == "15" and "◆" in changed and "¶ cache on" in changed
        await pilot.press("end", *["up"] * 7)
        chart = app.screen.query_one(TrendChart)
        await until(lambda: chart.chosen is not None and chart.chosen.run == 8, pilot)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, TrendScreen), pilot)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, RunsScreen), pilot)


async def test_keys_go_through_metrics_and_any_can_be_typed(tmp_path: Path) -> None:
    async with listed(tmp_path) as (app, pilot, _, _):
        await pilot.press("T")
        await until(lambda: "response.p99 ms" in shown(app), pilot)
        await pilot.press("right")
        await until(lambda: "response.p95 ms" in shown(app), pilot)
        await pilot.press("left", "left")
        await until(lambda: "messages.received_per_second /s" in shown(app), pilot)
        await pilot.press("m", *"response.p9q", "enter")
        await until(lambda: "✗" in shown(app) and "is not a metric" in shown(app), pilot)
        await pilot.press(*["backspace"] * 20, *"connect.p99.9", "enter")
        await until(lambda: "connect.p99.9 ms" in shown(app), pilot)


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (200, 50)])
async def test_a_preset_without_a_finished_run_says_so(size: tuple[int, int], tmp_path: Path) -> None:
    async with listed(tmp_path, size) as (app, pilot, _, _):
        await pilot.press("end", "T")
        await until(lambda: "no finished run yet" in shown(app), pilot)


async def test_a_store_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    async with listed(tmp_path) as (app, pilot, _, kept):

        def broken(preset: str, metric: str) -> Trend:
            raise OSError("the store is busy")

        kept.trend = broken  # type: ignore[method-assign]
        await pilot.press("T")
        await until(lambda: "the store is busy" in shown(app), pilot)
        assert app.screen.query_one(TrendTable).items == []
