"""One client as far as it came, and what clients of roles said and received, message by message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wstui.measure.format import ms
from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import clip, pad, width_of, wrap
from wstui.tui.kit.row_widget import Line, RowWidget, cells, rule

if TYPE_CHECKING:
    from wstui.execution.preflight.probe import Probe
    from wstui.load.protocol import TraceLine


class ConnectionPanel(RowWidget):
    """One client, step by step: when each began, how long it took, what came of it; then what roles say and hear."""

    DEFAULT_CSS = "ConnectionPanel { height: auto; }"

    def __init__(self) -> None:
        super().__init__()
        self._place = ""
        self._seen: Probe | None = None
        self._state, self._text, self._fix = "", "", ""

    def show(self, place: str, seen: Probe, state: str, text: str = "", fix: str = "") -> None:
        """Draw what was seen so far; `state` is "busy", "good", "near" or "bad"."""
        self._place, self._seen = place, seen
        self._state, self._text, self._fix = state, text, fix
        self.refresh(layout=True)
        self.redraw()

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self._rows(width))

    def paint(self, width: int, height: int) -> list[Line]:
        return self._rows(width)

    def _rows(self, width: int) -> list[Line]:
        """A head, a row for each step, the verdict, the conversation."""
        steps = list(self._seen.steps) if self._seen is not None else []
        total = sum(step.took_ms for step in steps)
        verdict: Line = {
            "busy": [("  ◌ on its way", "accent")],
            "good": [(f"  ✓ all the way in {ms(total)} ms", "ok")],
            "near": [("  ▲ turned away", "warn")],
            "bad": [("  ✗ did not get through", "bad")],
        }.get(self._state, [])
        lines = [rule([("one connection", "text"), *verdict], width)]
        longest = max((width_of(step.note) for step in steps), default=0)
        bars = max(6, min(20, width // 4, width - 24 - longest))  # a note is worth more than its bar
        at = 0.0
        for step in steps:
            before = int(at / total * bars) if total else 0
            before = min(before, bars - 1)
            bar = "━" * min(bars - before, max(1, round(step.took_ms / total * bars) if total else 1))
            at += step.took_ms
            line: Line = [(f" {pad(step.name, 9)}", "muted"), (pad(ms(step.took_ms), 7, right=True), "text")]
            line += [(" ms  ", "muted"), (pad(" " * before + bar, bars), "accent"), ("  ", "text")]
            lines.append([*line, (clip(sanitize(step.note), max(0, width - cells(line))), "muted")])
        if self._state == "bad":
            lines += [[(f" {part}", "bad")] for part in wrap(f"✗ {sanitize(self._text)}", width - 2)]
            lines += [[(f" {part}", "text")] for part in wrap(f"→ {sanitize(self._fix)}", width - 2) if self._fix]
        elif self._state == "near":
            lines += [[(f" {part}", "warn")] for part in wrap(f"▲ {sanitize(self._text)}", width - 2)]
        elif self._state == "busy":
            lines.append([(f" ◌ {clip(sanitize(self._place), width - 4)}", "muted")])
        else:
            lines.append([(" ctrl+d", "strong-accent"), (clip("  opens one client all the way", width - 7), "muted")])
        if self._seen is not None and self._seen.talk:
            lines.append(
                rule([("conversation", "text"), ("  ms, messages of one client of each role", "muted")], width)
            )
            for line_ in self._seen.talk:
                lines += _said(line_, width)
        return lines


def _said(line: TraceLine, width: int) -> list[Line]:
    """A message, and what it matched and captured."""
    arrow, meaning = ("←", "received") if line.received else ("→", "sent")
    head: Line = [(pad(ms(line.at_ms), 7, right=True), "muted"), (f" {arrow} ", meaning)]
    if line.step and not line.received:
        head.append((f"{sanitize(line.step, 30)}  ", "strong"))
    text = clip(sanitize(line.text, 1000), max(0, width - cells(head)))
    rows: list[Line] = [[*head, (text, "text")]]
    if line.received and line.step:
        told = f"✓ {sanitize(line.step, 30)}" + (f": {sanitize(line.expected, 200)}" if line.expected else "")
        rows += [[(" " * 10 + part, "ok")] for part in wrap(told, max(10, width - 11))]
    for name, value in line.captured.items():
        rows.append([(" " * 10 + clip(f"{name} = {sanitize(str(value), 200)}", max(0, width - 10)), "accent")])
    return rows
