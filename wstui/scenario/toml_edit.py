"""Change values in a hand-written preset and keep its comments and layout."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import tomlkit
from pydantic import BaseModel
from tomlkit.container import Container
from tomlkit.items import AoT, Array, Comment, Item, Null, Table, Whitespace

from wstui.scenario.env_refs import has_reference, value_at, walk
from wstui.scenario.errors import Key
from wstui.scenario.model import Scenario, Stage, Suite
from wstui.scenario.secret_fields import keeps_secrets
from wstui.scenario.toml_dump import Writing

_NAMED = ("name", "metric", "field")
_SHORT = {"ramp": (0, "over"), "clients": (0, "clients"), "hold": (1, "over"), "cooldown": (2, "over")}


def edited(scenario: Scenario | Suite) -> str:
    """Return the text that the scenario was read from, with only the changed values rewritten."""
    document, footer = _hoisted(tomlkit.parse(scenario.origin.text))
    _Editor(scenario, document.unwrap()).table(document, scenario, (), ())
    return f"{document.as_string()}{footer}"


class _Editor:
    def __init__(self, scenario: Scenario | Suite, written: Mapping[str, Any]) -> None:
        self._before = scenario.origin.values
        self._after = scenario.model_dump()
        self._writing = Writing(scenario)
        self._references = scenario.origin.references
        self._texts = dict(walk(written))
        self._exposed = [key for key, raw in self._texts.items() if not keeps_secrets(key, raw)]

    def table(self, table: MutableMapping[str, Any], model: BaseModel, was: Key, now: Key) -> None:
        """Put what differs into a table that stood at `was` and stands at `now`."""
        worth = self._writing.table(model, now)
        short = "load" in table and not now
        for name in type(model).model_fields:
            old, new = (*was, name), (*now, name)
            if self._same(old, new):
                continue
            value = getattr(model, name)
            if short and name == "stages":
                self._load(table, value)
            elif name not in table:
                if (text := worth.get(name)) is not None:
                    table[name] = _item(text)
            elif value is None:
                del table[name]
            elif isinstance(value, BaseModel) and isinstance(table[name], MutableMapping):
                self.table(table[name], value, old, new)
            elif isinstance(value, dict) and isinstance(table[name], MutableMapping):
                self._mapping(table[name], value, old, new)
            elif isinstance(value, list) and (not value or isinstance(value[0], BaseModel)):
                self._tables(table, name, value, old, new)
            elif isinstance(value, list) and isinstance(table[name], Array) and len(table[name]) == len(value):
                for index in range(len(value)):
                    if not self._same((*old, index), (*new, index)):
                        table[name][index] = self._writing.value(value[index], (*new, index))
            else:
                table[name] = _item(self._writing.value(value, new))

    def _same(self, was: Key, now: Key) -> bool:
        """Return whether the text may stay: same value, same reference, and no secret in plain text."""
        if any(key[: len(was)] == was for key in self._exposed):
            return False
        for key, raw in self._texts.items():
            if key[: len(was)] == was:
                known = self._references.get((*now, *key[len(was) :]))
                if (known.raw if known is not None else "") != (raw if has_reference(raw) else ""):
                    return False
        return bool(value_at(self._before, was) == value_at(self._after, now))

    def _mapping(self, table: MutableMapping[str, Any], value: Mapping[str, Any], was: Key, now: Key) -> None:
        for name in [name for name in table if name not in value]:
            del table[name]
        for name, item in value.items():
            if name not in table or not self._same((*was, name), (*now, name)):
                table[name] = self._writing.value(item, (*now, name))

    def _load(self, table: MutableMapping[str, Any], stages: Sequence[Stage]) -> None:
        """Update [load], or replace it with [[stages]] if it cannot express them."""
        short = table["load"]
        said = ("ramp", "hold", "cooldown") if "cooldown" in short else ("ramp", "hold")
        plain = [(stage.name, stage.clients is None, stage.arrive, stage.stay) for stage in stages]
        shape = [(name, name == "hold", None, None) for name in said]
        if plain != shape or (len(stages) > 2 and stages[2].clients):
            del table["load"]
            if stages:
                table["stages"] = _item(self._writing.value(list(stages), ("stages",)))
            return
        for name, place in _SHORT.items():
            key = ("stages", *place)
            if name in short and not self._same(key, key):
                short[name] = self._writing.value(getattr(stages[place[0]], str(place[1])), key)

    def _tables(self, table: MutableMapping[str, Any], name: str, models: list[BaseModel], was: Key, now: Key) -> None:
        """Update a list of tables, each from its former self."""
        before, written = value_at(self._before, was) or [], table[name]
        if not models or not isinstance(written, AoT | Array):
            table[name] = _item(self._writing.value(models, now))
            if not models:
                del table[name]
            return
        came_from = _pairs(before, value_at(self._after, now))
        items = []
        for index, model in enumerate(models):
            source = came_from[index]
            if source is None or source >= len(written):
                items.append(_entry(self._writing.value(model, (*now, index)), written))
                continue
            self.table(written[source], model, (*was, source), (*now, index))
            items.append(written[source])
        if came_from == list(range(len(written))):
            return
        if isinstance(written, AoT):
            fresh = tomlkit.aot()
            for item in items:
                fresh.append(item)
            table[name] = fresh
        else:
            del written[:]
            written.extend(items)


def _pairs(before: Sequence[Any], after: Sequence[Any]) -> list[int | None]:
    """Return each item's former index: of the equal item, else of its name, else its own index."""
    free = set(range(len(before)))
    found: list[int | None] = [None] * len(after)

    def match(test: Any) -> None:
        for index, item in enumerate(after):
            if found[index] is None:
                candidates = [i for i in sorted(free, key=lambda i: abs(i - index)) if test(i, index, item)]
                if candidates:
                    found[index] = candidates[0]
                    free.discard(candidates[0])

    match(lambda i, index, item: before[i] == item)
    match(lambda i, index, item: any(item.get(k) and item.get(k) == before[i].get(k) for k in _NAMED))
    if len(before) == len(after):
        match(lambda i, index, item: i == index)
    return found


def _entry(value: Mapping[str, Any], among: AoT | Array) -> Any:
    if not isinstance(among, AoT):
        inline = tomlkit.inline_table()
        inline.update(value)
        return inline
    made = tomlkit.table()
    made.trivia.indent = "\n"
    for name, item in value.items():
        made[name] = _item(item)
    return made


def _item(value: Any) -> Any:
    """Return a value as tomlkit wants it, tables with a blank line before them."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        tables = tomlkit.aot()
        for item in value:
            tables.append(_entry(item, tables))
        return tables
    if isinstance(value, dict):
        table = tomlkit.table()
        table.trivia.indent = "\n"
        for name, item in value.items():
            table[name] = _item(item)
        return table
    return value


def _hoisted(document: tomlkit.TOMLDocument) -> tuple[tomlkit.TOMLDocument, str]:
    """Rebuild a document so that comments before a header belong to it, not to the table above; and what ends it.

    The text stays the same, but a header that moves or goes takes its comments along, and new keys come before them.
    """
    pending: list[Item] = []

    def take() -> str:
        text = "".join(item.as_string() for item in pending)
        pending.clear()
        return text

    def fill(made: Any, source: Container) -> Any:
        for key, item in source.body:
            if key is None and isinstance(item, Whitespace | Comment):
                pending.append(item)
            elif isinstance(item, AoT):
                made.append(key, AoT([headed(table) for table in item.body], item.name, parsed=True))
            elif isinstance(item, Table) and not (key is not None and key.is_dotted()):
                made.append(key, headed(item))
            elif not isinstance(item, Null):
                for blank in pending:
                    made.append(None, blank)
                pending.clear()
                made.append(key, item)
        made.parsing(False)
        return made

    def headed(table: Table) -> Table:
        above = table.is_super_table()  # implied by a longer header, and written nowhere
        if not above:
            table.trivia.indent = take() + table.trivia.indent
        content = fill(Container(parsed=True), table.value)
        return Table(content, table.trivia, table.is_aot_element(), above, table.name, table.display_name)

    return fill(tomlkit.TOMLDocument(parsed=True), document), take()
