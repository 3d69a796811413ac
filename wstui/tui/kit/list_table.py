"""A table with a cursor: the base of the lists of errors, presets and runs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from textual import events
from textual.binding import BindingType
from textual.message import Message

from wstui.tui.bindings import key
from wstui.tui.kit.row_widget import Line, RowWidget, rule

Item = TypeVar("Item")
_PAGE = 8
_HEADS = 2


class ListTable(RowWidget, Generic[Item], can_focus=True):
    """Rows with a cursor that stays on its item when the order changes.

    Subclasses say what a row, the head and the column names read. `accent` is the meaning of the line in the head
    while the focus is elsewhere.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        key("enter", "choose", "Open", "list.open", "Open what the cursor is on"),
        key("up,k", "move(-1)", "Up", "list.up", "One row up"),
        key("down,j", "move(1)", "Down", "list.down", "One row down"),
        key("pageup", f"move(-{_PAGE})", "Page up", "list.page_up", "Eight rows up"),
        key("pagedown", f"move({_PAGE})", "Page down", "list.page_down", "Eight rows down"),
        key("home", "move(-100000)", "First", "list.first", "The first row"),
        key("end,G", "move(100000)", "Last", "list.last", "The last row"),
    ]

    class Moved(Message):
        """The cursor is on another item."""

        def __init__(self, table: ListTable[Any]) -> None:
            super().__init__()
            self.table = table

    class Chosen(Message):
        """The item under the cursor was opened."""

        def __init__(self, table: ListTable[Any]) -> None:
            super().__init__()
            self.table = table

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.items: list[Item] = []
        self.accent = "rule"
        self._cursor = 0
        self._top = 0

    def head(self, width: int) -> Line:
        raise NotImplementedError

    def names(self, width: int) -> Line:
        raise NotImplementedError

    def row(self, item: Item, width: int, *, selected: bool) -> Line:
        """One item in exactly `width` cells; a selected one on the ground "@cursor"."""
        raise NotImplementedError

    def empty(self) -> str:
        raise NotImplementedError

    def key_of(self, item: Item) -> Hashable:
        """Return what identifies an item, and stays when it changes."""
        raise NotImplementedError

    def set_items(self, items: Sequence[Item]) -> None:
        """Other items; the cursor stays where it was."""
        before = self.selected
        self.items = list(items)
        if before is not None:
            wanted = self.key_of(before)
            self._cursor = next((i for i, item in enumerate(self.items) if self.key_of(item) == wanted), self._cursor)
        self._cursor = max(0, min(self._cursor, len(self.items) - 1))
        self.redraw()

    def go_to(self, item: Item | None) -> None:
        """Put the cursor on an item."""
        if item in self.items:
            self._go(self.items.index(item))

    @property
    def selected(self) -> Item | None:
        """The item under the cursor."""
        return self.items[self._cursor] if self._cursor < len(self.items) else None

    @property
    def visible_items(self) -> list[Item]:
        return self.items[self._top : self._top + max(1, self.size.height - _HEADS)]

    def action_move(self, by: int) -> None:
        self._go(self._cursor + by)

    def action_choose(self) -> None:
        if self.selected is not None:
            self.post_message(self.Chosen(self))

    def _go(self, row: int) -> None:
        row = max(0, min(row, len(self.items) - 1))
        if row != self._cursor:
            self._cursor = row
            self.post_message(self.Moved(self))
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        """Go to the row clicked; the second click opens it."""
        row = self._top + event.y - _HEADS
        if event.y >= _HEADS and row < len(self.items):
            again = row == self._cursor and event.chain > 1
            self._go(row)
            if again:
                self.action_choose()

    def on_mouse_scroll_down(self) -> None:
        self.action_move(1)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-1)

    def paint(self, width: int, height: int) -> list[Line]:
        """Head, names of the columns, items around the cursor."""
        accent = "accent" if self.has_focus else self.accent
        if not self.items:
            return [rule(self.head(width), width, meaning=accent), [(f" {self.empty()}", "muted")]]
        rows = max(1, height - _HEADS)
        self._top = max(0, min(self._top, len(self.items) - rows))
        self._top = min(max(self._top, self._cursor - rows + 1), self._cursor)
        place: Line = []
        if len(self.items) > rows:
            place = [(f" {self._cursor + 1} of {len(self.items)} ", "muted")]
        lines = [rule(self.head(width), width, meaning=accent, right=place), self.names(width)]
        for index, item in enumerate(self.items[self._top : self._top + rows], self._top):
            lines.append(self.row(item, width, selected=index == self._cursor and self.has_focus))
        return lines
