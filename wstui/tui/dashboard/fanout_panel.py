"""Fan-out: whether every broadcast reaches every client, how often twice, how far apart, and how late."""

from __future__ import annotations

from wstui.execution.run.result import FanOutSummary
from wstui.tui.dashboard.thresholds import SIGNS
from wstui.tui.kit.format import count, ms, pad, percent, short
from wstui.tui.kit.panel import Panel
from wstui.tui.kit.row_widget import Line


class FanOutPanel(Panel):
    """The panel of broadcasts."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._fanout: FanOutSummary | None = None

    def show(self, fanout: FanOutSummary | None, accent: str = "rule") -> None:
        """Draw this summary."""
        self._fanout = fanout
        self.draw(accent)

    def high(self) -> int:
        """Four figures, and the clocks where they are known."""
        if self._fanout is None:
            return 1
        return 4 + (self._fanout.delivery_ms.offset_ms is not None)

    def head(self, width: int) -> Line:
        """How many broadcasts were followed."""
        title: Line = [("fan-out", "text")]
        if self._fanout is not None:
            title.append((f"  {count(self._fanout.messages)} broadcasts", "muted"))
        return title

    def rows(self, width: int, height: int) -> list[Line]:
        """Completeness, duplicates, spread, delivery, clocks."""
        f = self._fanout
        if f is None:
            return [[("no broadcast seen yet", "muted")]]
        whole = f.completeness is not None and f.completeness >= 1
        sign = "" if f.completeness is None else "ok" if whole else "near"
        spread, delivery = f.spread_ms, f.delivery_ms
        apart = "spread on a host" if f.spread_within == "host" else "spread"
        lines = [
            _row("reached", f"{percent(f.completeness)} %", width, sign),
            _row("twice or more", count(f.duplicates), width, "near" if f.duplicates else "ok"),
            _row(f"{apart} p50 · p99", f"{ms(spread.p50)} · {ms(spread.p99)} ms", width),
            _row("delivery p50 · p99", f"{ms(delivery.p50)} · {ms(delivery.p99)} ms", width),
        ]
        if delivery.offset_ms is not None:
            offset = f"{short(delivery.offset_ms)} ± {short(delivery.uncertainty_ms)} ms"
            lines.append(_row("clocks apart by", offset, width))
        return lines


def _row(name: str, text: str, width: int, sign: str = "") -> Line:
    glyph, meaning = SIGNS[sign]
    return [(pad(name, width - 3 - len(text)), "muted"), (text, "text"), (f" {glyph} ", meaning)]
