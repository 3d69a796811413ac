"""What a scenario comes to: its load drawn, what that takes of this machine, its file, one connection step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.timer import Timer

from wstui.execution.preflight.checklist import Check, CheckMark
from wstui.measure.format import clock, rate
from wstui.report.model.cell_text import clip, pad, width_of, wrap
from wstui.scenario.errors import Key, dotted
from wstui.scenario.file import dumps
from wstui.scenario.load_curve import LoadCurve, shape_of
from wstui.scenario.model import Scenario, Suite
from wstui.scenario.secret_fields import shown_url
from wstui.tui.checklist.lines import SIGNS
from wstui.tui.editor.connection_panel import ConnectionPanel
from wstui.tui.editor.draft import Draft
from wstui.tui.editor.draft_reader import DraftReading
from wstui.tui.editor.host_capacity import HostCapacity, messages_a_second, needs, steepest
from wstui.tui.kit import chart
from wstui.tui.kit.load_chart import plot
from wstui.tui.kit.row_widget import Line, RowWidget, cells, rule
from wstui.tui.kit.toml_view import TomlView
from wstui.tui.services import Launcher

if TYPE_CHECKING:
    pass

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
            hardest = max(scenarios, key=lambda scenario: scenario.peak_clients)
            connects = max(steepest(scenario) for scenario in scenarios)
            self.query_one(HostPanel).show(needs(scenarios, host), connects, messages_a_second(hardest))
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
        """Show the next of the views."""
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
            self.messages = [line.text for line in seen.talk if line.received][-_LAST:] or self.messages


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
