"""What can be done with the roles of a draft: add, duplicate, remove and move what stands at a place."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any

from wstui.scenario.env_refs import value_at
from wstui.scenario.errors import Key
from wstui.tui.editor.roles.outline import CONVERSATION, NEW_RULES, PHASES, RULES, STEPS, Item


def add(roles: list[Item], place: Key, kind: str) -> Key:
    """Add a role, a step, a way or a rule where the cursor is; return its place."""
    if kind == "conversation":
        roles.append(copy.deepcopy(CONVERSATION))
        return (len(roles) - 1, "open", 0)
    if kind == "role":
        index = int(place[0]) + 1 if place else len(roles)
        name = _free("role", [str(role.get("name")) for role in roles])
        roles.insert(index, {"name": name, "loop": [copy.deepcopy(STEPS["ask"][1])]})
        return (index,)
    if kind in RULES:
        rules = roles[int(place[0])].setdefault(kind, [])
        rules.append(copy.deepcopy(NEW_RULES.get(kind, {})))
        return (place[0], kind, len(rules) - 1)
    made: Item = {"weight": 1.0} if kind == "choice" else copy.deepcopy(STEPS[kind][1])
    at, index = _insertion(roles, place, kind)
    value_at(roles, at[:-1]).setdefault(at[-1], []).insert(index, made)
    return (*at, index)


def _insertion(roles: list[Item], place: Key, kind: str) -> tuple[Key, int]:
    """The list, and where in it, that something new goes to."""
    item = value_at(roles, place)
    if kind == "choice":
        while place and not (isinstance(value_at(roles, place), dict) and value_at(roles, place).get("choose")):
            place = place[:-1]
        return (*place, "choose"), len(value_at(roles, place)["choose"])
    if len(place) == 1 or place[1] in RULES:
        return (place[0], "loop"), len(roles[int(place[0])].get("loop") or [])
    if isinstance(place[-1], str):  # a phase
        return place, len(item or [])
    if place[-2] == "choose" or item.get("repeat"):
        return (*place, "steps"), len(item.get("steps") or [])
    return place[:-1], int(place[-1]) + 1


def kinds_at(roles: list[Item], place: Key) -> list[tuple[str, str]]:
    """What can be added there: kinds, and what each is."""
    if not place:
        return [
            ("conversation", "login, then messages with answers"),
            ("role", "a kind of client that sends and waits"),
        ]
    found = [(kind, told) for kind, (told, _) in STEPS.items()]
    if any("choose" in str(part) for part in place) or (len(place) > 2 and value_at(roles, place).get("choose")):
        found.append(("choice", "another way to choose from"))
    found += [(name, field.description) for name, field in RULES.items()]
    return [*found, ("role", "another kind of client")]


def is_item(place: Key) -> bool:
    """Whether something stands there that can be moved or removed: not a phase."""
    return bool(place) and isinstance(place[-1], int)


def duplicate(roles: list[Item], place: Key) -> Key:
    """Put a copy after an item, under a name of its own."""
    items, index = value_at(roles, place[:-1]), int(place[-1])
    made = copy.deepcopy(items[index])
    if made.get("name"):
        made["name"] = _free(
            re.sub(r"-\d+$", "", made["name"]), _names(roles if len(place) == 1 else [roles[int(place[0])]])
        )
    items.insert(index + 1, made)
    return (*place[:-1], index + 1)


def remove(roles: list[Item], place: Key) -> Key:
    """Remove an item; return where the cursor goes."""
    items, index = value_at(roles, place[:-1]), int(place[-1])
    del items[index]
    if items:
        return (*place[:-1], min(index, len(items) - 1))
    above = place[:-1]
    if above and above[-1] in ("steps", "choose", *RULES):
        if above[-1] != "steps":
            value_at(roles, above[:-1]).pop(above[-1])
        above = above[:-1]
    return above


def move(roles: list[Item], place: Key, by: int) -> Key:
    """Move an item within its list; past the end of a phase a step goes on to the next one."""
    items, index = value_at(roles, place[:-1]), int(place[-1])
    if 0 <= index + by < len(items):
        items.insert(index + by, items.pop(index))
        return (*place[:-1], index + by)
    if len(place) == 3 and place[1] in PHASES:
        phase = PHASES.index(place[1]) + by
        if 0 <= phase < len(PHASES):
            other = roles[int(place[0])].setdefault(PHASES[phase], [])
            other.insert(0 if by > 0 else len(other), items.pop(index))
            return (place[0], PHASES[phase], 0 if by > 0 else len(other) - 1)
    return place


def _names(items: Any) -> list[str]:
    if isinstance(items, dict):
        own = [str(items["name"])] if items.get("name") else []
        return own + [name for value in items.values() if isinstance(value, dict | list) for name in _names(value)]
    return [name for item in items if isinstance(item, dict | list) for name in _names(item)]


def _free(name: str, taken: Sequence[str]) -> str:
    if name not in taken:
        return name
    return next(found for n in range(2, 10_000) if (found := f"{name}-{n}") not in taken)
