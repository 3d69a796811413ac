"""The charts of the dashboard: latency, messages per second, and latency against load during a search."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.execution.run.state import State
from wstui.execution.run.status import Status
from wstui.measure.format import ms, rate, short, size
from wstui.report.model.cell_text import pad
from wstui.report.model.labels import limit_ms
from wstui.tui.dashboard import tile_models
from wstui.tui.dashboard.breakpoint_chart import curve_plot, curve_title
from wstui.tui.dashboard.panel import ChartPanel, marks
from wstui.tui.kit import chart
from wstui.tui.kit.bars import columns
from wstui.tui.kit.row_widget import Line, cells

_DRAWN = ("p50", "p95", "p99")
_NOTHING = dict.fromkeys(("delivery", "spread"), "no broadcast in this time") | {"connect": "no broadcast yet"}
_CHART_ROWS = 6
_ARROWS = {"sent": "↑", "received": "↓"}
_RATES = (("sent", "sent_per_s", "sent"), ("received", "received_per_s", "received"))


def _awaited(status: Status) -> str:
    """What is waited for before there is anything to draw."""
    if status.state is State.STARTING:
        # The bar above has no room for who has the lock of the target.
        return status.note if status.note.startswith("waiting for ") else "waiting for the workers to start"
    if not status.counters.ready:
        return "waiting for the first client to be ready"
    return "waiting for the first second to be over"


class LatencyPanel(ChartPanel):
    """The chart of the durations to watch: response times, or delivery and spread of what clients only listen to."""

    def paint(self, width: int, height: int) -> list[Line]:
        """A legend with the newest figures, and the chart."""
        if (status := self.status) is None:
            return []
        history, view = self.history, self.view
        course = tile_models.course_of(status) if view.step is None else tile_models.step_course(status, *view.step)
        curves = [(name, course.columns[name], name) for name in _DRAWN if name in course.columns]
        if course is tile_models.DELIVERY:
            curves.append(("spread p99", "spread_p99_ms", "p95"))
        limit = tile_models.latency_limit(status, course)
        limit_at = limit_ms(limit[1]) if limit else None
        title: Line = [(f"{course.name} ms", "text")]
        for name, column, meaning in curves:
            title += [("  ━ ", meaning), (name, "text"), (f" {ms(history.latest(column)).ljust(4)}", "strong")]
        if limit and limit_at is not None:
            about = "" if limit[0] == "p99" else f"{limit[0]} "
            title.append((f"  ┄ {about}limit {short(limit_at)}", "limit"))
        start, end = view.span(status.elapsed_s, status.plan_total_s)
        scale = [("log" if view.log else "linear", "muted")]
        if view.window_s:
            scale = [(f"last {view.window_s / 60:.0f} min · ", "muted"), *scale]
        plot = chart.Plot(
            [chart.Curve(*history.curve(column, start, width), meaning) for _, column, meaning in curves],
            start,
            end,
            view.log,
            limit_at,
            marks(status),
            _awaited(status) if status.elapsed_s < 2 else _NOTHING.get(course.name, "no replies in this time"),
            named=True,
        )
        return [self.head(title, width, scale), *self.charted(plot, width - 1, height - 1)]


class Throughput(ChartPanel):
    """Sent and received per second; of `aside` the head ends with the parts that there is room for."""

    aside: Sequence[Line] = ()

    def _aside(self, title: Line, width: int) -> Line:
        line: Line = []
        for part in self.aside:
            if cells(title) + cells(line) + cells(part) + 4 <= width:
                line += part
        return line

    def paint(self, width: int, height: int) -> list[Line]:
        if (status := self.status) is None:
            return []
        history, view = self.history, self.view
        title: Line = [("messages/s", "text")] if height > 1 else []
        if height < _CHART_ROWS:
            lines = [self.head(title, width, self._aside(title, width))]
            top = max([1.0, *history.highs("sent_per_s"), *history.highs("received_per_s")])
            for name, column, colour in _RATES:
                head = f" {name:<9}{pad(rate(history.latest(column)), 6, right=True)}  "
                lines.append(
                    [
                        (head[:10], "muted"),
                        (head[10:], "strong"),
                        (columns(history.highs(column), width - len(head) - 1, top=top), colour),
                    ]
                )
            return lines
        for name, column, colour in _RATES:
            title += [
                (f"  {_ARROWS[name]} ", colour),
                (name, "text"),
                (f" {rate(history.latest(column)).ljust(5)}", "strong"),
            ]
        if status.rows:
            row = status.rows[-1]
            right = self._aside(title, width) or [
                (f"↑ {size(row.bytes_sent_per_s)}/s  ↓ {size(row.bytes_received_per_s)}/s", "muted")
            ]
        else:
            right = self._aside(title, width)
        start, end = view.span(status.elapsed_s, status.plan_total_s)
        curves = [chart.Curve(*history.curve(column, start, width), colour) for _, column, colour in _RATES]
        plot = chart.Plot(
            curves,
            start,
            end,
            marks=marks(status),
            note=_awaited(status),
            least_top=1.0,
            spots=[spot for curve, arrow in zip(curves, "↑↓", strict=True) for spot in chart.end_of(curve, arrow)],
        )
        return [self.head(title, width, right), *self.charted(plot, width - 1, height - 1)]


class SearchCurve(ChartPanel):
    """The panel of the curve while the search goes on."""

    def paint(self, width: int, height: int) -> list[Line]:
        if self.status is None or self.status.breakpoint is None:
            return []
        search, log = self.status.breakpoint, self.view.log
        scale: Line = [("log" if log else "linear", "muted")]
        head = self.head(curve_title(search), width, scale)
        return [head, *self.charted(curve_plot(search, log=log), width - 1, height - 1)]
