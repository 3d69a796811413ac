"""The lines of a form: a value with its label, a row of values, a fold, and what adds a row."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from rich.text import Text as RichText
from textual import events, on
from textual.app import ComposeResult
from textual.css.styles import RenderStyles
from textual.dom import DOMNode
from textual.geometry import Size
from textual.message import Message
from textual.reactive import Reactive
from textual.widgets import Input

from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import clip, pad, wrap
from wstui.scenario.errors import Key
from wstui.scenario.fields import Field, FieldKind, row_fields
from wstui.tui.editor.draft import SEARCHES, STAGES, Draft
from wstui.tui.editor.field_text import text_of
from wstui.tui.editor.layout import label
from wstui.tui.kit.option_row import OptionRow
from wstui.tui.kit.row_widget import Line, RowWidget, cells

_WIDTHS = {
    "stages.over": 7, "stages.clients": 9, "stages.arrive": 7, "stages.stay": 6, "stages.every": 6,
    "thresholds.limit": 11, "thresholds.stage": 7, "thresholds.after": 5, "thresholds.abort_on_fail": 7,
}  # fmt: skip
"""Cells of the columns that are not as wide as there is room."""
_PLACEHOLDERS = {
    "stages.clients": "as before",
    "stages.arrive": "nobody",
    "stages.every": "same",
    "thresholds.stage": "all",
}


class Value(Message):
    def __init__(self, key: Key, text: str) -> None:
        super().__init__()
        self.key, self.text = key, text


class RowRequest(Message):
    """A row is wanted ("add", "remove"), or a fold opened or closed ("fold"); `key` is that of rows, row or group."""

    def __init__(self, what: str, key: Key) -> None:
        super().__init__()
        self.what, self.key = what, key


class NotedLine(RowWidget):
    """Something that has a note below it: what it means, or what is wrong with it.

    It paints all of its texts itself, around what edits the values: a form has many of these.
    """

    INDENT = 2

    def __init__(self, key: Key, *, classes: str) -> None:
        super().__init__(classes=classes)
        self.key = key
        self.note = ""
        self._wrong = False

    def show_note(self, text: str, *, wrong: bool) -> None:
        """Draw the note, or remove it if it is empty."""
        text = f"✗ {sanitize(text)}" if wrong else sanitize(text)
        if (text, wrong) != (self.note, self._wrong):
            before = len(self._rows(self.size.width))
            self.note, self._wrong = text, wrong
            if len(self._rows(self.size.width)) != before:
                self.refresh(layout=True)
            self.redraw()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """A row, and those of the note."""
        return 1 + len(self._rows(width))

    def _rows(self, width: int) -> list[str]:
        return wrap(self.note, max(8, width - self.INDENT)) if self.note else []

    def first_row(self, width: int) -> Line:
        raise NotImplementedError

    def paint(self, width: int, height: int) -> list[Line]:
        meaning = "bad" if self._wrong else "muted"
        rows: list[Line] = [[(" " * self.INDENT, "text"), (row, meaning)] for row in self._rows(width)]
        return [self.first_row(width), *rows]


class Text(Input):
    """An input that shows no mark that could reorder its row, and finds the styles of its parts when it paints them."""

    DEFAULT_CSS = """
    Text { &, &:focus { border: none; height: 1; padding: 0; } }
    """
    virtual_size = Reactive(Size(0, 0))  # the length of the text has no effect on the layout of the screen

    def validate(self, value: str) -> None:
        """Leave what is right to the form: classes for it would style each of many inputs once more."""

    @classmethod
    def _get_component_classes(cls) -> frozenset[str]:  # type: ignore[override]
        """Return none of them: to style cursor, placeholder and selection of each input takes as long as the rest."""
        return frozenset()

    def get_component_styles(self, *names: str) -> RenderStyles:
        for name in names:
            if name not in self._component_styles:
                part = DOMNode(classes=name)
                part._attach(self)
                self.app.stylesheet.apply(part, animate=False)
                self._component_styles[name] = part.styles
        return super().get_component_styles(*names)

    def notify_style_update(self) -> None:
        self._component_styles.clear()
        super().notify_style_update()

    @property
    def _value(self) -> RichText:
        shown = super()._value
        if not shown.plain.isascii():
            shown.plain = "".join(char for char in shown.plain if unicodedata.category(char) != "Cf")
        return shown


def control(draft: Draft, key: Key) -> Input | OptionRow:
    """What edits the value at a key."""
    field, text = draft.field(key), draft.texts[key]
    if field.kind is FieldKind.TABLE:
        return OptionRow((STAGES, SEARCHES), text)
    if field.kind in (FieldKind.CHOICE, FieldKind.SWITCH):
        return OptionRow(field.options, text)
    secret = draft.is_secret(key)
    name = ".".join(str(part) for part in field.path)
    default = text_of(field, field.default)
    shown = draft.source(key) if secret else _PLACEHOLDERS.get(name, default)
    return Text(text, password=secret, placeholder=shown, select_on_focus=False)


class FormLine(NotedLine):
    """A label and a value."""

    INDENT = 15

    def __init__(self, draft: Draft, key: Key) -> None:
        super().__init__(key, classes="form-line")
        self.control = control(draft, key)
        self._label = label(draft.field(key))

    def compose(self) -> ComposeResult:
        """What edits the value, beside its label."""
        yield self.control

    def first_row(self, width: int) -> Line:
        return [(pad(self._label, self.INDENT - 1), "muted")]

    @on(Input.Changed)
    @on(OptionRow.Changed)
    def changed(self, event: Input.Changed | OptionRow.Changed) -> None:
        event.stop()
        self.post_message(Value(self.key, self.control.value))


class FormRow(NotedLine):
    """One item of a list: its values side by side, in the columns of `ColumnNames`."""

    def __init__(self, draft: Draft, rows: Key, number: int) -> None:
        super().__init__((*rows, number), classes="form-row")
        self._draft = draft
        self.controls: dict[Key, Input | OptionRow] = {}
        for field in row_fields(draft.field(rows)):
            key = (*self.key, field.name)
            made = self.controls[key] = control(draft, key)
            made.styles.width = _width(field) or "1fr"
        first, *_, last = self.controls.values()
        first.styles.margin = (0, 1, 0, _BEFORE)
        last.styles.margin = (0, _BEHIND, 0, 0)

    def compose(self) -> ComposeResult:
        yield from self.controls.values()

    def first_row(self, width: int) -> Line:
        """A mark before them, and the cross behind them that takes the row out."""
        return [("·", "muted"), (" " * max(0, width - 3), "text"), ("×", "muted")]

    def on_click(self, event: events.Click) -> None:
        if event.widget is self and event.y == 0 and event.x >= self.size.width - 3:
            event.stop()
            self.post_message(RowRequest("remove", self.key))

    @on(Input.Changed)
    @on(OptionRow.Changed)
    def changed(self, event: Input.Changed | OptionRow.Changed) -> None:
        event.stop()
        key = next(key for key, made in self.controls.items() if made is event.control)
        self.post_message(Value(key, event.control.value))

    def mask(self) -> None:
        """Hide what must not be seen: a header may have become a secret one."""
        for key, made in self.controls.items():
            if isinstance(made, Input) and made.password != (secret := self._draft.is_secret(key)):
                made.password = secret


class ColumnNames(RowWidget):
    """The names over the columns of rows."""

    DEFAULT_CSS = "ColumnNames { height: 1; }"

    def __init__(self, draft: Draft, rows: Key) -> None:
        super().__init__()
        self._fields = row_fields(draft.field(rows))
        self._first = label(draft.field(rows)).removesuffix("s")

    def paint(self, width: int, height: int) -> list[Line]:
        """One over each: columns of a width of their own, the others share what is left."""
        fixed = [_width(field) for field in self._fields]
        room = width - _BEFORE - _BEHIND - (len(fixed) - 1) - sum(fixed)
        shares = max(1, fixed.count(0))
        line: Line = [(" " * _BEFORE, "text")]
        given = 0
        for index, (field, wide) in enumerate(zip(self._fields, fixed, strict=True)):
            if not wide:
                wide = room * (given + 1) // shares - room * given // shares
                given += 1
            text = self._first if index == 0 and field.name == "name" else label(field)
            line.append((pad(text, max(0, wide)) + " ", "muted"))
        return [line]


_BEFORE, _BEHIND = 2, 3
"""Cells for the mark before a row, and for the cross behind it."""


def _width(field: Field) -> int:
    """The cells of a column, 0 where it shares what is left."""
    return _WIDTHS.get(".".join(map(str, field.path)), 0)


class PressableLine(RowWidget, can_focus=True):
    """A line that does something on enter, space or a click."""

    DEFAULT_CSS = "PressableLine { height: 1; }"

    def __init__(self, what: str, key: Key) -> None:
        super().__init__()
        self.what, self.key = what, key

    def _press(self) -> None:
        self.post_message(RowRequest(self.what, self.key))

    def on_click(self) -> None:
        self._press()

    def on_key(self, event: events.Key) -> None:
        if event.key in ("enter", "space"):
            event.stop()
            self._press()

    def words(self, width: int) -> Line:
        """What it reads; the ground is put under it."""
        raise NotImplementedError

    def paint(self, width: int, height: int) -> list[Line]:
        line = self.words(width)
        if not self.has_focus:
            return [line]
        line = [(text, f"{meaning}@cursor") for text, meaning in line]
        return [[*line, (" " * max(0, width - cells(line)), "text@cursor")]]


class AddRow(PressableLine):
    def __init__(self, rows: Key, name: str) -> None:
        super().__init__("add", rows)
        self._text = name

    def words(self, width: int) -> Line:
        return [("+ ", "accent"), (self._text, "muted")]


class Foldout(PressableLine):
    """Opens and closes a group; closed it tells what is in it, and how much of that is set."""

    def __init__(self, key: Key, title: str, inside: Sequence[str]) -> None:
        super().__init__("fold", key)
        self._title, self._inside = title, inside
        self.open = False
        self.number_set = 0
        self.wrong = False

    def words(self, width: int) -> Line:
        line: Line = [("▾ " if self.open else "▸ ", "accent"), (sanitize(self._title), "text")]
        if self.wrong:
            line.append(("  ✗ something is wrong in here", "bad"))
        elif not self.open:
            if self.number_set:
                line.append((f"  {self.number_set} set", "warn"))
            room = width - cells(line) - 2
            if room > 8 and self._inside:
                line.append(("  " + clip(", ".join(self._inside), room), "muted"))
        return line
