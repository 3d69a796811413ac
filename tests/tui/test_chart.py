from __future__ import annotations

import math
import subprocess
import sys
from itertools import pairwise

from tests.tui import fake
from wstui.tui.dashboard.panel import View
from wstui.tui.kit import chart
from wstui.tui.kit.axis import linear_scale, log_scale
from wstui.tui.kit.chart import Curve, Plot, draw
from wstui.tui.kit.row_widget import cells
from wstui.tui.time_series import TimeSeries


def text(lines: list[list[tuple[str, str]]]) -> str:
    return "\n".join("".join(part for part, _ in line) for line in lines)


def test_no_number_ends_the_process_or_breaks_the_frame() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.tui.fuzz_chart", "200", "20"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-1500:]


def test_a_chart_that_fails_is_an_empty_frame_with_a_note(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def broken(*_: object) -> None:
        raise RuntimeError("kernel")

    monkeypatch.setattr(chart, "_draw_curves", broken)
    lines = draw(Plot([Curve([0.0, 1.0], [1.0, 2.0], "p50")], 0, 10), 60, 10)
    assert "this chart cannot be drawn: RuntimeError" in text(lines)
    assert len(lines) == 10 and all(cells(line) == 60 for line in lines)


def test_a_gap_in_the_data_is_a_gap_in_the_curve() -> None:
    xs = [float(i) for i in range(100)]
    ys = [5.0 if i < 30 or i > 60 else math.nan for i in range(100)]
    lines = draw(Plot([Curve(xs, ys, "p50")], 0, 100), 105, 8)
    row = next("".join(part for part, _ in line[1:]) for line in lines if any(m == "p50" for _, m in line))
    drawn = [i for i, char in enumerate(row) if char != " "]
    assert not [i for i in drawn if 33 < i < 57]
    assert [i for i in drawn if i < 28] and [i for i in drawn if i > 64]


def test_labels_of_a_logarithmic_ruler_stand_where_their_values_are() -> None:
    xs = [float(i) for i in range(60)]
    for value in (5.0, 10.0, 20.0, 50.0, 100.0, 200.0):
        lines = draw(Plot([Curve(xs, [3.0] + [value] * 58 + [400.0], "p99")], 0, 60, log=True), 70, 24)
        label = next(y for y, line in enumerate(lines) if line[0][0].rstrip("┤│").strip() == f"{value:g}")
        most = max(range(len(lines)), key=lambda y: sum(len(t) for t, m in lines[y] if m == "p99"))
        assert abs(label - most) <= 1, value


def test_ticks_are_evenly_spaced_and_in_the_middle_of_their_rows() -> None:
    for rows in range(3, 30):
        for high in (0.0007, 0.7, 1.07, 3.0, 42.0, 100.0, 412.0, 12_000.0, 24_200.0, 1e7):
            scale = linear_scale([0.0, high], None, rows, 0.0)
            heights = [scale.height(tick, rows) for tick in scale.ticks]
            assert all(abs(height % 1 - 0.5) < 1e-6 for height in heights), (rows, high)
            assert len({round(b - a) for a, b in pairwise(heights)}) == 1 and len(heights) <= 8
            assert scale.high >= high and scale.height(high, rows) > rows * 0.4


def test_ticks_of_a_logarithmic_ruler_are_less_than_half_a_row_from_their_values() -> None:
    for rows in range(4, 30):
        for low, high in ((4.8, 412.0), (4.8, 250.0), (0.05, 3.0), (50.0, 90.0), (1.0, 10.0), (42.0, 250.0)):
            scale = log_scale([low, high], None, rows)
            heights = [scale.height(tick, rows) for tick in scale.ticks]
            assert all(abs(height % 1 - 0.5) < 0.4 for height in heights), (rows, low, high, scale.ticks)
            assert all(b - a >= 1.5 for a, b in pairwise(heights)) and len(heights) >= 2
            assert scale.low <= low and scale.high >= high
    assert len(log_scale([0.001, 1e7], None, 6).ticks) >= 2  # a microsecond next to three hours


def test_a_chart_of_a_few_rows_is_drawn_whatever_its_values_are() -> None:
    for height in range(3, 8):
        for ys in ([1.0, 2.0, 30.0], [7.29, 21.3, 29.4], [0.0, 0.0, 0.0], [5.0, 5.0, 5.0], [1e-3, 1e6, 3.0]):
            for log in (False, True):
                plot = Plot([Curve([1.0, 2.0, 3.0], ys, "p50")], log=log, limit=50.0, marks=[(2.0, "hold")], named=True)
                assert "cannot be drawn" not in text(draw(plot, 78, height)), (height, ys, log)


def test_the_name_of_a_mark_without_room_to_its_right_points_at_it() -> None:
    xs = [0.0, 90.0, 100.0]
    plot = Plot([Curve(xs, [0.0, 10.0, 0.0], "p50")], 0, 100, marks=[(90.0, "cooldown")], named=True)
    assert "cooldown →┊" in text(draw(plot, 60, 12))


def test_the_limit_is_drawn_at_its_height_and_marks_cross_it() -> None:
    xs = [float(i) for i in range(60)]
    lines = draw(Plot([Curve(xs, [10.0] * 60, "p50")], 0, 60, True, 100.0, [(30.0, "hold")]), 66, 12)
    limit = [line for line in lines if any(m == "limit" for _, m in line)]
    assert len(limit) == 1
    assert "┼" in text(limit) and "┊" in text(lines)


def test_curves_have_the_meanings_they_were_given() -> None:
    xs = [float(i) for i in range(60)]
    curves = [Curve(xs, [float(n * 20)] * 60, m) for n, m in enumerate(("p50", "p95", "p99"), 1)]
    meanings = [m for line in draw(Plot(curves, 0, 60), 66, 16) for _, m in line]
    order = list(dict.fromkeys(m for m in meanings if m.startswith("p")))
    assert order == ["p99", "p95", "p50"]


def test_curves_that_lie_on_each_other_take_turns() -> None:
    xs = [float(i) for i in range(60)]
    curves = [Curve(xs, [value] * 60, meaning) for value, meaning in ((20.0, "p99"), (19.9, "p95"), (2.0, "p50"))]
    drawn = [
        meaning for line in draw(Plot(curves, 0, 60), 66, 12) for text, meaning in line for _ in text
        if meaning in ("p99", "p95")
    ]  # fmt: skip
    assert min(drawn.count("p99"), drawn.count("p95")) > 20
    assert drawn[:8] == ["p99", "p99", "p95", "p95"] * 2


def test_the_history_keeps_every_spike_of_a_long_run() -> None:
    history = TimeSeries()
    rows = fake.rows(20_000)
    history.feed(rows)
    xs, ys = history.curve("response_p99_ms", 0.0, 150)
    assert len(xs) == len(ys) <= 600
    spike = max(row.response_p99_ms or 0 for row in rows)
    assert max(ys) == spike
    assert max(history.highs("response_p99_ms")) == spike
    assert len(history.highs("response_p99_ms")) <= 1024


def test_the_history_fed_piece_by_piece_is_the_history_fed_at_once() -> None:
    rows = fake.rows(3000)
    piecewise, whole = TimeSeries(), TimeSeries()
    for end in range(0, 3001, 7):
        piecewise.feed(rows[:end])
        piecewise.curve("open", 0.0, 40)
        piecewise.highs("sent_per_s")
    piecewise.feed(rows)
    whole.feed(rows)
    for name in ("open", "sent_per_s", "response_p50_ms"):
        assert piecewise.curve(name, 0.0, 40) == whole.curve(name, 0.0, 40)
        assert piecewise.highs(name) == whole.highs(name)


def test_the_history_of_the_next_run_starts_anew() -> None:
    history = TimeSeries()
    history.feed(fake.rows(100), "first")
    history.feed(fake.rows(120), "second")
    assert len(history) == 120 and history.column("open") == [float(row.open) for row in fake.rows(120)]
    history.feed(fake.rows(3), "second")
    assert len(history) == 3


def test_a_window_shows_its_last_minutes() -> None:
    view = View()
    assert view.span(252.0, 780.0)[0] == 0.0
    assert view.next_window() == "last 1 min"
    start, end = view.span(252.0, 780.0)
    assert end - start == 60.0 and start <= 252.0 <= end
    assert [view.next_window() for _ in range(3)] == ["last 5 min", "last 15 min", "whole run"]


def test_a_short_plan_fills_the_chart() -> None:
    assert View().span(3.0, 40.0) == (0.0, 40.0)
    assert View().span(0.0, 0.0) == (0.0, 60.0)


def test_a_load_without_named_stages_is_drawn_all_the_same() -> None:
    lines = draw(Plot([Curve([0.0, 10.0], [0.0, 100.0], "p50")], 0, 10, named=True), 60, 8)
    assert "cannot be drawn" not in text(lines)
    assert any(meaning == "p50" for line in lines for _, meaning in line)
