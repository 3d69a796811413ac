"""A scenario while it is edited: the texts of its fields, and rows that come, go and move."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from wstui.measure.sanitize import sanitize
from wstui.scenario.env_refs import Reference, hide_defaults, value_at
from wstui.scenario.errors import Key, dotted
from wstui.scenario.fields import Field, FieldKind, editable, row_fields
from wstui.scenario.model import Scenario, Suite
from wstui.scenario.secrets import is_secret_header
from wstui.tui.editor.field_text import text_of
from wstui.tui.editor.layout import SEARCH
from wstui.tui.editor.roles.outline import conversation_in
from wstui.tui.kit.compact_view import as_rows
from wstui.tui.kit.row_widget import Line

STAGES, SEARCHES = "stages", "search"
"""The two kinds of load."""
_LOAD: Key = (SEARCH,)
_FIRST_STAGES = (("ramp", "10s", "100"), ("hold", "30s", ""))


class Draft:
    """The texts of a scenario or a suite by key. A row has a number of its own in its key, whatever its place.

    A secret has no text unless a new one is typed; where the old one comes from tells `source`.
    """

    def __init__(self, content: Scenario | Suite) -> None:
        self.content = content
        self.values = content.model_dump()
        self.texts: dict[Key, str] = {}
        self.rows: dict[Key, list[int]] = {}
        self.sources: dict[Key, Key] = {}
        """Where a field or a row was in the scenario, by its key; what is new was nowhere."""
        self._fields: dict[Key, Field] = {}
        self._plain = content.model_dump(mode="json")
        self._numbers = itertools.count()
        for made_of in editable(type(content)):
            self._enter(made_of, made_of.path, made_of.path)
        self.conversation: dict[str, Any] = conversation_in(content) if isinstance(content, Scenario) else {}
        self.first = dict(self.texts)
        self._saved = self._state

    def _enter(self, made_of: Field, key: Key, source: Key | None) -> None:
        self._fields[key] = made_of
        value = None
        if source is not None:
            self.sources[key] = source
            value = value_at(self._plain, source)
        if value is None and not made_of.optional:
            value = made_of.default
        if made_of.kind is FieldKind.TABLE:
            if key == _LOAD:
                self.texts[key] = STAGES if value is None else SEARCHES
        elif made_of.kind in (FieldKind.ROWS, FieldKind.PAIRS):
            self.rows[key] = []
            places = value if isinstance(value, dict) else range(len(value or []))
            for place in places:
                self._row(key, (*source, place) if source is not None else None)
        else:
            self.texts[key] = self._text(made_of, source, value)

    def _row(self, key: Key, source: Key | None) -> int:
        number = next(self._numbers)
        self.rows[key].append(number)
        made_of = self._fields[key]
        if source is not None:
            self.sources[(*key, number)] = source
        for part in row_fields(made_of):
            inner = (*key, number, part.name)
            if made_of.kind is FieldKind.ROWS:
                self._enter(part, inner, (*source, part.name) if source is not None else None)
                continue
            self._fields[inner] = part
            self.texts[inner] = str(source[-1]) if source is not None and part.name == "name" else ""
            if source is not None and part.name == "value":
                self.sources[inner] = source
                if not self.is_secret(inner):
                    self.texts[inner] = self._text(part, source, value_at(self._plain, source))
        return number

    def _text(self, made_of: Field, source: Key | None, value: Any) -> str:
        known = self.reference(source)
        written = made_of.kind not in (FieldKind.CHOICE, FieldKind.SWITCH, FieldKind.SECRET)
        return known.raw if known is not None and written else text_of(made_of, value)

    # what can be seen of it

    def reference(self, source: Key | None) -> Reference | None:
        """The reference that the scenario's file has at a place, while the value is still the one it gave."""
        known = self.content.origin.references.get(source) if source is not None else None
        return known if known is not None and known.value == value_at(self.values, source or ()) else None

    def field(self, key: Key) -> Field:
        return self._fields[key]

    def text(self, name: str) -> str:
        """Return the text at a dotted path, or ""."""
        return self.texts.get(tuple(name.split(".")), "")

    def is_secret(self, key: Key) -> bool:
        """Whether the text at a key must not be seen."""
        if self._fields[key].kind is FieldKind.SECRET:
            return True
        if key[-1] != "value" or len(key) < 4:
            return False
        return key[-3] == "cookies" or (key[-3] == "headers" and is_secret_header(self._name_beside(key)))

    def _name_beside(self, key: Key) -> str:
        return self.texts.get((*key[:-1], "name"), "")

    def source(self, key: Key) -> str:
        """Where a secret comes from, without it."""
        place = self.sources.get(key)
        if (known := self.reference(place)) is not None:
            return f"from {hide_defaults(known.raw)}"
        held = value_at(self.values, place) if place is not None else None
        held = held.get_secret_value() if isinstance(held, SecretStr) else held
        return "is set; type to replace it" if held else "not set"

    def is_set(self, key: Key) -> bool:
        """Return whether the value differs from its default."""
        if key in self.rows:
            return bool(self.rows[key])
        made_of = self._fields[key]
        if made_of.kind is FieldKind.SECRET:
            return bool(self.texts[key]) or self.source(key) != "not set"
        return self.texts[key] != text_of(made_of, made_of.default)

    @property
    def _state(self) -> tuple[Any, ...]:
        return dict(self.texts), {key: list(rows) for key, rows in self.rows.items()}, copy.deepcopy(self.conversation)

    @property
    def changed(self) -> bool:
        """Whether something is not saved."""
        return self._saved != self._state

    def saved(self) -> None:
        self._saved = self._state

    # what can be done with it

    def set_text(self, key: Key, text: str) -> None:
        self.texts[key] = text
        stages: Key = (STAGES,)
        if key == _LOAD and text == STAGES and not self.rows[stages]:
            for name, over, clients in _FIRST_STAGES:
                number = self.add(stages)
                self.texts |= {(*stages, number, "name"): name, (*stages, number, "over"): over}
                self.texts[(*stages, number, "clients")] = clients

    def add(self, key: Key, after: int | None = None) -> int:
        """A new row, after another or at the end; returns its number."""
        rows = self.rows[key]
        number = self._row(key, None)
        if after is not None:
            rows.remove(number)
            rows.insert(rows.index(after) + 1, number)
        return number

    def remove(self, key: Key, number: int) -> None:
        self.rows[key].remove(number)
        below = (*key, number)
        for kept in (self.texts, self.rows, self._fields, self.sources):
            for name in [name for name in kept if name[: len(below)] == below]:
                kept.pop(name)

    def move(self, key: Key, number: int, by: int) -> bool:
        """Move a row up or down; whether there was room."""
        rows = self.rows[key]
        place = rows.index(number)
        if not 0 <= place + by < len(rows):
            return False
        rows.insert(place + by, rows.pop(place))
        return True

    def is_blank(self, row: Key) -> bool:
        """Whether a row is still empty."""
        return row not in self.sources and all(
            text.strip() in ("", text_of(self._fields[key], self._fields[key].default))
            for key, text in self.texts.items()
            if key[: len(row)] == row
        )


def title(draft: Draft, url: str) -> Line:
    """Return name, whether it is saved, and the URL, if it has one."""
    unsaved: Line = [("  ● unsaved", "warn@panel")] if draft.changed else []
    return [(_name(draft), "strong@panel"), *unsaved, *([(f" → {url}", "muted@panel")] if url else [])]


def compact(draft: Draft, wrong: Mapping[Key, str], width: int) -> list[Line]:
    """Return the name, and how many values are to be fixed."""
    errors = as_rows(f"✗ {len(wrong)} to fix", width, "bad") if wrong else []
    return [_compact_name(draft), *errors]


def compact_value(draft: Draft, key: Key, text: str, wrong: str, hint: str, width: int) -> list[Line]:
    """Return the name, the value that is typed at `key`, and what is wrong with it or else its hint."""
    note = as_rows(f"✗ {wrong}" if wrong else hint, width, "bad" if wrong else "muted")
    return [_compact_name(draft), [(f"{dotted(key)} ", "muted"), (sanitize(text), "text")], *note]


def _compact_name(draft: Draft) -> Line:
    unsaved: Line = [("  ● unsaved", "warn")] if draft.changed else []
    return [("editor  ", "muted"), (_name(draft), "strong"), *unsaved]


def _name(draft: Draft) -> str:
    return sanitize(draft.texts["name",]) or "no name"
