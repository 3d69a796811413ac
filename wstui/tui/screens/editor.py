"""The editor: a scenario as a form, with what each value means beside it, its load drawn, and the file it makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from wstui.scenario.file import dumps
from wstui.scenario.model import Scenario
from wstui.scenario.presets import PresetEntry
from wstui.tui import form
from wstui.tui.keymap import key
from wstui.tui.loadshape import LoadShape, shape_of
from wstui.tui.screens.check import CheckDialog
from wstui.tui.screens.confirm import ConfirmDialog
from wstui.tui.screens.save import SaveDialog
from wstui.tui.screens.start import run_asking
from wstui.tui.widgets import chart
from wstui.tui.widgets.figures import clean, clock, tilde
from wstui.tui.widgets.keys import Keys
from wstui.tui.widgets.lines import Line, Lines, rule
from wstui.tui.widgets.masthead import Masthead
from wstui.tui.widgets.toml import Toml

if TYPE_CHECKING:
    from pathlib import Path

    from wstui.tui.app import WstuiApp


class FormLine(Vertical):
    """A label, a text, and below it what it means or what is wrong with it."""

    def __init__(self, entry: form.Entry) -> None:
        super().__init__(classes="form-line")
        self.entry = entry
        self._text = Input(
            entry.text, compact=True, password=entry.secret, placeholder=entry.placeholder, select_on_focus=False
        )
        self._note = Static(classes="note", markup=False)

    def compose(self) -> ComposeResult:
        """The two rows."""
        with Horizontal(classes="entry"):
            yield Static(self.entry.label, classes="label", markup=False)
            yield self._text
        yield self._note

    @property
    def text(self) -> str:
        """What is typed."""
        return self._text.value

    def say(self, text: str, *, wrong: bool) -> None:
        """Draw the note, or take it away where there is nothing to say."""
        self._note.update(Content(f"✗ {clean(text)}" if wrong else clean(text)))
        self._note.set_class(wrong, "wrong")
        self._note.display = bool(text)

    def focus_text(self) -> None:
        """Put the cursor here."""
        self._text.focus()


class ShapePanel(Lines):
    """The load over time."""

    def __init__(self) -> None:
        super().__init__()
        self._shape: LoadShape | None = None

    def show(self, shape: LoadShape) -> None:
        """Draw this load."""
        self._shape = shape
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """A head and the chart."""
        if self._shape is None:
            return [rule([("load shape", "text")], width)]
        title: Line = [("load shape", "text"), (f"  clients over {clock(self._shape.length_s)}", "muted")]
        return [rule(title, width), *chart.draw(self._shape.plot(), width - 1, height - 1)]


class Head(Lines):
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


class Editor(Screen[None]):
    """Edits one scenario; nothing is written before it is saved."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]  # noqa: RUF012
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        key("ctrl+s", "save", "Save preset", "edit.save", "Save as a TOML preset", shown=True),
        key("ctrl+r", "run", "Run", "edit.run", "Run it as it is here", shown=True),
        key(
            "ctrl+d",
            "check",
            "Check one connection",
            "edit.check",
            "Open one client all the way",
            shown=True,
            first=True,
        ),
        key("escape", "back", "Back", "edit.back", "Leave the editor", shown=True),
        key("down", "app.focus_next", "Next", "edit.next", "The next line"),
        key("up", "app.focus_previous", "Previous", "edit.previous", "The line before"),
    ]

    def __init__(self, scenario: Scenario, preset: PresetEntry | None) -> None:
        super().__init__()
        self._scenario = scenario
        self._preset = preset
        self._entries = {entry.key: entry for entry in form.entries(scenario)}
        self._reading = form.Reading(scenario)
        self._hints: Mapping[str, str] = {}
        self._saved_as: dict[str, str] = {name: entry.text for name, entry in self._entries.items()}

    @property
    def owner(self) -> WstuiApp:
        """The application, as what it is."""
        return cast("WstuiApp", self.app)

    def compose(self) -> ComposeResult:
        """The form; the load and the file beside it, or the load below it."""
        yield Masthead("scenario editor")
        with Horizontal(id="editor"):
            with VerticalScroll(id="form", can_focus=False):
                section = ""
                for entry in self._entries.values():
                    if entry.section != section:
                        section = entry.section
                        yield Static(section, classes="section-name", markup=False)
                    yield FormLine(entry)
                yield Static(id="form-wrong", classes="wrong", markup=False)
            with Vertical(id="preview"):
                yield ShapePanel()
                yield Head([("file", "text")])
                with VerticalScroll(id="toml", can_focus=False):
                    yield Toml()
        yield Keys()

    def on_mount(self) -> None:
        """Say what the scenario means."""
        self.query_one(Masthead).show(self.owner.clock())
        self.read()

    @property
    def _texts(self) -> dict[str, str]:
        return {line.entry.key: line.text for line in self.query(FormLine)}

    @property
    def changed(self) -> bool:
        """Whether something is not saved."""
        return self._texts != self._saved_as

    @on(Input.Changed)
    def read(self) -> None:
        """Understand the form as it is now, and show what comes of it."""
        texts = self._texts
        self._reading = form.read(self._scenario, self._entries, texts)
        wrong = self._reading.wrong
        self._hints = self._reading.hints or self._hints
        hints = self._hints
        kind = texts["auth.kind"].strip()
        for line in self.query(FormLine):
            name = line.entry.key
            line.say(wrong.get(name) or hints.get(name, ""), wrong=name in wrong)
            if name.startswith("auth.") and name != "auth.kind":
                line.display = {"auth.token": kind == "token", "auth.secret": kind in ("jwt", "mix")}.get(
                    name, kind != "none"
                )
        self.query_one("#form-wrong", Static).update(Content(f"✗ {clean(wrong[''])}" if "" in wrong else ""))
        self._preview()

    def _preview(self) -> None:
        scenario = self._reading.scenario
        title: Line = [("file", "text")]
        if self._preset is not None:
            title = [(clean(self._preset.path.name), "text")]
        if self.changed:
            title.append(("  unsaved", "warn"))
        if scenario is None:
            title.append(("  as it was before the error", "bad"))
        else:
            self.query_one(ShapePanel).show(shape_of([scenario]))
            self.query_one(Toml).show(dumps(scenario))
        self.query_one(Head).show(title)

    def _right(self) -> Scenario | None:
        """The scenario, or the cursor on the first line that is wrong."""
        self.read()  # a key may be faster than the last change of a text
        if self._reading.scenario is not None:
            return self._reading.scenario
        for line in self.query(FormLine):
            if line.entry.key in self._reading.wrong:
                line.focus_text()
                break
        number = len(self._reading.wrong)
        self.owner.say(f"{number} thing{'' if number == 1 else 's'} to put right first", "error")
        return None

    def action_save(self) -> None:
        """Ask where to save."""
        scenario = self._right()
        if scenario is not None:
            self.app.push_screen(SaveDialog(scenario, self.owner.presets), self._saved)

    def _saved(self, path: Path | None) -> None:
        if path is not None:
            self._saved_as = self._texts
            self._preview()
            self.owner.say(f"saved to {tilde(path)}")

    def action_run(self) -> None:
        """Run it as it stands in the form."""
        scenario = self._right()
        if scenario is not None:
            run_asking(self.owner, [scenario], scenario.name, 0.0)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is not offered has no key."""
        launcher = self.owner.launcher
        if action == "check":
            return launcher is not None and launcher.check is not None
        return launcher is not None if action == "run" else True

    def action_check(self) -> None:
        """Open one client, and tell how far it came."""
        scenario = self._right()
        if scenario is not None:
            self.owner.say(f"opening one client to {scenario.target.url.partition('?')[0]}")
            self._check(scenario)

    @work(thread=True, exclusive=True, group="check")
    def _check(self, scenario: Scenario) -> None:
        check = self.owner.launcher.check if self.owner.launcher else None
        if check is None:
            return
        try:
            seen, reason = list(check(scenario)), ""
        except Exception as error:
            seen, reason = [], str(error) or type(error).__name__
        self.app.call_from_thread(self.app.push_screen, CheckDialog(seen, reason))

    def action_back(self) -> None:
        """Leave; ask where something is not saved."""
        if not self.changed:
            self.app.pop_screen()
            return
        text = "What was changed here is not saved."
        self.app.push_screen(ConfirmDialog("Leave the editor?", text, "Leave"), self._leave)

    def _leave(self, sure: bool | None) -> None:
        if sure:
            self.app.pop_screen()
