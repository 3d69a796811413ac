"""The dialogs of the roles: what to add, and the form of a login, a role, a step or a rule."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from textual.widget import Widget

from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import clip, pad
from wstui.scenario.conversation.conditions import ANY, Condition, alternatives_of
from wstui.scenario.errors import BadValue, Key
from wstui.scenario.fields import Field, FieldKind
from wstui.tui.dialogs.dialog import Dialog, DialogField, Form
from wstui.tui.editor.roles import http_fields
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


def tried(matcher: Any, messages: Sequence[str]) -> str:
    """In a sentence which of the messages a matcher matches. Raises BadValue."""
    alternatives = alternatives_of(matcher)
    if not messages:
        return "ctrl+d in the form fetches messages to try it on"
    found = [text for text in messages if any(all(_holds(c, text) for c in conditions) for conditions in alternatives)]
    if not found:
        return f"▲ matches none of the last {len(messages)} messages, such as {sanitize(messages[-1], 60)}"
    return f"✓ matches {len(found)} of the last {len(messages)} messages: {sanitize(found[-1], 60)}"


def _holds(condition: Condition, text: str) -> bool:
    """Whether a message meets a condition; a placeholder stands for any value."""
    value = condition.value
    if isinstance(value, str) and "{{" in value:
        value = ANY
    match condition.kind:
        case "contains":
            return value == ANY or str(value) in text
        case "equals":
            return value == ANY or str(value) == text
        case "prefix":
            return value == ANY or text.startswith(str(value))
        case "regex":
            return value == ANY or re.search(str(value), text) is not None
        case "hex":
            return bytes.fromhex(str(value)) in text.encode()
    found = _at(_document(text), condition.path)
    return found is not None if value == ANY else type(found) is type(value) and found == value


def _document(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None


def _at(document: Any, path: Sequence[str]) -> Any:
    """The value at a path; JSON inside a string is entered."""
    for key in path:
        if isinstance(document, str):
            document = _document(document)
        if isinstance(document, list):
            document = document[int(key)] if key.isdigit() and int(key) < len(document) else None
        elif isinstance(document, dict):
            document = document.get(key)
        else:
            return None
    return document
