"""The connections by state: one bar, and a row for each state that is worth one."""

from __future__ import annotations

from wstui.measure.snapshot import Counters
from wstui.tui.kit.bars import parts
from wstui.tui.kit.format import fitting, pad
from wstui.tui.kit.panel import Panel
from wstui.tui.kit.row_widget import Line


def _losses(counters: Counters) -> str:
    """Return what became of the attempts that failed, in the words of the result."""
    counts = {"refused": counters.refused, "timed out": counters.timed_out, "failed": counters.failed}
    return ", ".join(word for word, number in counts.items() if number) or "failed"


class ConnectionsPanel(Panel):
    """The panel of connection states."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._counters = Counters()

    def show(self, counters: Counters, accent: str = "rule") -> None:
        """Draw these counters."""
        self._counters = counters
        self.draw(accent)

    def high(self) -> int:
        """The bar and five states."""
        return 6

    def head(self, width: int) -> Line:
        """How often a connection was tried."""
        return [("connections", "text"), (f"  {fitting(self._counters.attempted, 12)} attempts", "muted")]

    def rows(self, width: int, height: int) -> list[Line]:
        """Bar, states."""
        c = self._counters
        refused = c.refused + c.timed_out + c.failed
        shares = [(c.open, "█", "ok"), (c.opening, "▒", "accent"), (c.closing, "░", "muted"), (refused, "▚", "bad")]
        lines = [parts(shares, width - 1)]
        for name, value, glyph in (
            ("open", c.open, ""),
            ("opening, closing" if c.closing else "opening", c.opening + c.closing, ""),
            (_losses(c), refused, "▲" if refused else ""),
            ("dropped by the server", c.dropped, "▲" if c.dropped else ""),
            ("reconnected", c.reconnects, ""),
        ):
            text = fitting(value, 12)
            lines.append(
                [
                    (pad(name, width - 3 - len(text)), "muted"),
                    (text, "text" if value else "muted"),
                    (f" {glyph or ' '} ", "strong-warn"),
                ]
            )
        return lines
