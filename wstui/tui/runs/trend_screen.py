"""A metric over the runs of a preset: its line, where it changed, tags and notes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from wstui.measure.format import limit_figure, moment
from wstui.report.formats.trend_text import change_words, remarks
from wstui.report.model.cell_text import clip, pad
from wstui.scenario.threshold import parse_metric
from wstui.tui import requests
from wstui.tui.bindings import key
from wstui.tui.dialogs.dialog import DialogField, Form
from wstui.tui.kit import chart
from wstui.tui.kit.axis import Across, load_steps
from wstui.tui.kit.compact_view import CompactView
from wstui.tui.kit.key_row import KeyRow
from wstui.tui.kit.list_table import ListTable
from wstui.tui.kit.row_widget import Line, RowWidget, rule, spread
from wstui.tui.kit.title_bar import TitleBar
from wstui.tui.services import Runs, Services

if TYPE_CHECKING:
    from wstui.report.analysis.trend import Point, Trend

METRICS = (
    "response.p99", "response.p95", "response.p50", "round_trip.p99", "connect.p95", "connect.success",
    "failures.rate", "messages.received_per_second",
)  # fmt: skip
"""Those that a key goes through; any other can be typed."""
_MARKS = (("◆", "strong-warn"), ("#", "accent"), ("¶", "accent"))


class TrendChart(RowWidget):
    """The metric from run to run; the run under the cursor is marked."""

    trend: Trend | None = None
    chosen: Point | None = None

    def paint(self, width: int, height: int) -> list[Line]:
        trend = self.trend
        if trend is None:
            return [rule([("trend", "text")], width)]
        points = trend.points
        title: Line = [
            (f"{trend.metric} {trend.unit}".strip(), "text"),
            ("  ◆ change  # tag  ¶ note  ● selected", "muted"),
        ]
        values = [math.nan if point.value is None else point.value for point in points]
        spots, marks = [], []
        for at, (point, value) in enumerate(zip(points, values, strict=True)):
            found = {mark[0] for mark in remarks(point, trend)}
            spots += [chart.Spot(at, value, sign, meaning) for sign, meaning in reversed(_MARKS) if sign in found]
            if point == self.chosen:
                spots.append(chart.Spot(at, value, "●", "strong"))
            if change := trend.change_at(point):
                marks.append((float(at), change_words(change, trend.unit)))
        plot = chart.Plot(
            [chart.Curve([float(at) for at in range(len(points))], values, "p99")],
            0.0,
            max(1.0, len(points) - 1.0),
            marks=marks,
            note="no run measured it",
            spots=spots,
            across=Across(load_steps, lambda at: str(points[round(at)].run) if round(at) < len(points) else ""),
            named=True,
        )
        return [rule(title, width), *chart.draw(plot, width - 1, height - 1)]


class TrendTable(ListTable["Point"]):
    """The runs, the newest first."""

    trend: Trend | None = None

    def head(self, width: int) -> Line:
        changes = len(self.trend.changes) if self.trend is not None else 0
        return [(f"runs  {changes} change{'' if changes == 1 else 's'}", "text")]

    def names(self, width: int) -> Line:
        metric = self.trend.metric if self.trend is not None else ""
        return [(f"  {'run':>5} {pad('when', 13)}{pad(metric, 16, right=True)}  change, tags, notes", "muted")]

    def row(self, item: Point, width: int, *, selected: bool) -> Line:
        assert self.trend is not None
        ground = "@cursor" if selected else ""
        figure = pad(limit_figure(item.value, self.trend.unit), 16, right=True)
        marks = clip("  ".join(remarks(item, self.trend)), max(0, width - 40))
        changed = "warn" if marks.startswith("◆") else "text"
        left: Line = [
            (f"{'›' if selected else ' '} {item.run:>5} {pad(moment(item.started), 13)}", f"muted{ground}"),
            (figure, f"text{ground}"),
            (f"  {marks}", f"{changed}{ground}"),
        ]
        return spread(left, [], width, (" ", f"text{ground}"))

    def empty(self) -> str:
        return "no finished run yet" if self.trend is not None else "reading the runs …"

    def key_of(self, item: Point) -> int:
        return item.run

    def compact(self, width: int) -> list[Line]:
        """The metric, the last change and the run under the cursor."""
        trend, point = self.trend, self.selected
        if trend is None or point is None:
            return [[("trend  ", "strong-accent"), (self.empty(), "muted")]]
        lines: list[Line] = [[("trend  ", "strong-accent"), (trend.metric, "text")]]
        lines.append([(f"› {point.run}  ", "strong-accent"), (limit_figure(point.value, trend.unit), "strong")])
        return [*lines, *([(mark, "text")] for mark in remarks(point, trend))]


class TrendScreen(Screen[None]):
    manual_topic = "runs"
    AUTO_FOCUS = "TrendTable"
    BINDINGS: ClassVar[list[BindingType]] = [
        key("escape", "back", "Back", "trend.back", "Back to the runs", shown=True),
        key("right,l", "step(1)", "Next metric", "trend.next", "The next of the common metrics", shown=True),
        key("left,h", "step(-1)", "Previous metric", "trend.previous", "The metric before"),
        key("m", "ask", "Metric", "trend.metric", "Any metric that a threshold can name", shown=True),
        key("q", "app.leave", "Quit", "trend.quit", "Quit", shown=True),
    ]

    def __init__(self, services: Services, runs: Runs, preset: str) -> None:
        super().__init__()
        self.services = services
        self._runs = runs
        self._preset = preset
        self._metric = METRICS[0]

    def compose(self) -> ComposeResult:
        yield TitleBar(self.services.clock, f"trend of {clip(self._preset, 60)}")
        yield TrendChart()
        yield TrendTable()
        yield KeyRow()
        yield CompactView(lambda width: self.query_one(TrendTable).compact(width))

    def on_mount(self) -> None:
        self._show(self._metric)

    def _show(self, metric: str) -> None:
        self._metric = metric
        self._read(metric)

    @work(thread=True, exclusive=True)
    def _read(self, metric: str) -> None:
        """Read the runs and look for changes, which takes a moment."""
        try:
            found = self._runs.trend(self._preset, metric)
        except Exception as error:
            self.app.call_from_thread(self.notify, str(error) or type(error).__name__, severity="error")
            return
        self.app.call_from_thread(self._found, found)

    def _found(self, trend: Trend) -> None:
        if trend.metric != self._metric or not self.is_attached:
            return
        table, drawn = self.query_one(TrendTable), self.query_one(TrendChart)
        table.trend = drawn.trend = trend
        table.set_items(trend.points[::-1])
        self._moved()

    @on(ListTable.Moved)
    def _moved(self) -> None:
        drawn = self.query_one(TrendChart)
        drawn.chosen = self.query_one(TrendTable).selected
        drawn.redraw()

    @on(ListTable.Chosen)
    def _opened(self) -> None:
        """The result of a run."""
        point = self.query_one(TrendTable).selected
        run = next((run for run in self._runs.newest(-1) if point is not None and run.id == point.run), None)
        if run is not None:
            self.post_message(requests.OpenStored(run))

    def action_step(self, by: int) -> None:
        at = METRICS.index(self._metric) + by if self._metric in METRICS else 0
        self._show(METRICS[at % len(METRICS)])

    def action_ask(self) -> None:
        self.app.push_screen(MetricDialog(self._metric), lambda metric: self._show(metric) if metric else None)

    def action_back(self) -> None:
        self.app.pop_screen()


class MetricDialog(Form[str]):
    title_text = "Show another metric"
    SEND = "Show"

    def __init__(self, metric: str) -> None:
        super().__init__()
        self._metric = metric

    def fields(self) -> Iterable[DialogField]:
        yield DialogField("metric", "metric", self._metric, _metric, lambda _: "as a threshold names it")

    def answer(self, values: dict[str, Any]) -> str:
        return str(values["metric"])


def _metric(text: str) -> str:
    parse_metric(text)
    return text
