"""The event log: what happened when, newest last."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.measure.timeline import MARKS, Mark
from wstui.tui.kit.format import clean, clip, stamp
from wstui.tui.kit.panel import Panel
from wstui.tui.kit.row_widget import Line

_MEANINGS = {
    "warning": "warn",
    "broken": "bad",
    "kept": "ok",
    "worker": "bad",
    "generator": "warn",
    "health": "warn",
    "pause": "warn",
    "operator": "accent",
    "start": "ok",
    "resume": "ok",
}


class Events(Panel):
    """The panel of marks; as high as its place."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._marks: Sequence[Mark] = ()

    def show(self, marks: Sequence[Mark], accent: str = "rule") -> None:
        """Draw the newest of these marks."""
        self._marks = marks
        self.draw(accent)

    def high(self) -> int:
        """As many rows as there is room for."""
        return 1

    def head(self, width: int) -> Line:
        """What it is about."""
        return [("events", "text")]

    def rows(self, width: int, height: int) -> list[Line]:
        """One row an event, the newest last."""
        if not self._marks:
            return [[("nothing yet", "muted")]]
        lines: list[Line] = []
        for mark in self._marks[-max(1, height) :]:
            moment = f"{stamp(mark.at_s)} "
            lines.append(
                [
                    (moment, "muted"),
                    (f"{MARKS.get(mark.kind, '·')} ", _MEANINGS.get(mark.kind, "muted")),
                    (clip(clean(mark.text), max(0, width - len(moment) - 3)), "text"),
                ]
            )
        return lines
