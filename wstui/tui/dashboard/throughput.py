"""Messages per second: two rows of columns where space is short, a chart where there is room."""

from __future__ import annotations

from wstui.execution.run.status import Status
from wstui.tui.dashboard.view_state import View
from wstui.tui.kit import chart
from wstui.tui.kit.bars import columns
from wstui.tui.kit.chart_panel import ChartPanel, marks
from wstui.tui.kit.format import pad, rate, size
from wstui.tui.kit.row_widget import Line, rule
from wstui.tui.time_series import TimeSeries

_CHART_ROWS = 6
_ARROWS = {"sent": "↑", "received": "↓"}
_CURVES = (("sent", "sent_per_s", "sent"), ("received", "received_per_s", "received"))


class Throughput(ChartPanel):
    """Sent and received per second."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._right: Line = []

    def show(
        self, status: Status, history: TimeSeries, view: View, accent: str = "rule", right: Line | None = None
    ) -> None:
        """Draw this course; `right` is said at the end of the head."""
        self._right = right or []
        self.see((status, history, view), accent)

    def paint(self, width: int, height: int) -> list[Line]:
        """Columns or a chart, by the height."""
        if self.picture is None:
            return []
        status, history, view = self.picture
        title: Line = [("messages/s", "text")] if height > 1 else []
        if height < _CHART_ROWS:
            lines = [rule(title, width, meaning=self.accent, right=self._right)]
            top = max([1.0, *history.highs("sent_per_s"), *history.highs("received_per_s")])
            for name, column, colour in _CURVES:
                head = f" {name:<9}{pad(rate(history.latest(column)), 6, right=True)}  "
                lines.append(
                    [
                        (head[:10], "muted"),
                        (head[10:], "strong"),
                        (columns(history.highs(column), width - len(head) - 1, top=top), colour),
                    ]
                )
            return lines
        for name, column, colour in _CURVES:
            title += [
                (f"  {_ARROWS[name]} ", colour),
                (name, "text"),
                (f" {rate(history.latest(column)).ljust(5)}", "strong"),
            ]
        if status.rows:
            row = status.rows[-1]
            right: Line = self._right or [
                (f"↑ {size(row.bytes_sent_per_s)}/s  ↓ {size(row.bytes_received_per_s)}/s", "muted")
            ]
        else:
            right = self._right
        start, end = view.span(status.elapsed_s, status.plan_total_s)
        curves = [chart.Curve(*history.curve(column, start, width), colour) for _, column, colour in _CURVES]
        plot = chart.Plot(
            curves,
            start,
            end,
            marks=marks(status),
            note="nothing to show yet",
            least_top=1.0,
            spots=[spot for curve, arrow in zip(curves, "↑↓", strict=True) for spot in chart.end_of(curve, arrow)],
        )
        return [rule(title, width, meaning=self.accent, right=right), *self.charted(plot, width - 1, height - 1)]
