"""The machines that make the load: a line for each, those in trouble first."""

from __future__ import annotations

from wstui.execution.run.status import BoxStatus, GeneratorStatus
from wstui.tui.dashboard.thresholds import SIGNS
from wstui.tui.kit.format import clean, count, ms, pad, percent, short, width_of
from wstui.tui.kit.panel import Panel
from wstui.tui.kit.row_widget import Line

_MARKS = {"ok": "ok", "slow": "near", "stale": "near", "lost": "bad"}
_WORST_FIRST = ("lost", "stale", "slow", "ok")
_NAME_MOST, _NAME_NARROW = 24, 14
_WIDE = 90


class Boxes(Panel):
    """One line a machine: mark, load processes, clients, CPU, loop lag, age of its last word."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._own = GeneratorStatus()

    def show(self, own: GeneratorStatus, accent: str = "rule") -> bool:
        """Draw this state; whether what can be redistributed has changed."""
        changed = bool(own.left_behind) != bool(self._own.left_behind)
        self._own = own
        self.draw(accent)
        return changed

    def high(self) -> int:
        """One row a machine, as far as there is room."""
        height = self.app.size.height
        return min(len(self._own.boxes), 2 if height < 20 else 3 if height < 32 else 8)

    def head(self, width: int) -> Line:
        """How many are well, and what waits for somebody to take it over."""
        own = self._own
        well = sum(box.mark == "ok" for box in own.boxes)
        title: Line = [("boxes", "text"), (f"  {well} of {len(own.boxes)} well", "muted")]
        if own.left_behind:
            lost = f"  ✗ {count(own.left_behind_clients)} clients lost"
            title += [(lost, "strong-bad"), ("  R gives them to those left", "strong-warn")]
        return title

    def rows(self, width: int, height: int) -> list[Line]:
        """Those in trouble first; the last row tells of those that have none of their own."""
        boxes = sorted(self._own.boxes, key=lambda box: _WORST_FIRST.index(box.mark))
        most = _NAME_MOST if width >= _WIDE else _NAME_NARROW
        column = min(most, max((width_of(clean(box.name)) for box in boxes), default=0))
        shown = boxes if len(boxes) <= height else boxes[: max(0, height - 1)]
        lines = [_line(box, column, width) for box in shown]
        if rest := boxes[len(shown) :]:
            marks = [f"{sum(box.mark == mark for box in rest)} {mark}" for mark in _WORST_FIRST]
            told = ", ".join(text for text in marks if not text.startswith("0 "))
            lines.append([(f"and {len(rest)} more: {told}", "muted")])
        return lines


def _line(box: BoxStatus, column: int, width: int) -> Line:
    glyph, meaning = SIGNS[_MARKS[box.mark]]
    line: Line = [(f"{glyph} ", meaning), (pad(clean(box.name), column), "text"), (f" {box.mark:<5} ", meaning)]
    if box.mark == "lost" and box.why:
        return [*line, (f" {clean(box.why)}", "muted")]
    there = box.shards - box.shards_lost
    processes = f"{there}/{box.shards}" if box.shards_lost else f"{there}"
    wide = width >= _WIDE
    figures = [
        (processes, 4, "proc", "bad" if box.shards_lost else "text"),
        (count(box.clients) if wide else short(box.clients), 10 if wide else 6, "clients", "text"),
        (percent(box.cpu), 4, "% cpu" if wide else "%", "text"),
        (ms(box.loop_lag_ms), 5, "ms lag", "text"),
        (f"{box.age_s:.1f}", 4, "s ago", meaning if box.mark in ("stale", "lost") else "text"),
    ]
    if width >= 100:
        figures.append((ms(box.round_trip_ms), 6, "ms away", meaning if box.mark == "slow" else "text"))
    for text, cells, unit, tone in figures:
        line += [(pad(text, cells, right=True), tone), (f" {unit} ", "muted")]
    return line
