"""The dialogs of the roles: what to add, and the form of a login, a role, a step or a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from textual.widget import Widget

from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import clip, pad
from wstui.scenario.errors import BadValue, Key
from wstui.scenario.fields import Field, FieldKind
from wstui.tui.dialogs.dialog import Dialog, DialogField, Form
from wstui.tui.editor.roles import http_fields
from wstui.tui.editor.roles.matching import tried
from wstui.tui.editor.roles.outline import Item, OutlineRow, editable_fields, text_of, value_of
from wstui.tui.kit.list_table import ListTable
from wstui.tui.kit.row_widget import Line

Kind = tuple[str, str]
_MATCHERS = ("expect", "refuse", "on", "of")
_TABLES = (*_MATCHERS, "json", "capture", "headers", "form")
Check = Callable[[Mapping[str, Any]], Mapping[Key, str]]
"""Returns what would be wrong with an item, by place in it, if it had these values."""


class Kinds(ListTable[Kind]):
    """What can be added, each with what it is."""

    DEFAULT_CSS = "Kinds { height: 17; }"

    def head(self, width: int) -> Line:
        return [("add", "text")]

    def names(self, width: int) -> Line:
        return []

    def row(self, item: Kind, width: int, *, selected: bool) -> Line:
        ground = "@cursor" if selected else ""
        name, told = item
        return [(f" {pad(name, 12)}", f"accent{ground}"), (pad(clip(told, width - 13), width - 13), f"text{ground}")]

    def empty(self) -> str:
        return "nothing can be added here"

    def key_of(self, item: Kind) -> str:
        return item[0]


class AddDialog(Dialog[str]):
    """Asks what to add; answers with its kind."""

    title_text = "Add to the conversation"
    AUTO_FOCUS = "Kinds"

    def __init__(self, kinds: Sequence[Kind]) -> None:
        super().__init__()
        self._kinds = Kinds()
        self._kinds.set_items(kinds)

    def body(self) -> Iterable[Widget]:
        yield self._kinds

    def subtitle(self) -> str:
        return "enter adds it, esc closes"

    def on_list_table_chosen(self, event: ListTable.Chosen) -> None:
        self.dismiss(event.table.selected[0] if event.table.selected is not None else None)


class ItemForm(Form[dict[str, Any]]):
    """Edits one item; what it expects is tried on the last messages that a client received."""

    SEND = "Keep"

    def __init__(self, entry: OutlineRow, item: Item, messages: Sequence[str], check: Check) -> None:
        super().__init__()
        self.title_text = f"{entry.kind} {sanitize(entry.name, 60)}".rstrip()
        self.add_class("wide-dialog")
        self._kind, self._item, self._messages, self._check = entry.kind, item, messages, check
        self._made = editable_fields(entry.kind, item)

    def fields(self) -> Iterable[DialogField]:
        item = http_fields.to_form(self._kind, self._item)
        for field in self._made:
            value = item.get(field.name)
            text = inline_table(value) if field.name in _TABLES else text_of(value)
            label = field.title if len(field.title) < 14 else field.name
            yield DialogField(field.name, label, text, partial(_parsed, field), partial(self._hint, field))

    def _hint(self, field: Field, value: Any) -> str:
        if field.name in _MATCHERS and self._kind not in ("login", "http") and value is not None:
            return tried(value, self._messages)
        choices = f" ({', '.join(field.options)})" if field.options else ""
        return f"{field.description}{choices}"

    def answer(self, values: dict[str, Any]) -> dict[str, Any] | None:
        """The values, unless the scenario would not take them."""
        values = http_fields.from_form(self._kind, self._item, values)
        for place, problem in self._check(values).items():
            name = http_fields.field_at(self._kind, place)
            here = name if any(field.name == name for field in self._made) else self._made[0].name
            self.refuse(here, problem)
            return None
        return values


def inline_table(value: Any) -> str:
    """A table, a list or a text, as it is typed into a field of tables."""
    return "" if value is None else f'"{value}"' if isinstance(value, str) else text_of(value)


def _parsed(field: Field, text: str) -> Any:
    value = value_of(text, table=field.name in _TABLES)
    if isinstance(value, str) and field.options and value not in field.options and "${" not in value:
        raise BadValue(f"is one of {', '.join(field.options)}")
    if field.kind is FieldKind.SWITCH and isinstance(value, str):
        return {"yes": True, "no": False}.get(value, value)
    return value
