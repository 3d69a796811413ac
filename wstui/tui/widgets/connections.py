"""The connections by state: one bar, and a row for each state that is worth one."""

from __future__ import annotations

from wstui.measure.snapshot import Counters
from wstui.tui.widgets.bars import parts
from wstui.tui.widgets.figures import count, fitting, pad
from wstui.tui.widgets.lines import Line, Lines, rule


class Connections(Lines):
    """The panel of connection states."""

    DEFAULT_CSS = "Connections { height: 7; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._counters = Counters()
        self._rule = "rule"

    def show(self, counters: Counters, rule_meaning: str = "rule") -> None:
        """Draw these counters."""
        self._counters, self._rule = counters, rule_meaning
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """Head, bar, states."""
        c = self._counters
        refused = c.refused + c.timed_out + c.failed
        bar = parts(
            [(c.open, "█", "ok"), (c.opening, "▒", "accent"), (c.closing, "░", "muted"), (refused, "▚", "bad")], width - 1
        )
        rows = [
            ("open", c.open, ""),
            ("opening · closing" if c.closing else "opening", c.opening + c.closing, ""),
            ("failed", refused, "▲" if refused else ""),
            ("dropped by the server", c.dropped, "▲" if c.dropped else ""),
            ("reconnected", c.reconnects, ""),
        ]
        lines = [rule([("connections", "text"), (f"  {count(c.attempted)} attempts", "muted")], width, meaning=self._rule), bar]
        for name, value, glyph in rows:
            text = fitting(value, 12)
            lines.append(
                [
                    (pad(name, width - 3 - len(text)), "muted"),
                    (text, "text" if value else "muted"),
                    (f" {glyph or ' '} ", "strong-warn"),
                ]
            )
        return lines
