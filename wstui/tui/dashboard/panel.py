"""The bases of the dashboard's panels, and how the operator looks at the run."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from wstui.execution.run.state import State
from wstui.execution.run.status import Status
from wstui.measure.sanitize import sanitize
from wstui.measure.timeline import MARKS, Mark
from wstui.report.model.cell_text import clip
from wstui.tui.kit import chart
from wstui.tui.kit.row_widget import Line, RowWidget, rule
from wstui.tui.time_series import TimeSeries

WINDOWS = (0.0, 60.0, 300.0, 900.0)
"""The spans of time that charts can show, in seconds; 0 is the whole run."""
MARKED = ("stage", "operator", "pause", "resume", "broken", "worker", "generator", "note", "span", "span_end")
"""The kinds of mark that are drawn into charts."""
_MOST_MARKS = 24
_NAMED = ("note", "span", "span_end")
_SENDER = re.compile(r" \([^()]* \([^()]*, pid \d+\)\)$")
_LABEL = 40
"""Cells of a note's text in a chart, at most."""


@dataclass(slots=True)
class View:
    """`log` scales latency logarithmically, `window_s` is one of WINDOWS, `frozen` holds the picture while the run
    goes on, `maximised` is the number of the panel that fills the screen (0: none), `pattern` filters errors,
    `step` is role and name of the step that the chart shows (None: all messages).
    """

    log: bool = True
    window_s: float = 0.0
    frozen: bool = False
    maximised: int = 0
    pattern: str = ""
    step: tuple[str, str] | None = None

    def next_window(self) -> str:
        """Go to the next span and name it."""
        self.window_s = WINDOWS[(WINDOWS.index(self.window_s) + 1) % len(WINDOWS)]
        return f"last {self.window_s / 60:.0f} min" if self.window_s else "whole run"

    def span(self, elapsed_s: float, planned_s: float) -> tuple[float, float]:
        """Return the times that charts show, from and to in seconds.

        The end moves in steps, so that a chart is not sent again every second.
        """
        if self.window_s:
            step = self.window_s / 12
            end = max(self.window_s, math.ceil(elapsed_s / step) * step)
            return end - self.window_s, end
        least = min(60.0, planned_s) if planned_s > 0 else 60.0
        step = 10.0
        while elapsed_s > step * 12:
            step *= 2
        return 0.0, max(least, math.ceil(elapsed_s / step) * step, 1.0)


def accent_of(status: Status) -> str:
    """Return the meaning of the line in the head of panels: a warning while the run is paused."""
    return "warn" if status.state is State.PAUSED else "rule"


class Panel(RowWidget):
    """A head set into a line, and rows below it; subclasses read both off `status`."""

    status: Status
    _row_count = -1

    def head(self, width: int) -> Line:
        raise NotImplementedError

    def rows(self, width: int, height: int) -> list[Line]:
        """Return what stands below the title, for this many cells and rows."""
        raise NotImplementedError

    def row_count(self) -> int:
        """Return how many rows there are to show."""
        raise NotImplementedError

    def show(self, status: Status) -> None:
        """Draw what changed; ask for another height if that is what changed."""
        self.status = status
        if (row_count := self.row_count()) != self._row_count:
            self._row_count = row_count
            self.refresh(layout=True)
        self.redraw()

    def get_content_height(self, *_: object) -> int:
        return 1 + max(1, self._row_count)

    def paint(self, width: int, height: int) -> list[Line]:
        """Paint the head, and the rows indented by one cell."""
        if self._row_count < 0:
            return []
        lines = [rule(self.head(width), width, meaning=accent_of(self.status))]
        lines += [[(" ", "text"), *row] for row in self.rows(width - 1, height - 1)]
        return lines


class ChartPanel(RowWidget, can_focus=True):
    """A panel that is a chart: it is drawn again only if there is something new in it."""

    def __init__(self, history: TimeSeries, view: View) -> None:
        super().__init__()
        self.history, self.view = history, view
        self.status: Status | None = None
        self._drawn: tuple[chart.Plot, int, int] | None = None
        self._rows: list[Line] = []

    def show(self, status: Status) -> None:
        self.status = status
        self.redraw()

    def head(self, title: Line, width: int, right: Line) -> Line:
        """Return the title in a line that shows the focus."""
        meaning = "accent" if self.has_focus or self.status is None else accent_of(self.status)
        return rule(title, width, meaning=meaning, right=right)

    def charted(self, plot: chart.Plot, width: int, height: int) -> list[Line]:
        """Return the rows of a chart: those drawn before if nothing is new."""
        wanted = (plot, width, height)
        if wanted != self._drawn:
            self._rows, self._drawn = chart.draw(plot, width, height), wanted
        return self._rows


def marks(status: Status) -> list[tuple[float, str]]:
    """Return the moments to draw as vertical lines, with the texts of notes and spans.

    Those of the first second would only hide the ruler.
    """
    drawn = [mark for mark in status.marks if mark.kind in MARKED and mark.at_s > 1][-_MOST_MARKS:]
    return [(mark.at_s, _label(mark) if mark.kind in _NAMED else "") for mark in drawn]


def _label(mark: Mark) -> str:
    """Return a glyph, and what a note or the beginning of a span says; who wrote it stands in the list of events."""
    if mark.kind == "span_end":
        return MARKS[mark.kind]
    return f"{MARKS[mark.kind]} {clip(sanitize(_SENDER.sub('', mark.text)), _LABEL)}"
