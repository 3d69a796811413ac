"""What can be done with the logins and roles of a draft: add, duplicate, remove and move what stands at a place."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

from wstui.scenario.env_refs import value_at
from wstui.scenario.errors import Key
from wstui.tui.editor.roles import http_fields
from wstui.tui.editor.roles.outline import CONVERSATION, NEW_RULES, PHASES, RULES, STEPS, Item


def add(conversation: Item, place: Key, kind: str) -> Key:
    """Add a login, a role, a step, a way or a rule where the cursor is; return its place."""
    roles = conversation["roles"]
    if kind == "conversation":
        roles.append(copy.deepcopy(CONVERSATION))
        return ("roles", len(roles) - 1, "open", 0)
    if kind == "login":
        logins = conversation["login"]
        index = int(place[1]) + 1 if place[:1] == ("login",) and len(place) > 1 else len(logins)
        logins.insert(index, {"name": _free("session", _names(logins)), **copy.deepcopy(http_fields.NEW)})
        return ("login", index)
    if kind == "role":
        index = int(place[1]) + 1 if place[:1] == ("roles",) else len(roles)
        name = _free("role", [str(role.get("name")) for role in roles])
        roles.insert(index, {"name": name, "loop": [copy.deepcopy(STEPS["ask"][1])]})
        return ("roles", index)
    if kind in RULES:
        rules = roles[int(place[1])].setdefault(kind, [])
        rules.append(copy.deepcopy(NEW_RULES.get(kind, {})))
        return (*place[:2], kind, len(rules) - 1)
    made: Item = {"weight": 1.0} if kind == "choice" else copy.deepcopy(STEPS[kind][1])
    at, index = _insertion(conversation, place, kind)
    value_at(conversation, at[:-1]).setdefault(at[-1], []).insert(index, made)
    return (*at, index)


def _insertion(conversation: Item, place: Key, kind: str) -> tuple[Key, int]:
    """The list, and where in it, that something new goes to."""
    item = value_at(conversation, place)
    if kind == "choice":
        while not (isinstance(found := value_at(conversation, place), dict) and found.get("choose")):
            place = place[:-1]
        return (*place, "choose"), len(value_at(conversation, place)["choose"])
    if len(place) == 2 or place[2] in RULES:
        return (*place[:2], "loop"), len(value_at(conversation, place[:2]).get("loop") or [])
    if isinstance(place[-1], str):  # a phase
        return place, len(item or [])
    if place[-2] == "choose" or item.get("repeat"):
        return (*place, "steps"), len(item.get("steps") or [])
    return place[:-1], int(place[-1]) + 1


def kinds_at(conversation: Item, place: Key) -> list[tuple[str, str]]:
    """What can be added there: kinds, and what each is."""
    login = ("login", "an HTTP request of each client before it connects")
    if not place:
        return [
            ("conversation", "login, then messages with answers"),
            ("role", "a kind of client that sends and waits"),
            login,
        ]
    if place[0] == "login":
        return [login, ("role", "a kind of client")]
    found = [(kind, told) for kind, (told, _) in STEPS.items()]
    if any("choose" in str(part) for part in place) or (len(place) > 3 and value_at(conversation, place).get("choose")):
        found.append(("choice", "another way to choose from"))
    found += [(name, field.description) for name, field in RULES.items()]
    return [*found, ("role", "another kind of client"), login]


def is_item(place: Key) -> bool:
    """Whether something stands there that can be moved or removed: not a phase."""
    return bool(place) and isinstance(place[-1], int)


def duplicate(conversation: Item, place: Key) -> Key:
    """Put a copy after an item, under a name of its own."""
    items, index = value_at(conversation, place[:-1]), int(place[-1])
    made = copy.deepcopy(items[index])
    if made.get("name"):
        beside = items if len(place) == 2 else [value_at(conversation, place[:2])]
        made["name"] = _free(re.sub(r"-\d+$", "", made["name"]), _names(beside))
    items.insert(index + 1, made)
    return (*place[:-1], index + 1)


def remove(conversation: Item, place: Key) -> Key:
    """Remove an item; return where the cursor goes."""
    items, index = value_at(conversation, place[:-1]), int(place[-1])
    del items[index]
    if items:
        return (*place[:-1], min(index, len(items) - 1))
    above = place[:-1]
    if above and above[-1] in ("steps", "choose", *RULES):
        if above[-1] != "steps":
            value_at(conversation, above[:-1]).pop(above[-1])
        above = above[:-1]
    return above


def move(conversation: Item, place: Key, by: int) -> Key:
    """Move an item within its list; past the end of a phase a step goes on to the next one."""
    items, index = value_at(conversation, place[:-1]), int(place[-1])
    if 0 <= index + by < len(items):
        items.insert(index + by, items.pop(index))
        return (*place[:-1], index + by)
    if len(place) == 4 and place[2] in PHASES:
        phase = PHASES.index(place[2]) + by
        if 0 <= phase < len(PHASES):
            other = value_at(conversation, place[:2]).setdefault(PHASES[phase], [])
            other.insert(0 if by > 0 else len(other), items.pop(index))
            return (*place[:2], PHASES[phase], 0 if by > 0 else len(other) - 1)
    return place


def put(conversation: Item, place: Key, values: Mapping[str, Any]) -> None:
    """Set the values of an item; None takes one out."""
    item = value_at(conversation, place)
    for name, value in values.items():
        if value is None:
            item.pop(name, None)
        else:
            item[name] = value


def _names(items: Any) -> list[str]:
    if isinstance(items, dict):
        own = [str(items["name"])] if items.get("name") else []
        return own + [name for value in items.values() if isinstance(value, dict | list) for name in _names(value)]
    return [name for item in items if isinstance(item, dict | list) for name in _names(item)]


def _free(name: str, taken: Sequence[str]) -> str:
    if name not in taken:
        return name
    return next(found for n in range(2, 10_000) if (found := f"{name}-{n}") not in taken)
