"""The logins and roles of a scenario while they are edited: plain tables, as rows that fold and as typed texts."""

from __future__ import annotations

import copy
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wstui.measure.format import grouped
from wstui.scenario.conversation.role import Role, Step
from wstui.scenario.env_refs import escape, expand, has_reference, value_at, walk
from wstui.scenario.errors import BadValue, Key
from wstui.scenario.fields import Field, FieldKind, fields
from wstui.scenario.model import Scenario
from wstui.tui.editor.roles import http_fields

Item = dict[str, Any]
LISTS = ("login", "roles")
"""What of a scenario file is rows here."""
PHASES = ("open", "loop", "leave")
RULES: Mapping[str, Field] = {f.name: f for f in fields(Role) if f.kind is FieldKind.ROWS and f.name not in PHASES}
"""The lists of rules that act by themselves."""
_KINDS = ("think", "repeat", "choose", "meet", "close", "http")
_MESSAGE = ("send", "json", "hex", "base64", "file", "binary", "size")
STEPS: Mapping[str, tuple[str, Item]] = {
    "ask": ("send a message and wait for its answer", {"json": {"type": "hello"}, "expect": {"type": "welcome"}}),
    "send": ("send a message, wait for nothing", {"json": {"type": "hello"}}),
    "wait": ("wait for a message", {"expect": {"type": "welcome"}}),
    "think": ("let time pass", {"think": "1s..4s"}),
    "repeat": ("do steps several times", {"repeat": 3, "steps": [{"think": "1s"}]}),
    "choose": ("take one of several ways", {"choose": [{"weight": 1.0, "steps": [{"think": "1s"}]}, {"weight": 1.0}]}),
    "meet": ("wait for other clients", {"meet": "all ready"}),
    "close": ("close the connection", {"close": True}),
    "http": ("make an HTTP request", {"http": http_fields.NEW}),
}
"""What a step can be: what it does, and how it begins."""
NEW_RULES: Mapping[str, Item] = {
    "heartbeats": {"every": "25s", "json": {"type": "ping"}},
    "answer": {"on": {"type": "ping"}, "json": {"type": "pong"}},
    "delivery": {"of": {"type": "message"}, "stamp": "sent_at"},
    "streams": {"of": {"type": "delta"}, "ends": {"type": "done"}},
    "sequence": {"of": {"type": "message"}, "number": "seq"},
}
CONVERSATION: Item = {
    "name": "member",
    "open": [
        {
            "name": "login",
            "json": {"type": "auth", "token": "{{env TOKEN:-}}"},
            "expect": {"type": "auth_ok"},
            "refuse": {"type": "auth_error"},
            "within": "5s",
        }
    ],
    "loop": [
        {
            "name": "say",
            "json": {"type": "say", "seq": "{{seq}}", "text": "{{random text 40}}"},
            "expect": {"type": "said", "seq": "{{seq}}"},
        },
        {"think": "1s..4s"},
    ],
}
"""How a conversation with a login begins."""
_OPTIONAL = {"name", "send", "json", "expect", "refuse", "within", "capture"}


def conversation_in(content: Scenario) -> Item:
    """Return logins and roles as tables that can be changed; references to the environment stand as written."""
    written = content.model_dump(mode="json", exclude_unset=True)
    made: Item = {name: written.get(name, []) for name in LISTS}
    raw = {key: known.raw for key, known in content.origin.references.items()}
    for key, text in list(walk(made)):
        if key in raw or "${" in text:
            value_at(made, key[:-1])[key[-1]] = raw.get(key) or escape(text)
    return made


def resolved(conversation: Item, references: dict[Key, str]) -> Item:
    """Return logins and roles with references resolved; `references` takes them by place.

    Raises BadValue with the place.
    """
    made = copy.deepcopy(conversation)
    for key, text in list(walk(made)):
        if has_reference(text) or "$${" in text:
            value, missing = expand(text, os.environ)
            if missing:
                raise Unset(key, f'{missing[0]} is not set: set it, or write "${{{missing[0]}:-default}}"')
            if has_reference(text):
                references[key] = text
            value_at(made, key[:-1])[key[-1]] = value
    return made


_BARE = re.compile(r"[\w-]+", re.ASCII)


class Unset(BadValue):
    """A variable that is not set, at a place."""

    def __init__(self, place: Key, message: str) -> None:
        super().__init__(message)
        self.place = place


# -- as rows -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutlineRow:
    """One row: `kind` is "login", "role", "phase", "choice", a kind of step, or the name of a list of rules."""

    place: Key
    depth: int
    kind: str
    name: str
    text: str
    inside: int = 0  # how many rows can be folded into it


def step_kind(step: Mapping[str, Any]) -> str:
    for kind in _KINDS:
        if step.get(kind):
            return kind
    if step.get("expect") is None:
        return "send"
    return (
        "ask" if any(key not in ("name", "expect", "refuse", "within", "capture", "reason") for key in step) else "wait"
    )


def outline(conversation: Item, folded: set[Key]) -> list[OutlineRow]:
    """The rows of all logins and roles."""
    found, logins = [], conversation["login"]
    if logins:
        found.append(OutlineRow(("login",), 0, "phase", "login", "by HTTP, before it connects", len(logins)))
    if ("login",) not in folded:
        for index, login in enumerate(logins):
            found.append(
                OutlineRow(("login", index), 1, "login", str(login.get("name", "")), http_fields.said(login, inline))
            )
    for index, role in enumerate(conversation["roles"]):
        found += _role(("roles", index), role, folded)
    return found


def _role(place: Key, role: Item, folded: set[Key]) -> Iterator[OutlineRow]:
    share = _clients(role["clients"]) if role.get("clients") is not None else f"weight {role.get('weight') or 1:g}"
    if role.get("script"):
        share += f"  by {role['script']}"
    size = sum(len(role.get(name) or ()) for name in (*PHASES, *RULES))
    yield OutlineRow(place, 0, "role", str(role.get("name", "")), share, size)
    if place in folded:
        return
    for phase in () if role.get("script") else PHASES:
        steps = role.get(phase) or []
        told = {"open": "until it is ready", "loop": "each round", "leave": "before it closes"}[phase]
        yield OutlineRow((*place, phase), 1, "phase", phase, told if steps else f"{told}: nothing", len(steps))
        if (*place, phase) not in folded:
            yield from _steps((*place, phase), steps, 2, folded)
    for name in RULES:
        for index, rule in enumerate(role.get(name) or []):
            yield OutlineRow((*place, name, index), 1, name, str(rule.get("name", "")), _said(rule))


def _clients(number: Any) -> str:
    return f"{grouped(number) if isinstance(number, int) else number} client{'' if number == 1 else 's'}"


def _steps(place: Key, steps: Sequence[Item], depth: int, folded: set[Key]) -> Iterator[OutlineRow]:
    for index, step in enumerate(steps):
        here, kind = (*place, index), step_kind(step)
        ways = step.get("choose") or []
        inside = len(step.get("steps") or []) + len(ways)
        yield OutlineRow(here, depth, kind, str(step.get("name", "")), _said(step), inside)
        if here in folded:
            continue
        yield from _steps((*here, "steps"), step.get("steps") or [], depth + 1, folded)
        for number, way in enumerate(ways):
            at = (*here, "choose", number)
            yield OutlineRow(
                at, depth + 1, "choice", "", f"weight {way.get('weight', 1):g}", len(way.get("steps") or [])
            )
            if at not in folded:
                yield from _steps((*at, "steps"), way.get("steps") or [], depth + 2, folded)


def _said(item: Mapping[str, Any]) -> str:
    """What an item does, in a row."""
    parts = []
    if "every" in item:
        parts.append(f"every {item['every']}")
    if item.get("think"):
        parts.append(str(item["think"]))
    if item.get("repeat"):
        parts.append(f"{item['repeat']} times")
    if item.get("http"):
        parts.append(http_fields.said(item["http"], inline))
    if item.get("meet"):
        meet = item["meet"] if isinstance(item["meet"], dict) else {"name": item["meet"]}
        parts.append(f'"{meet.get("name", "")}"' + (f", {_clients(meet['clients'])}" if meet.get("clients") else ""))
    parts += [f"← {inline(item[key])}" for key in ("on", "of") if item.get(key) is not None]
    parts += [f"{key} {item[key]}" for key in ("stamp", "number") if item.get(key)]
    sent = [key for key in item if key not in Step.model_fields and key not in _SAID] + [
        key for key in ("send", "json", "hex", "base64", "file") if item.get(key) not in (None, "")
    ]
    parts += [f"→ {inline(item[key]) if key != 'file' else item[key]}" for key in sent]
    if item.get("expect") is not None:
        parts.append(f"← {inline(item['expect'])}")
    return "  ".join(parts)


_SAID = {"every", "on", "of", "stamp", "number", "unit", "per", "variable", "closes", "weight"}


# -- as texts ----------------------------------------------------------------------------------------------------


def inline(value: Any) -> str:
    """A value as TOML in one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        pairs = (f"{key if _BARE.fullmatch(key) else json.dumps(key)} = {inline(v)}" for key, v in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(inline, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else f"{value:g}"


def text_of(value: Any) -> str:
    """What is typed for a value: a text without its quotes, anything else as TOML."""
    return "" if value is None else value if isinstance(value, str) else inline(value)


def value_of(text: str, *, table: bool) -> Any:
    """The value of a text; a `table` is one without its braces as well. Raises BadValue, None when it is empty."""
    text = text.strip()
    if not text:
        return None
    for written in (text, f"{{ {text} }}") if table else (text,):
        try:
            value = tomllib.loads(f"v = {written}")["v"]
        except (tomllib.TOMLDecodeError, RecursionError):
            continue
        if table or not isinstance(value, str):
            return value
    if table:
        raise BadValue('is not TOML in one line: write { type = "ok" }')
    return text


def editable_fields(kind: str, item: Mapping[str, Any]) -> list[Field]:
    if kind in RULES:
        model = RULES[kind].model
        assert model is not None
        found = list(fields(model))
    elif kind in ("login", "http"):
        return http_fields.form_fields(kind)
    elif kind == "role":
        found = [f for f in fields(Role) if f.name not in (*PHASES, *RULES)]
    elif kind == "choice":
        return [Field(("weight",), FieldKind.NUMBER, title="weight", description="its share among the ways; 0: never")]
    else:
        shown = {"ask": _OPTIONAL, "send": {"name", "send", "json"}, "wait": _OPTIONAL - {"send", "json"}}
        names = shown.get(kind, {kind, *(("name",) if kind == "meet" else ())})
        found = [f for f in fields(Step) if len(f.path) == 1 and (f.name in names or f.name in item)]
        found = [f for f in found if f.name not in ("steps", "choose")]
    found = [
        f
        for f in found
        if len(f.path) == 1 and (f.name not in _MESSAGE or f.name in ("send", "json") or f.name in item)
    ]
    found.sort(key=lambda field: field.name != "name")
    known = {f.name for f in found}
    further = (key for key in item if key not in known and key not in ("steps", "choose", *PHASES, *RULES))
    return found + [Field((key,), FieldKind.VALUE, title=key, description="a key of the protocol") for key in further]
