"""Response times over the run: p50, p95, p99, the limit, and what happened when."""

from __future__ import annotations

from wstui.execution.run.status import Status
from wstui.tui.dashboard import tile_models
from wstui.tui.dashboard.thresholds import limit_ms
from wstui.tui.dashboard.view_state import View
from wstui.tui.kit import chart
from wstui.tui.kit.chart_panel import ChartPanel, marks
from wstui.tui.kit.format import ms, short
from wstui.tui.kit.row_widget import Line, rule
from wstui.tui.time_series import TimeSeries

_DRAWN = ("p50", "p95", "p99")
_NOTHING = dict.fromkeys(("delivery", "spread"), "no broadcast in this time") | {"connect": "no broadcast yet"}


class LatencyPanel(ChartPanel):
    """The chart of the durations to watch: response times, or delivery and spread of what clients only listen to."""

    def show(self, status: Status, history: TimeSeries, view: View, accent: str = "rule") -> None:
        """Draw this course."""
        self.see((status, history, view), accent)

    def paint(self, width: int, height: int) -> list[Line]:
        """A legend with the newest figures, and the chart."""
        if self.picture is None:
            return []
        status, history, view = self.picture
        course = tile_models.course_of(status)
        curves = [(name, course.columns[name], name) for name in _DRAWN if name in course.columns]
        if course is tile_models.DELIVERY:
            curves.append(("spread p99", "spread_p99_ms", "p95"))
        limit = tile_models.latency_limit(status)
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
            "nothing to show yet: the first second"
            if status.elapsed_s < 2
            else _NOTHING.get(course.name, "no replies in this time"),
        )
        return [rule(title, width, meaning=self.accent, right=scale), *self.charted(plot, width - 1, height - 1)]
