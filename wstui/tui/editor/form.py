"""The form: the sections of a draft, what is said beside each line, and where the cursor can go."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping
from typing import TypeVar, cast

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from wstui.measure.sanitize import sanitize
from wstui.scenario.errors import Key
from wstui.scenario.model import Scenario
from wstui.tui.editor.draft import Draft
from wstui.tui.editor.form_boxes import Folding, GroupBox, RowsBox
from wstui.tui.editor.form_lines import FormLine, FormRow, PressableLine
from wstui.tui.editor.layout import Group, groups, label, matters
from wstui.tui.editor.roles.role_tree import RoleTree
from wstui.tui.kit.option_row import OptionRow
from wstui.tui.kit.row_widget import RowWidget

W = TypeVar("W", bound=Widget)


class FormView(VerticalScroll, can_focus=False, inherit_bindings=False):
    """All of a draft, top to bottom."""

    def __init__(self, draft: Draft, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._draft = draft
        self._later = groups(type(draft.content))
        """Those that are not mounted yet."""
        self._below = Static()  # where they will be, so that the first picture has a scrollbar
        self._mounting = asyncio.Lock()
        self._shown: tuple[Mapping[Key, str], Mapping[Key, str]] = {}, {}
        self._parts: dict[type[Widget], list[Widget]] = {}
        self.opened: set[Key] = set()
        self.roles = RoleTree(draft.conversation) if isinstance(draft.content, Scenario) else None
        self.note = ""
        self._section = ""

    def compose(self) -> ComposeResult:
        """Sections and their groups as far as the first picture shows them, and what no line is to blame for."""
        yield from self._next(self.app.size.height)
        self._below.styles.height = sum(map(self._rows, self._later))
        yield self._below
        yield Static(id="form-wrong", classes="wrong", markup=False)

    def on_mount(self) -> None:
        self.call_after_refresh(self.complete)

    async def complete(self) -> None:
        """Mount the groups below the first picture."""
        async with self._mounting:
            if self._later:
                await self.mount_all(list(self._next()), before=self._below)
                self._below.display = False
                self._parts.clear()
                self.show(*self._shown)

    def _next(self, rows: float = math.inf) -> Iterator[Widget]:
        """Yield the next groups, with the names of their sections, until there are so many rows."""
        while self._later and rows > 0:
            group = self._later.pop(0)
            if group.section != self._section:
                self._section = group.section
                if self._section == "limits" and self.roles is not None:
                    yield self.roles
                yield Static(self._section, classes="section-name", markup=False)
            yield GroupBox(self._draft, group, self.opened)
            rows -= self._rows(group)

    def _rows(self, group: Group) -> int:
        """About as many rows as a group takes: a value has a note, a list its items."""
        fields = () if group.title else (field for field in group.fields if matters(field, self._draft.text))
        return 1 + sum(2 + len(self._draft.rows.get(field.path, ())) for field in fields)

    def _all(self, kind: type[W]) -> list[W]:
        """All parts of a kind, in order. A query costs more than all else that a key does."""
        if kind not in self._parts:
            found: list[Widget] = list(self.query(kind))
            if not self.is_mounted:
                return cast("list[W]", found)
            self._parts[kind] = found
        return cast("list[W]", self._parts[kind])

    def show(self, wrong: Mapping[Key, str], hints: Mapping[Key, str]) -> None:
        """Say beside each line what it means or what is wrong with it, and show the lines that matter."""
        draft, self._shown = self._draft, (wrong, hints)
        for line in self._all(FormLine):
            _display(line, matters(draft.field(line.key), draft.text))
            line.show_note(wrong.get(line.key) or hints.get(line.key, ""), wrong=line.key in wrong)
        for row in self._all(FormRow):
            bad = [key for key in wrong if key[: len(row.key)] == row.key]
            for key, made in row.controls.items():
                if made.has_class("-wrong") != (key in wrong):
                    made.set_class(key in wrong, "-wrong")
            row.mask()
            text = "; ".join(self._told(row.key, key, wrong[key]) for key in bad)
            row.show_note(text or hints.get(row.key, ""), wrong=bool(bad))
        for rows in self._all(RowsBox):
            _display(rows, matters(draft.field(rows.key), draft.text))
            rows.show_note(wrong.get(rows.key, ""))
        for host in self._all(Folding):
            if isinstance(host, GroupBox) and host.title_shown:
                _display(host, any(matters(field, draft.text) for field in host.group.fields))
            host.fold.number_set = sum(draft.is_set(key) for key in self._keys_in(host))
            host.fold.wrong = not host.fold.open and any(self._is_in(key, host) for key in wrong)
            host.fold.redraw()
        if self.roles is not None:
            self.roles.show(wrong)
        said = f"✗ {sanitize(wrong[()])}" if () in wrong else ""
        if said != self.note:
            self.note = said
            self.query_one("#form-wrong", Static).update(Content(said))

    def _told(self, row: Key, key: Key, text: str) -> str:
        return text if key == row else f"{label(self._draft.field(key))} {text}"

    def _keys_in(self, host: Folding) -> list[Key]:
        if isinstance(host, GroupBox):
            return [field.path for field in host.group.fields]
        return [(*host.key, field.name) for field in host.inside()] if host.key[:-1] in self._draft.rows else []

    def _is_in(self, key: Key, host: Folding) -> bool:
        return any(key[: len(inside)] == inside for inside in self._keys_in(host))

    def typed(self) -> dict[Key, str]:
        """What stands in every line just now."""
        found = {line.key: line.control.value for line in self._all(FormLine)}
        for row in self._all(FormRow):
            found |= {key: made.value for key, made in row.controls.items()}
        return found

    # where things are

    def control_at(self, key: Key) -> Widget | None:
        """What edits the value at a key, of a row its first value, of a list or a fold the line itself."""
        if key[:1] in (("login",), ("roles",)) and self.roles is not None:
            self.roles.go_to(key)
            return self.roles
        for line in self._all(FormLine):
            if line.key == key:
                return line.control
        for row in self._all(FormRow):
            if key in row.controls:
                return row.controls[key]
            if row.key == key:
                return next(iter(row.controls.values()))
        return next((press for press in self._all(PressableLine) if press.key == key), None)

    def key_of(self, widget: Widget | None) -> Key | None:
        """The key of the value that a widget edits, or of the fold or list that it opens or adds to."""
        if isinstance(widget, PressableLine):
            return widget.key
        if isinstance(widget, RoleTree):
            return ("roles",)
        for around in widget.ancestors if widget is not None else ():
            if isinstance(around, FormLine):
                return around.key
            if isinstance(around, FormRow):
                return next((key for key, made in around.controls.items() if made is widget), around.key)
        return None

    def row_of(self, key: Key | None) -> tuple[Key, int] | None:
        """The list and the number of the row that a key is in, the innermost one."""
        for end in range(len(key or ()), 0, -1):
            assert key is not None
            number = key[end - 1]
            if isinstance(number, int) and number in self._draft.rows.get(key[: end - 1], ()):
                return key[: end - 1], number
        return None

    async def rebuild(self, rows: Key) -> None:
        """Redraw a list whose rows or their order changed."""
        await self.complete()
        for host in self._all(RowsBox):
            if host.key == rows:
                await self._recompose(host)

    async def add_row(self, rows: Key, after: int | None) -> Key:
        """Add a row to a list, after one of its rows or at the end; return the key that the cursor belongs to."""
        number = self._draft.add(rows, after)
        self.opened.add((*rows, number))
        await self.rebuild(rows)
        first = (*rows, number, "name")
        return first if self.control_at(first) else (*rows, number)

    async def remove_row(self, rows: Key, number: int) -> Key:
        """Take a row out of its list; return the key that the cursor belongs to."""
        place = self._draft.rows[rows].index(number)
        self._draft.remove(rows, number)
        await self.rebuild(rows)
        left = self._draft.rows[rows]
        return (*rows, left[min(place, len(left) - 1)]) if left else rows

    async def fold(self, key: Key, *, open: bool | None = None) -> None:
        """Open or close a group or an item of a list."""
        await self.complete()
        for host in self._all(Folding):
            if host.key == key:
                wanted = key not in self.opened if open is None else open
                (self.opened.add if wanted else self.opened.discard)(key)
                await self._recompose(host)

    async def _recompose(self, host: Widget) -> None:
        """Build a host again. Textual does not tell everything that is new in it how large it is."""
        self._parts.clear()
        await host.recompose()
        self._parts.clear()
        for lines in host.query(RowWidget):
            self.call_after_refresh(lines.redraw)

    async def reveal(self, key: Key) -> None:
        """Open what hides a value."""
        await self.complete()
        for host in self._all(Folding):
            if not host.fold.open and host.title_shown and self._is_in(key, host):
                await self.fold(host.key, open=True)
                await self.reveal(key)
                return

    def go_line(self, here: Widget, by: int) -> None:
        """Focus the nearest control in the next line, or in the line before."""
        x, y = place(here, self)
        places = [(place(found, self), found) for found in self.controls()]
        beyond = [row for (_, row), _ in places if (row - y) * by > 0]
        if beyond:
            row = min(beyond, key=lambda row: abs(row - y))
            min((found for found in places if found[0][1] == row), key=lambda found: abs(found[0][0] - x))[1].focus()

    def go_section(self, here: Widget | None, by: int) -> None:
        """Focus the first control of the next section, or of the one before."""
        row = place(here, self)[1] if here is not None else 0
        tops = [place(name, self)[1] for name in self.query(".section-name")]
        index = max([number for number, top in enumerate(tops) if top < row], default=0) + by
        if 0 <= index < len(tops):
            below = [found for found in self.controls() if place(found, self)[1] > tops[index]]
            if below:
                below[0].focus()

    def controls(self) -> list[Widget]:
        """Everything that the cursor can go to, in order."""
        return [
            w for w in self.query("*") if isinstance(w, Input | OptionRow | PressableLine | RoleTree) and _is_shown(w)
        ]


def _display(widget: Widget, shown: bool) -> None:
    if widget.display != shown:
        widget.display = shown


def place(widget: Widget, form: FormView) -> tuple[int, int]:
    """Column and row of a widget in the form, wherever that is scrolled to."""
    x = y = 0
    around: Widget | None = widget
    while around is not None and around is not form:
        x, y = x + around.virtual_region.x, y + around.virtual_region.y
        around = around.parent if isinstance(around.parent, Widget) else None
    return x, y


def _is_shown(widget: Widget) -> bool:
    return all(around.display for around in (widget, *widget.ancestors) if isinstance(around, Widget))
