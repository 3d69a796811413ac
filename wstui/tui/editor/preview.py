"""What a scenario comes to: its load drawn, what that takes of this machine, its file, one connection step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll

from wstui.execution.preflight.checklist import Check, CheckMark
from wstui.scenario.errors import Key, dotted
from wstui.tui.editor.draft import Draft
from wstui.tui.editor.toml_view import Toml
from wstui.tui.kit import chart
from wstui.tui.kit.format import clean, clip, clock, ms, pad, rate, width_of, wrap
from wstui.tui.kit.load_curve import LoadCurve
from wstui.tui.kit.row_widget import Line, RowWidget, cells, rule

if TYPE_CHECKING:
    from wstui.execution.preflight.probe import Probe

SIGNS = {CheckMark.PASS: ("✓", "ok"), CheckMark.WARN: ("▲", "warn"), CheckMark.FAIL: ("✗", "bad")}
"""Glyph and meaning of how a check ended."""


class ShapePanel(RowWidget):
    """The load over time."""

    def __init__(self) -> None:
        super().__init__()
        self._shape: LoadCurve | None = None

    def show(self, shape: LoadCurve) -> None:
        """Draw this load."""
        if shape != self._shape:
            self._shape = shape
            self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """A head and the chart."""
        if self._shape is None:
            return [rule([("load shape", "text")], width)]
        title: Line = [("load shape", "text"), (f"  clients over {clock(self._shape.length_s)}", "muted")]
        return [rule(title, width), *chart.draw(self._shape.plot(), width - 1, height - 1)]


class HostPanel(RowWidget):
    """What the load takes of this machine, a line each."""

    def __init__(self) -> None:
        super().__init__()
        self._needs: Sequence[Check] = ()
        self._pace = ""

    def show(self, needs: Sequence[Check], connects: float, messages: float | None) -> None:
        """Draw these; `connects` and `messages` are a second, at most."""
        sends = "messages as fast as it answers" if messages is None else f"{rate(messages)} messages/s"
        comes = "all at once" if connects == float("inf") else f"{rate(connects)} connects/s"
        self._needs, self._pace = needs, f"{comes}, {sends}"
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """A head and a row for each need, the worst first where not all have room."""
        lines = [rule([("this machine", "text"), (f"  {clip(self._pace, max(0, width - 16))}", "muted")], width)]
        worst = {CheckMark.FAIL: 0, CheckMark.WARN: 1, CheckMark.PASS: 2}
        shown = sorted(self._needs, key=lambda need: worst[need.mark])[: height - 1]
        for need in sorted(shown, key=list(self._needs).index):
            glyph, meaning_ = SIGNS[need.mark]
            text = f"{need.text} → {need.fix}" if need.fix else need.text
            if width_of(text) > width - 14 and not need.fix:  # rather without its last remark than cut
                text = text.rpartition(", ")[0] or text
            lines.append([(f" {glyph} ", meaning_), (pad(need.name, 11), "muted"), (clip(text, width - 14), "text")])
        if not self._needs:
            lines.append([(" the load is made on other machines", "muted")])
        return lines


class Head(RowWidget):
    """A title in a line."""

    DEFAULT_CSS = "Head { height: 1; }"

    def __init__(self, title: Line) -> None:
        super().__init__()
        self._title = title

    def show(self, title: Line) -> None:
        """Draw this title."""
        self._title = title
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """One row."""
        return [rule(self._title, width)]


class FilePanel(Vertical):
    """The file that would be saved."""

    def __init__(self) -> None:
        super().__init__()
        self.head = Head([("file", "text")])
        self.toml = Toml()

    def compose(self) -> ComposeResult:
        """A head, and the text below it."""
        yield self.head
        with VerticalScroll(id="toml", can_focus=False):
            yield self.toml


class ConnectionPanel(RowWidget):
    """One client, step by step: when each began, how long it took, what came of it."""

    def __init__(self) -> None:
        super().__init__()
        self._place = ""
        self._seen: Probe | None = None
        self._state, self._text, self._fix = "", "", ""

    def show(self, place: str, seen: Probe, state: str, text: str = "", fix: str = "") -> None:
        """Draw what was seen so far; `state` is "busy", "good", "near" or "bad"."""
        self._place, self._seen = place, seen
        self._state, self._text, self._fix = state, text, fix
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """A head, a row for each step, the verdict."""
        steps = list(self._seen.steps) if self._seen is not None else []
        total = sum(step.took_ms for step in steps)
        verdict: Line = {
            "busy": [("  ◌ on its way", "accent")],
            "good": [(f"  ✓ all the way in {ms(total)} ms", "ok")],
            "near": [("  ▲ turned away", "warn")],
            "bad": [("  ✗ did not get through", "bad")],
        }.get(self._state, [])
        lines = [rule([("one connection", "text"), *verdict], width)]
        bars = max(6, min(20, width // 4))
        at = 0.0
        for step in steps:
            before = int(at / total * bars) if total else 0
            before = min(before, bars - 1)
            bar = "━" * min(bars - before, max(1, round(step.took_ms / total * bars) if total else 1))
            at += step.took_ms
            line: Line = [(f" {pad(step.name, 9)}", "muted"), (pad(ms(step.took_ms), 7, right=True), "text")]
            line += [(" ms  ", "muted"), (pad(" " * before + bar, bars), "accent"), ("  ", "text")]
            lines.append([*line, (clip(clean(step.note), max(0, width - cells(line))), "muted")])
        if self._state == "bad":
            lines += [[(f" {part}", "bad")] for part in wrap(f"✗ {clean(self._text)}", width - 2)]
            lines += [[(f" {part}", "text")] for part in wrap(f"→ {clean(self._fix)}", width - 2) if self._fix]
        elif self._state == "near":
            lines += [[(f" {part}", "warn")] for part in wrap(f"▲ {clean(self._text)}", width - 2)]
        elif self._state == "busy":
            lines.append([(f" ◌ {clip(clean(self._place), width - 4)}", "muted")])
        else:
            lines.append([(" ctrl+d", "strong-accent"), (clip("  opens one client all the way", width - 7), "muted")])
        return lines


class About(RowWidget):
    """What the value under the cursor is called in the file, and what it means."""

    DEFAULT_CSS = "About { height: 2; background: $surface; }"

    def __init__(self) -> None:
        super().__init__()
        self._name, self._text = "", ""

    def show(self, draft: Draft, key: Key | None) -> None:
        """Tell about a value; of nothing nothing."""
        self._name, self._text = "", ""
        if key is not None and key in draft.texts:
            self._name = dotted(tuple(part for part in key if not isinstance(part, int)))
            self._text = draft.field(key).description
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """The name in the file, the meaning after it or below it."""
        name: Line = [(f" {self._name}", "accent")]
        if cells(name) + width_of(self._text) + 3 <= width:
            return [[*name, (f"  {self._text}", "text")]]
        parts = wrap(self._text, width - 2)
        if len(parts) < height:
            return [name, *([(f" {part}", "text")] for part in parts)]
        # the first row begins beside the name
        first, *rest = wrap(f"{'x' * cells(name)} {self._text}", width - 1)
        rows = [first[cells(name) :], *(f" {part}" for part in [*rest[: height - 2], " ".join(rest[height - 2 :])])]
        return [[*name, (f" {rows[0]}", "text")], *([(clip(row, width - 1), "text")] for row in rows[1:height])]
