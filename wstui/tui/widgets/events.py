"""The event log: what happened when, newest last."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.measure.timeline import MARKS, Mark
from wstui.tui.widgets.figures import clean, clip, stamp
from wstui.tui.widgets.lines import Line, Lines, rule

_MEANINGS = {
    "warning": "warn",
    "broken": "bad",
    "kept": "ok",
    "shard": "bad",
    "generator": "warn",
    "health": "warn",
    "pause": "warn",
    "operator": "accent",
    "start": "ok",
    "resume": "ok",
}


class Events(Lines):
    """The panel of marks."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._marks: Sequence[Mark] = ()
        self._rule = "rule"

    def show(self, marks: Sequence[Mark], rule_meaning: str = "rule") -> None:
        """Draw the newest of these marks."""
        self._marks, self._rule = marks, rule_meaning
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """Head, then one row an event."""
        lines = [rule([("events", "text")], width, meaning=self._rule)]
        marks = list(self._marks[-max(1, height - 1) :])
        if not marks:
            return [*lines, [("nothing yet", "muted")]]
        for mark in marks:
            glyph = MARKS.get(mark.kind, "·")
            head = f"{stamp(mark.at_s)} "
            lines.append(
                [
                    (head, "muted"),
                    (f"{glyph} ", _MEANINGS.get(mark.kind, "muted")),
                    (clip(clean(mark.text), max(0, width - len(head) - 2)), "text"),
                ]
            )
        return lines
