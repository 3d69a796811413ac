"""A scenario that was guessed: its tables, and beside each guess what it was guessed from and how sure it is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import tomli_w

from wstui.measure.sanitize import sanitize
from wstui.scenario.errors import Key

Sure = Literal["sure", "likely", "unsure"]
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDEST = 118
_OPTIONAL = ("expect", "capture", "fanout", "compression", "origin", "subprotocols", "weight", "delivery", "sequence")
"""Keys that a scenario can do without."""
_RULES = ("answer", "heartbeats", "delivery", "sequence", "login")
"""Lists whose items are guesses of their own."""
_INTO = {"open": "loop", "loop": "open", "leave": "loop"}
"""The phase that another one's steps belong to, if it is none: what comes before repeats, or nothing does."""
_SECTIONS = ("roles", "stages", "login", "open", "loop", "leave", "heartbeats", "answer", "delivery", "sequence")


@dataclass(slots=True)
class Guess:
    """Why a value stands where it does. `held` is what the proof found: None before it."""

    why: str
    sure: Sure = "likely"
    held: bool | None = None
    instead: Any = None
    """What was recorded at this place, to undo the guess; None removes the key."""

    def __str__(self) -> str:
        proven = {None: "", True: ", held", False: ", NOT PROVEN"}[self.held]
        return sanitize(f"{self.sure}{proven}: {self.why}", 200)


@dataclass(slots=True)
class InferredScenario:
    """A scenario as tables, its guesses by place, the rows of its feed, and the secrets that it refers to."""

    tables: dict[str, Any] = field(default_factory=dict)
    guesses: dict[Key, Guess] = field(default_factory=dict)
    columns: dict[str, dict[int, str]] = field(default_factory=dict)
    """Columns of the feed: name, then value by recorded client."""
    secrets: dict[str, str] = field(default_factory=dict)
    needs: list[str] = field(default_factory=list)
    """Variables of the environment whose values no recording shows: keys of signatures."""
    notes: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """Return which of the variables that it needs are not set."""
        return [name for name in self.needs if name not in os.environ]

    def at(self, key: Key) -> Any:
        """Return the value at a place."""
        found: Any = self.tables
        for part in key:
            if not isinstance(found, dict | list):
                break  # a word of a text: its guess is about all of it
            found = found[int(part)] if isinstance(found, list) else found.get(part)
        return found

    def put(self, key: Key, value: Any) -> None:
        """Set the value at a place."""
        holder = self.at(key[:-1])
        if isinstance(holder, list):
            holder[int(key[-1])] = value
        elif isinstance(holder, dict):
            holder[key[-1]] = value
        else:
            self.put(key[:-1], value)  # a word of a text

    def can_undo(self, key: Key) -> bool:
        """Return whether the recorded value can take the place of a guess, or nothing can."""
        holder = self.at(key[:-1])
        optional = key[-1] in _OPTIONAL or key == ("messages", "every")
        may_go = isinstance(holder, dict) and (self.guesses[key].instead is not None or optional)
        return may_go or self._item_of(key) is not None or _is_phase(key)

    def undo(self, key: Key) -> None:
        """Take one guess back: what was recorded stands there again, or nothing."""
        if (item := self._item_of(key)) is not None:
            self._remove(item)
            return
        if _is_phase(key):
            self._merge(key)
            return
        guess = self.guesses.pop(key)
        if guess.instead is None:
            del self.at(key[:-1])[key[-1]]
        else:
            self.put(key, escaped(guess.instead) if isinstance(guess.instead, str) else guess.instead)

    def _item_of(self, key: Key) -> Key | None:
        """Return the item of a list that is guessed as a whole: a rule, a login, a pause."""
        if key[-1] == "think" or (key[-1] == "every" and "heartbeats" in key):
            return key[:-1]
        return key if len(key) > 1 and key[-2] in _RULES and isinstance(key[-1], int) else None

    def _remove(self, item: Key) -> None:
        """Take an item out of its list, with the guesses about it; those about later ones move."""
        *before, index = item
        depth = len(before)
        items = self.at(tuple(before))
        del items[int(index)]
        if not items:
            del self.at(tuple(before[:-1]))[before[-1]]
        moved: dict[Key, Guess] = {}
        for place, guess in self.guesses.items():
            if place[:depth] == tuple(before) and len(place) > depth:
                number = int(place[depth])
                if number == index:
                    continue
                place = (*place[:depth], number - (number > int(index)), *place[depth + 1 :])
            moved[place] = guess
        self.guesses = moved

    def _merge(self, key: Key) -> None:
        """Let the steps of a phase belong to its neighbour, with the guesses about them."""
        del self.guesses[key]
        *of, phase, _ = key
        depth, role = len(of), self.at(tuple(of))
        into = _INTO[str(phase)]
        steps, others = role.pop(phase), role.get(into, [])
        role[into] = [*steps, *others] if phase == "open" else [*others, *steps]
        shift: dict[str | int, int] = {phase: 0, into: len(steps)} if phase == "open" else {phase: len(others), into: 0}
        moved: dict[Key, Guess] = {}
        for place, guess in self.guesses.items():
            if place[:depth] == tuple(of) and len(place) > depth + 1 and place[depth] in shift:
                number = int(place[depth + 1]) + shift[place[depth]]
                place = (*of, into, number, *place[depth + 2 :])
            moved[place] = guess
        self.guesses = moved

    def text(self) -> str:
        """Return the scenario as TOML with a comment beside each guess."""
        lines = [f"# {note}" for note in self.notes]
        lines += self._table(self.tables, (), "")
        return "\n".join(lines).strip() + "\n"

    def _table(self, table: dict[str, Any], place: Key, prefix: str) -> Iterator[str]:
        later = [(name, value) for name, value in table.items() if _is_section(name, value, place)]
        for name, value in table.items():
            if (name, value) not in later:
                yield from self._line(name, value, (*place, name))
        for name, value in later:
            header = f"{prefix}{_key(name)}"
            if isinstance(value, dict):
                yield from ("", f"[{header}]{self._comment((*place, name))}")
                yield from self._table(value, (*place, name), f"{header}.")
            for index, item in enumerate(value if isinstance(value, list) else ()):
                yield from ("", f"[[{header}]]{self._comment((*place, name, index))}")
                yield from self._table(item, (*place, name, index), f"{header}.")

    def _line(self, name: str, value: Any, place: Key) -> Iterator[str]:
        line = f"{_key(name)} = {inline(value)}"
        inner = [guess for key, guess in self.guesses.items() if key[: len(place)] == place and key != place]
        comments = [str(guess) for guess in (self.guesses.get(place), *inner) if guess is not None]
        if len(comments) == 1 and len(line) + len(comments[0]) + 4 <= _WIDEST:
            yield f"{line}  # {comments[0]}"
        else:
            yield from (f"# {comment}" for comment in comments)
            yield line

    def _comment(self, place: Key) -> str:
        guess = self.guesses.get(place)
        return f"  # {guess}" if guess is not None else ""


def _is_phase(key: Key) -> bool:
    """Return whether a guess is where a phase of a role begins."""
    return len(key) == 4 and key[0] == "roles" and key[2] in _INTO and isinstance(key[3], int)


def _is_section(name: str, value: Any, place: Key) -> bool:
    if isinstance(value, dict):
        return not place
    return name in _SECTIONS and isinstance(value, list) and bool(value) and len(place) in (0, 2)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(value: str) -> str:
    return tomli_w.dumps({"x": value})[4:-1]


def escaped(text: str) -> str:
    """Return a text as a scenario says it: no placeholder, no reference."""
    return text.replace("{{", "{{{{").replace("${", "$${")


def inline(value: Any) -> str:
    """Return a value as TOML on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {inline(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return repr(value)
