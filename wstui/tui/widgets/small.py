"""The whole run in a few rows, for a terminal too small for anything else."""

from __future__ import annotations

from wstui.execution.status import Status
from wstui.tui.history import History
from wstui.tui.widgets import faces
from wstui.tui.widgets.figures import clean, clip, clock
from wstui.tui.widgets.limits import kept
from wstui.tui.widgets.lines import Line, Lines
from wstui.tui.widgets.status_line import badge


class Small(Lines):
    """State, clients, messages, latency, errors and limits, as many as fit."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._picture: tuple[Status, History] | None = None

    def show(self, status: Status, history: History) -> None:
        """Draw this picture."""
        self._picture = (status, history)
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """One fact a row."""
        if self._picture is None:
            return []
        status, history = self._picture
        word, meaning = badge(status)
        left = status.plan_total_s - status.plan_s
        time = clock(status.elapsed_s) + (
            f" · {clock(left)} left" if status.plan_total_s > 0 and not status.state.ended else ""
        )
        lines: list[Line] = [
            [(f" {word} ", meaning), (f" {clean(status.scenario.name)}", "strong")],
            [(time, "text")],
        ]
        for read in (faces.connections, faces.messages, faces.latency, faces.errors):
            face = read(status, history)
            lines += [[(f"{face.title} ", "muted"), (face.figure, "strong"), (f" {face.unit}", "muted")]]
        lines.append([("limits ", "muted"), (kept(status.thresholds), "text")])
        lines.append([("space pause · a stop · q quit", "muted")])
        return [[(clip(text, width), token) for text, token in line] for line in lines]
