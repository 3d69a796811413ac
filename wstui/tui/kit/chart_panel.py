"""A panel that is a chart: draws anew only when there is something else to see."""

from __future__ import annotations

from wstui.execution.run.status import Status
from wstui.tui.dashboard.view_state import View
from wstui.tui.kit import chart
from wstui.tui.kit.row_widget import Line, RowWidget
from wstui.tui.time_series import TimeSeries

MARKED = ("stage", "operator", "pause", "resume", "broken", "worker", "generator")
"""The kinds of mark that are drawn into charts."""
_MOST_MARKS = 24


class ChartPanel(RowWidget, can_focus=True):
    """Base of the chart panels. `accent` is the meaning of the line in the head."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.picture: tuple[Status, TimeSeries, View] | None = None
        self._accent = "rule"
        self._drawn: tuple[chart.Plot, int, int] | None = None
        self._rows: list[Line] = []

    @property
    def accent(self) -> str:
        """The meaning of the line in the head: that of the focus, or the one it was given."""
        return "accent" if self.has_focus else self._accent

    def see(self, picture: tuple[Status, TimeSeries, View], accent: str) -> None:
        """Draw this picture."""
        self.picture, self._accent = picture, accent
        self.redraw()

    def charted(self, plot: chart.Plot, width: int, height: int) -> list[Line]:
        """The rows of a chart: those drawn before where nothing is new."""
        wanted = (plot, width, height)
        if wanted != self._drawn:
            self._rows, self._drawn = chart.draw(plot, width, height), wanted
        return self._rows


def marks(status: Status) -> list[tuple[float, str]]:
    """The moments to draw as vertical lines; those of the first second would only hide the ruler."""
    return [(mark.at_s, mark.text) for mark in status.marks if mark.kind in MARKED and mark.at_s > 1][-_MOST_MARKS:]
