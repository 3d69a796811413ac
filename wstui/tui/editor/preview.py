"""What a scenario comes to: its load drawn, what that takes of this machine, its file, one connection step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.timer import Timer

from wstui.execution.preflight.checklist import Check, CheckMark
from wstui.measure.format import clock, ms, rate
from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import clip, pad, width_of, wrap
from wstui.scenario.errors import Key, dotted
from wstui.scenario.file import dumps
from wstui.scenario.load_curve import LoadCurve, shape_of
from wstui.scenario.model import Scenario, Suite
from wstui.scenario.secret_fields import shown_url
from wstui.tui.checklist.lines import SIGNS
from wstui.tui.editor.draft import Draft
from wstui.tui.editor.draft_reader import DraftReading
from wstui.tui.editor.host_capacity import HostCapacity, needs
from wstui.tui.kit import chart
from wstui.tui.kit.chart import plot
from wstui.tui.kit.row_widget import Line, RowWidget, TallWidget, cells, rule
from wstui.tui.kit.toml_view import TomlView
from wstui.tui.services import Launcher

if TYPE_CHECKING:
    from wstui.execution.preflight.probe import Probe
    from wstui.load.protocol import TraceLine

_FILE_AFTER_S = 0.3
"""How long nothing is typed before the file is written again: that takes longer than all the rest."""
_LOOK_S = 0.1
_LAST = 50
"""How many received messages matchers are tried on."""


class ShapePanel(RowWidget):
    """The load over time."""

    def __init__(self) -> None:
        super().__init__()
        self._shape: LoadCurve | None = None

    def show(self, shape: LoadCurve) -> None:
        if shape != self._shape:
            self._shape = shape
            self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        if self._shape is None:
            return [rule([("load shape", "text")], width)]
        title: Line = [("load shape", "text"), (f"  clients over {clock(self._shape.length_s)}", "muted")]
        return [rule(title, width), *chart.draw(plot(self._shape), width - 1, height - 1)]


class HostPanel(RowWidget):
    """What the load takes of this machine, a line each."""

    def __init__(self) -> None:
        super().__init__()
        self._needs: Sequence[Check] = ()
        self._pace = ""

    def show(self, needs: Sequence[Check], connects: float, messages: float | None) -> None:
        """Draw these; `connects` and `messages` are a second, at most."""
        sends = "messages as fast as it answers" if messages is None else f"{rate(messages)} messages/s"
        comes = "all at once" if math.isinf(connects) else f"{rate(connects)} connects/s"
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
            for remark in (", ", " by "):  # rather without a remark than cut
                if width_of(text) > width - 14 and not need.fix:
                    text = text.rpartition(remark)[0] or text
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
        self._title = title
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        return [rule(self._title, width)]


class FilePanel(Vertical):
    """The file that would be saved."""

    def __init__(self) -> None:
        super().__init__()
        self.head = Head([("file", "text")])
        self.toml = TomlView()

    def compose(self) -> ComposeResult:
        """A head, and the text below it."""
        yield self.head
        with VerticalScroll(id="toml", can_focus=False):
            yield self.toml


class Preview(Vertical):
    """What is beside the form: the load and what it takes, the file, or one connection."""

    VIEWS = ("shape", "file", "connection")

    def __init__(self, launcher: Launcher | None) -> None:
        super().__init__(id="preview", classes="-view-shape")
        self._launcher = launcher
        self._view = "shape"
        self._content: Scenario | Suite | None = None  # the last one without an error
        self._is_wrong = False
        self._written: Scenario | Suite | None = None  # what the file panel shows
        self._later: Timer | None = None
        self.messages: list[str] = []  # the last ones that a client received

    def compose(self) -> ComposeResult:
        yield ShapePanel()
        yield HostPanel()
        yield FilePanel()
        with VerticalScroll(id="connection"):
            yield ConnectionPanel()

    def show(self, reading: DraftReading, host: HostCapacity) -> None:
        """Draw what the form means; the file follows a moment later."""
        self._is_wrong, scenarios = reading.content is None, reading.scenarios
        if reading.content is not None:
            self._content = reading.content
            self.query_one(ShapePanel).show(shape_of(scenarios, getattr(reading.content, "cooldown", 0.0)))
            connects = max(scenario.connects_per_s for scenario in scenarios)
            messages = [scenario.messages_per_s for scenario in scenarios]
            known = [each for each in messages if each is not None]
            most = max(known) if len(known) == len(messages) else None
            self.query_one(HostPanel).show(needs(scenarios, host), connects, most)
        if self._later is not None:
            self._later.stop()
        self._later = self.set_timer(_FILE_AFTER_S, self._write_file)

    def show_name(self, name: str, changed: bool) -> None:
        """Name the file, and say whether it is what the form says."""
        title: Line = [(name, "text"), *([("  unsaved", "warn")] if changed else [])]
        if self._is_wrong:
            title.append(("  as it was before the error", "bad"))
        self.query_one(FilePanel).head.show(title)

    def _write_file(self) -> None:
        panel = self.query_one(FilePanel)
        if self._content is not None and self._content is not self._written and panel.size:
            self._written = self._content
            panel.toml.show(dumps(self._content))

    def on_resize(self) -> None:
        """Write the file, which may have come into view."""
        self.call_after_refresh(self._write_file)

    def next_view(self) -> None:
        self._show_view(self.VIEWS[(self.VIEWS.index(self._view) + 1) % len(self.VIEWS)])

    def _show_view(self, view: str) -> None:
        self._view = view
        self.update_classes({f"-view-{name}": name == view for name in self.VIEWS})
        self.call_after_refresh(self._write_file)

    def connect(self, scenario: Scenario) -> None:
        """Open one client, and show how far it came."""
        self._show_view("connection")
        self._connect(scenario)

    @work(exclusive=True, group="connect")
    async def _connect(self, scenario: Scenario) -> None:
        from wstui.execution.preflight.probe import Probe, Unreachable

        if self._launcher is None or self._launcher.connect is None:
            return
        panel, place, seen = self.query_one(ConnectionPanel), shown_url(scenario), Probe()
        panel.show(place, seen, "busy")
        looking = self.set_interval(_LOOK_S, lambda: panel.show(place, seen, "busy"))
        try:
            await self._launcher.connect(scenario, seen)
        except Unreachable as error:
            panel.show(place, seen, "bad", error.what, error.fix)
        except Exception as error:
            panel.show(place, seen, "bad", str(error) or type(error).__name__, "")
        else:
            panel.show(place, seen, "near" if seen.warning else "good", seen.warning)
        finally:
            looking.stop()
            self.messages = [line.text for line in seen.trace if line.received][-_LAST:] or self.messages


class About(RowWidget):
    """What the value under the cursor is called in the file, and what it means."""

    DEFAULT_CSS = "About { height: 2; background: $surface; }"

    def __init__(self) -> None:
        super().__init__()
        self._name, self._text = "", ""

    def show(self, draft: Draft, key: Key | None) -> None:
        """Tell about a value; of nothing nothing."""
        self._name, self._text = "", ""
        if key == ("roles",):
            self._name = "roles"
            self._text = (
                "enter edits what the cursor is on, ctrl+n adds below it, d duplicates it, ctrl+t takes it out, "
            )
            self._text += "ctrl+up and ctrl+down move it, left folds"
        elif key is not None and key in draft.texts:
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


class ConnectionPanel(TallWidget):
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
        self.changed()

    def rows(self, width: int) -> list[Line]:
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
        if self._seen is not None and self._seen.trace:
            lines.append(
                rule([("conversation", "text"), ("  ms, messages of one client of each role", "muted")], width)
            )
            for line_ in self._seen.trace:
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
