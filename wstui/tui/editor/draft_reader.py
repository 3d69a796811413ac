"""What the texts of a draft mean: the scenario they make, or what is wrong, by the field that is to blame."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wstui.scenario.changes import remade
from wstui.scenario.env_refs import expand, has_reference, value_at
from wstui.scenario.errors import BadValue, Key, ScenarioError, dotted
from wstui.scenario.fields import Field, FieldKind, editable, row_fields
from wstui.scenario.model import Scenario, Suite
from wstui.scenario.presets import members
from wstui.tui.editor.draft import STAGES, Draft
from wstui.tui.editor.field_text import value_of
from wstui.tui.editor.layout import SEARCH
from wstui.tui.editor.roles.edits import put
from wstui.tui.editor.roles.outline import LISTS, Unset, resolved


@dataclass(frozen=True, slots=True)
class DraftReading:
    """What came of it. `scenarios` are those that would run; `wrong` is by key, () where no field is to blame.

    `places` tells the key of a field by its place in the model; `proposals` the text that was probably meant, by key.
    """

    content: Scenario | Suite | None
    scenarios: tuple[Scenario, ...] = ()
    wrong: Mapping[Key, str] = field(default_factory=dict)
    places: Mapping[Key, Key] = field(default_factory=dict)
    proposals: Mapping[Key, str] = field(default_factory=dict)

    @property
    def scenario(self) -> Scenario | None:
        """The scenario, where it is one and right."""
        return self.content if isinstance(self.content, Scenario) else None


def read(draft: Draft) -> DraftReading:
    """Understand the texts as they are now."""
    return _Read(draft).reading()


def problems_at(draft: Draft, known: Mapping[Key, str], place: Key, values: Mapping[str, Any]) -> dict[Key, str]:
    """Return what would be wrong with the item of its roles at `place` if it had these values, by key in the item.

    What is `known` to be wrong with the draft as it is does not count.
    """
    trial = copy.copy(draft)
    trial.conversation = copy.deepcopy(draft.conversation)
    put(trial.conversation, place, values)
    size = len(place)
    wrong = read(trial).wrong
    return {key[size:]: text for key, text in wrong.items() if key[:size] == place and key not in known}


_KEPT: Any = object()


class _Read:
    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._wrong: dict[Key, str] = {}
        self._proposals: dict[Key, str] = {}
        self._places: dict[Key, Key] = {}
        self._references: dict[Key, str] = {}

    def reading(self) -> DraftReading:
        draft = self._draft
        data = draft.content.model_dump(exclude_unset=True)
        searches = (SEARCH,) in draft.texts and draft.text(SEARCH) != STAGES
        if (SEARCH,) in draft.texts:
            data[SEARCH] = (data.get(SEARCH) or {}) if searches else None
        for made_of in editable(type(draft.content)):
            key = made_of.path
            if (
                made_of.kind is FieldKind.TABLE
                or (key[0] == SEARCH and not searches)
                or (key == (STAGES,) and searches)
            ):
                continue
            if made_of.kind is FieldKind.PAIRS:
                _put(data, key, self._pairs(key))
            elif made_of.kind is FieldKind.ROWS:
                _put(data, key, self._rows(made_of, key, key))
            elif (value := self._value(key, key)) is not _KEPT:
                _put(data, key, value)
        if searches:
            data[STAGES] = []
        try:
            made = resolved(draft.conversation, self._references)
            data |= {name: items for name, items in made.items() if items or name in data}
        except Unset as error:
            self._wrong[error.place] = str(error)
        shown = {*LISTS, *(key[0] for key in draft.texts)}
        for key, known in draft.content.origin.references.items():
            if key[0] not in shown:  # what has no rows here stays as the file says it
                self._references.setdefault(key, known.raw)
        if self._wrong:
            return self._refused()
        try:
            content = remade(draft.content, data, self._references)
            scenarios = tuple(members(content)) if isinstance(content, Suite) else (content,)
        except ScenarioError as error:
            for problem in error.problems:
                key = self._blamed(problem.key)
                self._wrong.setdefault(key, problem.advice)
                self._propose(key, problem.nearest)
            return self._refused()
        return DraftReading(content, scenarios, places=self._places)

    def _refused(self) -> DraftReading:
        return DraftReading(None, wrong=self._wrong, places=self._places, proposals=self._proposals)

    def _propose(self, key: Key, text: str) -> None:
        """Remember what was probably meant where it is the whole value: not one of a list, or a placeholder."""
        draft = self._draft
        if text and key in draft.texts and draft.field(key).kind is not FieldKind.LIST and "{{" not in text:
            self._proposals.setdefault(key, text)

    def _value(self, key: Key, place: Key) -> Any:
        """The value of a field for its place in the model; `_KEPT` where it already stands there."""
        draft, text = self._draft, self._draft.texts[key].strip()
        self._places[place] = key
        made_of, source = draft.field(key), draft.sources.get(key)
        untouched = draft.texts[key] == draft.first.get(key) or (draft.is_secret(key) and not text)
        if source is not None and untouched:
            known = draft.reference(source)
            if known is not None:
                self._references[place] = known.raw
            return _KEPT if source == place else value_at(draft.values, source)
        try:
            if has_reference(text):
                text = self._expanded(text, place)
            return value_of(made_of, text)
        except ValueError as error:
            self._wrong[key] = str(error)
            self._propose(key, getattr(error, "nearest", ""))
            return _KEPT

    def _expanded(self, text: str, place: Key) -> str:
        resolved, missing = expand(text, os.environ)
        if missing:
            raise BadValue(f'{missing[0]} is not set: set it, or write "${{{missing[0]}:-default}}"')
        self._references[place] = text
        return resolved

    def _rows(self, made_of: Field, key: Key, place: Key) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        for number in self._draft.rows[key]:
            row, at = (*key, number), (*place, len(items))
            if self._draft.is_blank(row):
                continue
            self._places[at] = row
            source = self._draft.sources.get(row)
            item = dict(value_at(self._draft.values, source) or {}) if source is not None else {}
            for part in row_fields(made_of):
                inner, there = (*row, part.name), (*at, part.name)
                if part.kind is FieldKind.ROWS:
                    item[part.name] = self._rows(part, inner, there)
                elif (value := self._value(inner, there)) is not _KEPT:
                    item[part.name] = value
            items.append(item)
        return items

    def _pairs(self, key: Key) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for number in self._draft.rows[key]:
            name_key, value_key = (*key, number, "name"), (*key, number, "value")
            name = self._draft.texts[name_key].strip()
            if name in found:
                self._wrong[name_key] = "is there twice"
            elif name:
                value = self._value(value_key, (*key, name))
                if value is _KEPT:
                    value = value_at(self._draft.values, self._draft.sources.get(value_key, ())) or ""
                found[name] = value
            elif self._draft.texts[value_key].strip():
                self._wrong[name_key] = "has no name"
        return found

    def _blamed(self, name: str) -> Key:
        """The field that a problem belongs to, or the nearest one around it, or ()."""
        if name.startswith(LISTS):
            parts = re.findall(r'"((?:[^"\\]|\\.)*)"|([^.\[\]"]+)', name)
            return tuple(int(bare) if bare.isdigit() else bare or quoted for quoted, bare in parts)
        known = {dotted(place): key for place, key in self._places.items()}
        known |= {dotted(key): key for key in self._draft.rows if not any(isinstance(part, int) for part in key)}
        if name in known:
            return known[name]
        around = [place for place in known if name.startswith((f"{place}.", f"{place}["))]
        return known[max(around, key=len)] if around else ()


def _put(data: dict[str, Any], key: Key, value: Any) -> None:
    *tables, name = map(str, key)
    for table in tables:
        if data.get(table) is None:
            data[table] = {}
        data = data[table]
    data[name] = value
