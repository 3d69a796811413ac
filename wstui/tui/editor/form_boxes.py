"""What holds lines in the form: groups and items of a list that fold, and lists whose rows come and go."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from wstui.measure.sanitize import sanitize
from wstui.scenario.errors import Key
from wstui.scenario.fields import Field, FieldKind, row_fields
from wstui.tui.editor.draft import Draft
from wstui.tui.editor.form_lines import AddRow, ColumnNames, Foldout, FormLine, FormRow
from wstui.tui.editor.layout import Group, label

_MOST_COLUMNS = 6
_ADDERS = {"stages": "a stage", "thresholds": "a limit", "headers": "a header", "expect": "what a reply must hold"}


def _is_card(field: Field) -> bool:
    """Whether an item of a list has too much in it for a row."""
    return field.kind is FieldKind.ROWS and len(row_fields(field)) > _MOST_COLUMNS


class RowsBox(Vertical):
    """A list: its items, and what adds one."""

    def __init__(self, draft: Draft, key: Key, opened: set[Key]) -> None:
        super().__init__(classes="rows-host")
        self.key = key
        self._draft, self._opened = draft, opened
        self.note = ""
        self._wrong = Static(classes="wrong", markup=False)

    def compose(self) -> ComposeResult:
        field = self._draft.field(self.key)
        numbers = self._draft.rows[self.key]
        if _is_card(field):
            for place, number in enumerate(numbers, 1):
                yield Card(self._draft, (*self.key, number), f"{label(field).removesuffix('s')} {place}", self._opened)
        elif numbers:
            yield ColumnNames(self._draft, self.key)
            for number in numbers:
                yield FormRow(self._draft, self.key, number)
        self.note = ""
        self._wrong = Static(classes="wrong", markup=False)
        self._wrong.display = False
        yield self._wrong
        yield AddRow(self.key, _ADDERS.get(field.name, f"a {label(field).removesuffix('s')}"))

    def show_note(self, text: str) -> None:
        """What is wrong with the list as a whole."""
        text = f"✗ {sanitize(text)}" if text else ""
        if text != self.note:
            self.note = text
            self._wrong.update(Content(text))
            self._wrong.display = bool(text)


class Folding(Vertical):
    """A title that opens and closes what is below it."""

    def __init__(self, draft: Draft, key: Key, title: str, opened: set[Key], *, classes: str) -> None:
        super().__init__(classes=classes)
        self.key = key
        self.draft, self.opened = draft, opened
        self.title_shown = title
        self.fold = self._fold()

    def _fold(self) -> Foldout:
        made = Foldout(self.key, self.title_shown, [label(field) for field in self.inside()])
        made.open = self.key in self.opened
        return made

    def inside(self) -> list[Field]:
        raise NotImplementedError

    def parts(self) -> Iterator[Widget]:
        """What is below the title while it is open."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        self.fold = self._fold()
        if self.title_shown:
            yield self.fold
        if not self.title_shown or self.fold.open:
            yield from self.parts()


class GroupBox(Folding):
    def __init__(self, draft: Draft, group: Group, opened: set[Key]) -> None:
        self.group = group
        super().__init__(draft, (group.name,), group.title, opened, classes="group-host")

    def inside(self) -> list[Field]:
        return list(self.group.fields)

    def parts(self) -> Iterator[Widget]:
        """A line or a list for each."""
        for field in self.group.fields:
            if field.path in self.draft.rows:
                yield RowsBox(self.draft, field.path, self.opened)
            else:
                yield FormLine(self.draft, field.path)


class Card(Folding):
    """An item of a list that has much in it."""

    def __init__(self, draft: Draft, row: Key, title: str, opened: set[Key]) -> None:
        super().__init__(draft, row, title, opened, classes="card")

    def inside(self) -> list[Field]:
        return row_fields(self.draft.field(self.key[:-1]))

    def _fold(self) -> Foldout:
        made = super()._fold()
        name = self.draft.texts.get((*self.key, "name"), "")
        made = Foldout(self.key, f"{self.title_shown}  {name}".rstrip(), [label(field) for field in self.inside()])
        made.open = self.key in self.opened
        return made

    def parts(self) -> Iterator[Widget]:
        """A line or a list for each."""
        for field in self.inside():
            key = (*self.key, field.name)
            yield RowsBox(self.draft, key, self.opened) if key in self.draft.rows else FormLine(self.draft, key)
