"""The editor: a scenario as a form, with what each value means beside it, its load drawn, and the file it makes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input

from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import tilde
from wstui.scenario.errors import Key
from wstui.scenario.model import Scenario, Suite
from wstui.scenario.presets import PresetEntry
from wstui.scenario.secret_fields import shown_url
from wstui.tui import requests
from wstui.tui.bindings import key
from wstui.tui.dialogs.file_dialogs import SaveDialog
from wstui.tui.dialogs.questions import ConfirmDialog
from wstui.tui.editor.draft import Draft, compact, compact_value, title
from wstui.tui.editor.draft_reader import DraftReading, problems_at, read
from wstui.tui.editor.form import FormView
from wstui.tui.editor.form_lines import RowRequest, Value
from wstui.tui.editor.hints import hints
from wstui.tui.editor.host_capacity import this_host
from wstui.tui.editor.preview import About, Preview
from wstui.tui.editor.roles.role_tree import RoleTree
from wstui.tui.kit.compact_view import CompactView
from wstui.tui.kit.key_row import KeyRow
from wstui.tui.kit.option_row import OptionRow
from wstui.tui.kit.row_widget import Line
from wstui.tui.kit.title_bar import TitleBar
from wstui.tui.services import Services

_READ_EVERY_S = 0.15
"""How often the form is read while keys come in a burst; the first key and the last are never left out."""


class Editor(Screen[None]):
    """Edits one scenario or suite; nothing is written before it is saved."""

    manual_topic = "scenario"
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        key("ctrl+y", "accept", "Accept", "edit.accept", "Write what was probably meant", shown=True, first=True),
        key("ctrl+s", "save", "Save", "edit.save", "Save as a TOML preset", shown=True),
        key("ctrl+r", "run", "Run", "edit.run", "Run it as it is here", shown=True),
        key("ctrl+d", "connect", "Connect", "edit.check", "Open one client all the way", shown=True, first=True),
        key("f5", "checklist", "Check", "edit.checklist", "Look at everything a run needs", shown=True),
        key("f2", "view", "View", "edit.view", "The load, the file, or one connection beside the form", shown=True),
        key("ctrl+n", "add", "Add", "edit.add", "A new row below this one", shown=True, first=True),
        key("ctrl+t", "remove", "Take out", "edit.remove", "Take this row out", shown=True, first=True),
        key("ctrl+up,alt+up", "move(-1)", "Move up", "edit.up", "Move this row up", first=True),
        key("ctrl+down,alt+down", "move(1)", "Move down", "edit.down", "Move this row down", first=True),
        key("escape", "back", "Back", "edit.back", "Leave the editor", shown=True),
        key("down", "line(1)", "Next line", "edit.next", "The next line"),
        key("up", "line(-1)", "Line before", "edit.previous", "The line before"),
        key("pagedown", "section(1)", "Next section", "edit.section_next", "The next section"),
        key("pageup", "section(-1)", "Section before", "edit.section_previous", "The section before"),
    ]

    def __init__(self, services: Services, content: Scenario | Suite, preset: PresetEntry | None) -> None:
        super().__init__()
        self.services = services
        self._draft = Draft(content)
        self._preset = preset
        self._reading = DraftReading(content)
        self._hints: Mapping[Key, str] = {}
        self._url = ""
        self._soon: Timer | None = None  # reads what was typed since the form was read last
        self._read_at = 0.0
        self._seen = False

    @property
    def form(self) -> FormView:
        return self.query_one(FormView)

    @property
    def preview(self) -> Preview:
        return self.query_one(Preview)

    def compose(self) -> ComposeResult:
        """The form; the load and the file beside it, or the load below it."""
        yield TitleBar(self.services.clock, "scenario editor")
        with Horizontal(id="editor"):
            with Vertical(id="editing"):
                yield FormView(self._draft, id="form")
                yield About()
            yield Preview(self.services.launcher)
        yield KeyRow()
        yield CompactView(self._compact)

    def last_view(self) -> dict[str, object]:
        """Name the editor, and the preset that it was opened with: what was not saved is not kept."""
        return {"screen": "editor", "preset": self._preset.name} if self._preset is not None else {}

    def on_mount(self) -> None:
        """Say what the scenario means, and tell about the line that the cursor begins on."""
        self.read()
        self.query_one(About).show(self._draft, next(iter(self._draft.texts), None))

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Spare the first time what a screen that comes back needs: to find the styles of all its widgets again."""
        event.refresh_styles = self._seen
        self._seen = True

    # what it means

    @on(Value)
    def changed(self, event: Value) -> None:
        """Something was typed or chosen."""
        if event.key in self._draft.texts and self._draft.texts[event.key] != event.text:
            self._draft.set_text(event.key, event.text)
            wait = self._read_at + _READ_EVERY_S - time.monotonic()
            if wait <= 0.0:
                self.read()
            elif self._soon is None:
                self._soon = self.set_timer(wait, self.read)

    def read(self) -> None:
        """Understand the form as it is now, and show what comes of it; the file follows a moment later."""
        if self._soon is not None:
            self._soon.stop()
            self._soon = None
        proposals = self._reading.proposals
        self._reading = read(self._draft)
        self._hints = hints(self._draft, self._reading, this_host()) or self._hints
        self.form.show(self._reading.wrong, self._hints)
        if self._reading.proposals != proposals:
            self.refresh_bindings()
        if self._reading.content is not None:
            self._url = sanitize(shown_url(self._reading.scenarios[0]))
        self.preview.show(self._reading, this_host())
        self._title()
        self._read_at = time.monotonic()

    def _title(self) -> None:
        file = sanitize(self._preset.path.name) if self._preset is not None else "file"
        self.preview.show_name(file, self._draft.changed)
        self.query_one(TitleBar).place(title(self._draft, self._url))

    def _compact(self, width: int) -> list[Line]:
        """The value under the cursor, and the notes on it."""
        at = self.form.key_of(self.focused)
        if at is None or at not in self._draft.texts:
            return compact(self._draft, self._reading.wrong, width)
        text = self.form.typed().get(at, self._draft.texts[at])
        return compact_value(self._draft, at, text, self._reading.wrong.get(at, ""), self._hints.get(at, ""), width)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Tell about what the cursor is on."""
        self.query_one(About).show(self._draft, self.form.key_of(event.widget))
        self.refresh_bindings()

    async def _right(self) -> Scenario | Suite | None:
        """The scenario, or the cursor on the first line that is wrong."""
        await self.form.complete()
        typed = self.form.typed()
        if any(self._draft.texts.get(key) != text for key, text in typed.items()):
            self._draft.texts |= typed  # a key may be faster than the last change of a text
            self.read()
        if self._soon is not None:
            self.read()
        if self._reading.content is not None:
            return self._reading.content
        for key_ in self._reading.wrong:
            await self.form.reveal(key_)
            self.read()
            if (found := self.form.control_at(key_)) is not None:
                found.focus()
                break
        number = len(self._reading.wrong)
        self.notify(f"Fix {number} error{'' if number == 1 else 's'} first", severity="error")
        return None

    # rows and lines

    @on(RowRequest)
    async def row_requested(self, event: RowRequest) -> None:
        """A row is added or taken out, a group opened or closed."""
        if event.what == "fold":
            await self.form.fold(event.key)
            self._again(event.key)
        elif event.what == "add":
            self._again(await self.form.add_row(event.key, None))
        elif (row := self.form.row_of(event.key)) is not None:
            self._again(await self.form.remove_row(*row))

    def _again(self, focus: Key) -> None:
        self.read()
        if (found := self.form.control_at(focus)) is not None:
            found.focus()

    def _row(self) -> tuple[Key, int] | None:
        return self.form.row_of(self.form.key_of(self.focused))

    # roles

    @property
    def _tree(self) -> RoleTree | None:
        """The roles, while the cursor is in them."""
        return self.focused if isinstance(self.focused, RoleTree) else None

    @on(RoleTree.Changed)
    def roles_changed(self) -> None:
        """A scenario has roles or an exchange: the choice follows."""
        exchange = ("messages", "exchange")
        wanted = "roles" if self._draft.conversation["roles"] else self._draft.texts[exchange].replace("roles", "odin")
        if self._draft.texts[exchange] != wanted and isinstance(row := self.form.control_at(exchange), OptionRow):
            self._draft.set_text(exchange, wanted)
            row.value = wanted
        self.read()
        self.refresh_bindings()

    @on(RoleTree.Opened)
    def edit_item(self, event: RoleTree.Opened) -> None:
        """Edit a login, a role, a step or a rule."""
        if (tree := self.form.roles) is not None:
            check = partial(problems_at, self._draft, self._reading.wrong, event.entry.place)
            tree.edit(event.entry, self.preview.messages, check)

    async def action_add(self) -> None:
        if self._tree is not None:
            self._tree.ask_what_to_add()
            return
        here = self.form.key_of(self.focused)
        if (row := self._row()) is not None:
            self._again(await self.form.add_row(*row))
        elif here in self._draft.rows:
            self._again(await self.form.add_row(here, None))

    async def action_remove(self) -> None:
        if self._tree is not None:
            self._tree.take_out()
        if (row := self._row()) is not None:
            self._again(await self.form.remove_row(*row))

    async def action_move(self, by: int) -> None:
        here, row = self.form.key_of(self.focused), self._row()
        if self._tree is not None:
            self._tree.move_item(by)
        elif row is not None and here is not None and self._draft.move(*row, by):
            await self.form.rebuild(row[0])
            self._again(here)

    def action_line(self, by: int) -> None:
        if self.focused is not None and (self._tree or self.form.key_of(self.focused) is not None):
            self.form.go_line(self.focused, by)

    def action_section(self, by: int) -> None:
        self.form.go_section(self.focused, by)

    # what can be done with it

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is not offered has no key."""
        launcher = self.services.launcher
        if action == "connect":
            return launcher is not None and launcher.connect is not None
        if action == "checklist":
            return launcher is not None and launcher.preflight is not None
        if action == "accept":
            return self.is_mounted and self.form.key_of(self.focused) in self._reading.proposals
        if action in ("add", "remove", "move"):
            if not self.is_mounted or self._tree is not None or self._row() is not None:
                return self.is_mounted
            return action == "add" and self.form.key_of(self.focused) in self._draft.rows
        return launcher is not None if action == "run" else True

    def action_accept(self) -> None:
        """Take the value that is proposed for the field under the cursor."""
        if self._soon is not None:
            self.read()
        here, field = self.form.key_of(self.focused), self.focused
        if here is not None and here in self._reading.proposals and isinstance(field, Input):
            field.value = self._reading.proposals[here]
            field.cursor_position = len(field.value)

    async def action_save(self) -> None:
        content = await self._right()
        if content is not None:
            here = self._preset.path if self._preset is not None and self._preset.origin != "shipped" else None
            self.app.push_screen(SaveDialog(content, self.services.presets, here), self._saved)

    def _saved(self, path: Path | None) -> None:
        if path is not None:
            self._rename(path)
            self._draft.saved()
            self._title()
            self.notify(f"saved to {tilde(path)}")

    def _rename(self, path: Path) -> None:
        """Follow the file: it is saved under its own name, and runs are kept under that."""
        if self._preset is not None:
            self._preset = replace(self._preset, name=path.stem, path=path, origin="own")
        if self._draft.texts["name",] == path.stem:
            return
        self._draft.set_text(("name",), path.stem)
        if isinstance(field := self.form.control_at(("name",)), Input):
            field.value = path.stem
        self.read()

    async def action_run(self) -> None:
        content = await self._right()
        if content is not None:
            pause = getattr(content, "cooldown", 0.0)
            self.post_message(requests.Launch(list(self._reading.scenarios), content.name, pause))

    async def action_checklist(self) -> None:
        content = await self._right()
        if content is not None:
            pause = getattr(content, "cooldown", 0.0)
            self.post_message(requests.OpenChecklist(list(self._reading.scenarios), content.name, pause))

    def action_view(self) -> None:
        self.preview.next_view()

    async def action_connect(self) -> None:
        """Open one client, and tell how far it came."""
        if await self._right() is not None:
            self.preview.connect(self._reading.scenarios[0])

    def action_back(self) -> None:
        """Leave; ask where something is not saved."""
        if not self._draft.changed:
            self.app.pop_screen()
            return
        text = "What was changed here is not saved."
        self.app.push_screen(ConfirmDialog("Leave the editor?", text, "Leave"), self._leave)

    def _leave(self, sure: bool | None) -> None:
        if sure:
            self.app.pop_screen()
