"""The logins and roles in the form: rows with a cursor that fold, move, come and go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message

from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import clip, pad
from wstui.scenario.env_refs import value_at
from wstui.scenario.errors import Key
from wstui.tui.bindings import key
from wstui.tui.editor.roles import edits, outline
from wstui.tui.editor.roles.dialogs import AddDialog, Check, ItemForm
from wstui.tui.editor.roles.outline import Item, OutlineRow
from wstui.tui.kit.row_widget import Line, RowWidget, cells, cut

_SIGNS = {"ask": "⇄", "send": "→", "wait": "←", "think": "…", "repeat": "↻", "choose": "◇", "meet": "⇥", "close": "■"}
_SIGNS |= dict.fromkeys(("login", "http"), "⇅")
_EMPTY = "+ roles, instead of an exchange: steps and rules of each kind of client"


class RoleTree(RowWidget, can_focus=True):
    """All logins and roles of a draft. It changes them itself, and tells by `Changed`."""

    DEFAULT_CSS = "RoleTree { height: auto; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        key("enter", "open", "Edit", "roles.edit", "Edit what the cursor is on", shown=True),
        key("d", "duplicate", "Duplicate", "roles.duplicate", "Put a copy below it", shown=True),
        key("left,right", "fold", "Fold", "roles.fold", "Fold or unfold what is inside"),
        key("up,k", "go(-1)", "Up", "roles.up", "One row up"),
        key("down,j", "go(1)", "Down", "roles.down", "One row down"),
    ]

    class Changed(Message):
        """The logins or roles are different now."""

    class Opened(Message):
        """An item is to be edited."""

        def __init__(self, entry: OutlineRow) -> None:
            super().__init__()
            self.entry = entry

    def __init__(self, conversation: Item) -> None:
        super().__init__()
        self.conversation = conversation
        self._folded: set[Key] = set()
        self._wrong: Mapping[Key, str] = {}
        self._entries = outline.outline(conversation, self._folded)
        self._cursor = 0

    @property
    def place(self) -> Key:
        """Where the cursor is; () if there is nothing."""
        return self.entry.place if self.entry is not None else ()

    @property
    def entry(self) -> OutlineRow | None:
        return self._entries[self._cursor] if self._cursor < len(self._entries) else None

    def show(self, wrong: Mapping[Key, str]) -> None:
        """Say what is wrong with which item."""
        self._wrong = {place: text for place, text in wrong.items() if place[:1] in (("login",), ("roles",))}
        self._list()

    def go_to(self, place: Key) -> None:
        """Put the cursor on an item, or on what is nearest around it, and unfold what hides it."""
        self._folded -= {place[:end] for end in range(len(place))}
        self._list()
        known = {entry.place: index for index, entry in enumerate(self._entries)}
        for end in range(len(place), 0, -1):
            if (index := known.get(place[:end])) is not None:
                self._go(index)
                return

    def change(self, place: Key) -> None:
        """The roles were changed, and the cursor belongs to `place` now."""
        self._list()
        self.go_to(place)
        self.post_message(self.Changed())

    def _list(self) -> None:
        before = len(self._entries)
        self._entries = outline.outline(self.conversation, self._folded)
        self._cursor = max(0, min(self._cursor, len(self._entries) - 1))
        if len(self._entries) != before:
            self.refresh(layout=True)
        self.redraw()

    def _go(self, row: int) -> None:
        self._cursor = row
        self.redraw()
        if self.is_mounted:
            self.scroll_visible_row()

    def scroll_visible_row(self) -> None:
        """Keep the cursor in view: the form scrolls."""
        region = Region(0, self._cursor, max(1, self.size.width), 1).translate(self.virtual_region.offset)
        if self.parent is not None:
            self.screen.query_one("#form").scroll_to_region(region, animate=False)

    # keys

    def action_go(self, by: int) -> None:
        """The next row, or the next line of the form."""
        if 0 <= self._cursor + by < len(self._entries):
            self._go(self._cursor + by)
        else:
            self.screen.action_line(by)  # type: ignore[attr-defined]

    def action_open(self) -> None:
        """Edit an item; fold a phase; add the first role."""
        if self.entry is None:
            self.ask_what_to_add()
        elif self.entry.kind == "phase":
            self.action_fold()
        else:
            self.post_message(self.Opened(self.entry))

    def action_fold(self) -> None:
        if self.entry is not None and self.entry.inside:
            self._folded ^= {self.place}
            self._list()

    def action_duplicate(self) -> None:
        if edits.is_item(self.place):
            self.change(edits.duplicate(self.conversation, self.place))

    def ask_what_to_add(self) -> None:
        """Ask what to add where the cursor is, and add it."""

        def add(kind: str | None) -> None:
            if kind is not None:
                self.change(edits.add(self.conversation, self.place, kind))

        self.app.push_screen(AddDialog(edits.kinds_at(self.conversation, self.place)), add)

    def edit(self, entry: OutlineRow, messages: Sequence[str], check: Check) -> None:
        """Ask for the values of an item; `messages` were received last, `check` says what would be wrong."""

        def keep(values: dict[str, Any] | None) -> None:
            if values is not None:
                edits.put(self.conversation, entry.place, values)
                self.change(entry.place)

        self.app.push_screen(ItemForm(entry, value_at(self.conversation, entry.place), messages, check), keep)

    def take_out(self) -> None:
        """Take out the item under the cursor."""
        if edits.is_item(self.place):
            self.change(edits.remove(self.conversation, self.place))

    def move_item(self, by: int) -> None:
        """Move the item under the cursor."""
        if edits.is_item(self.place):
            self.change(edits.move(self.conversation, self.place, by))

    def on_click(self, event: events.Click) -> None:
        """Go to a row; the second click edits it."""
        if event.y < len(self._entries):
            again = event.y == self._cursor and event.chain > 1
            self._go(event.y)
            if again:
                self.action_open()

    # what it reads

    def get_content_height(self, *_: object) -> int:
        return max(1, len(self._entries))

    def paint(self, width: int, height: int) -> list[Line]:
        if not self._entries:
            return [
                self._ground([("+ ", "accent"), (clip(_EMPTY[2:], width - 2), "muted")], width, selected=self.has_focus)
            ]
        return [
            self._ground(self._row(entry), width, selected=self.has_focus and index == self._cursor)
            for index, entry in enumerate(self._entries)
        ]

    def _row(self, entry: OutlineRow) -> Line:
        fold = " "
        if entry.inside:
            fold = "▸" if entry.place in self._folded else "▾"
        line: Line = [("  " * entry.depth, "text"), (f"{fold} ", "accent")]
        wrong = next((text for place, text in self._wrong.items() if place[: len(entry.place)] == entry.place), "")
        hides = entry.place in self._folded or not entry.inside
        mark = "✗ " if wrong and (hides or entry.place in self._wrong) else ""
        line.append((mark, "bad"))
        if entry.kind == "role":
            line += [(sanitize(entry.name or "no name", 60), "strong"), (f"  {entry.text}", "muted")]
        elif entry.kind == "phase":
            line += [(pad(entry.name, 6), "accent"), (entry.text, "muted")]
        else:
            kind = _SIGNS.get(entry.kind, "*")
            label = entry.name if entry.kind in _SIGNS and entry.name else entry.kind
            line += [(f"{kind} ", "accent"), (sanitize(label, 60), "text" if entry.name else "muted")]
            if entry.name and entry.kind not in _SIGNS:
                line.append((f" {sanitize(entry.name, 60)}", "text"))
            line.append((f"  {sanitize(entry.text, 300)}", "received"))
        if mark:
            line.append((f"  {sanitize(wrong, 300)}", "bad"))
        return line

    @staticmethod
    def _ground(line: Line, width: int, *, selected: bool) -> Line:
        if not selected:
            return line
        line = cut([(text, f"{meaning}@cursor") for text, meaning in line], width)
        return [*line, (" " * max(0, width - cells(line)), "text@cursor")]
