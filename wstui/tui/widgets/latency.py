"""Response times over the run: p50, p95, p99, the limit, and what happened when."""

from __future__ import annotations

from wstui.execution.status import Status
from wstui.tui.history import History
from wstui.tui.view import View
from wstui.tui.widgets import chart, faces
from wstui.tui.widgets.figures import ms, short
from wstui.tui.widgets.limits import limit_ms
from wstui.tui.widgets.lines import Line, Lines, rule

MARKED = ("stage", "operator", "pause", "resume", "broken", "shard", "generator")
"""The kinds of mark that are drawn into charts."""

_CURVES = (("p50", "response_p50_ms", "p50"), ("p95", "response_p95_ms", "p95"), ("p99", "response_p99_ms", "p99"))
_LISTENING = (("connect p95", "connect_p95_ms", "p95"),)


def marks(status: Status) -> list[tuple[float, str]]:
    """The moments to draw as vertical lines."""
    return [(mark.at_s, mark.text) for mark in status.marks if mark.kind in MARKED and mark.at_s > 1][-24:]


class Latency(Lines, can_focus=True):
    """The chart of response times; of connect times where the scenario only listens."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._picture: tuple[Status, History, View] | None = None
        self._rule = "rule"

    def show(self, status: Status, history: History, view: View, rule_meaning: str = "rule") -> None:
        """Draw this course."""
        self._picture, self._rule = (status, history, view), rule_meaning
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """A legend with the newest figures, and the chart."""
        if self._picture is None:
            return []
        status, history, view = self._picture
        listening = status.scenario.messages.exchange == "listen"
        curves = _LISTENING if listening else _CURVES
        limit = None if listening else faces.latency_limit(status)
        limit_at = limit_ms(limit[1]) if limit else None
        title: Line = [("connect ms" if listening else "latency ms", "text")]
        for name, column, meaning in curves:
            title += [("  ━ ", meaning), (name, "text"), (f" {ms(history.latest(column))}", "strong")]
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
            "nothing to show yet: the first second" if status.elapsed_s < 2 else "no replies in this time",
        )
        meaning = "accent" if self.has_focus else self._rule
        return [rule(title, width, meaning=meaning, right=scale), *chart.draw(plot, width - 1, height - 1)]
