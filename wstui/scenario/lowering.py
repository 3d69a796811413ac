"""Turns roles that are written in the terms of a protocol into plain ones: what is checked, compiled and run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from wstui.scenario.conversation.dialect import BadKey, Dialect, Table, read
from wstui.scenario.conversation.http import Login
from wstui.scenario.conversation.known_dialects import dialect
from wstui.scenario.conversation.role import Message, Role, Step
from wstui.scenario.errors import BadValue, Conflict, Key, quote
from wstui.scenario.message_files import MOST_BYTES, content_of
from wstui.scenario.model import Scenario
from wstui.scenario.target import Target

M = TypeVar("M", bound=Message)
_NOT_SENT = ("steps", "choose", "think", "repeat", "meet", "close")
_STAND_IN = {"send": "?", "json": None, "hex": "", "base64": "", "file": ""}


def dialect_of(target: Target) -> Dialect:
    """Return what a target speaks. Raises BadKey."""
    return dialect(target.protocol, target.options)


def spoken(target: Target) -> Target:
    """Return the target as its protocol's clients connect to it."""
    speaks = dialect_of(target)
    offered = target.subprotocols or speaks.subprotocols()
    says_origin = target.origin or any(name.lower() == "origin" for name in target.headers)
    origin = target.origin if says_origin else speaks.origin(target.url)
    address = speaks.address(target.url)
    return target.model_copy(update={"url": address, "subprotocols": list(offered), "origin": origin})


def logins_of(scenario: Scenario) -> list[Login]:
    """Return the requests that each client makes before it connects: its own, then those of its protocol."""
    with contextlib.suppress(BadKey):  # told elsewhere
        asked = dialect_of(scenario.target).login(scenario.target.url, scenario.target.headers)
        return [*scenario.login, *map(Login.model_validate, asked)]
    return scenario.login


class Lowered:
    """The plain roles of a scenario; `conflicts` say what can't be lowered."""

    def __init__(self, scenario: Scenario) -> None:
        self.roles: list[Role] = []
        self._file = scenario.origin.file
        self.conflicts: list[Conflict] = []
        self.added = 0
        """How many steps of the protocol stand before those of each role's `open`."""
        try:
            self._dialect = dialect_of(scenario.target)
            opening = self._dialect.opening() if scenario.roles else []
        except BadKey as error:
            self._conflict(("target", "options"), scenario.target.options, error)
            return
        self.added = len(opening)
        self._first = [self._made(Step, table) for table in opening]
        self._last = [self._made(Step, table) for table in self._dialect.leaving()]
        self.roles = [self._role(role, ("roles", index)) for index, role in enumerate(scenario.roles)]

    def _role(self, role: Role, place: Key) -> Role:
        if role.url and self._dialect.login(role.url, {}):
            message = "is not the one that is negotiated: leave it out, or set negotiate = false in [target.options]"
            self.conflicts.append(Conflict((*place, "url"), message, quote(role.url)))
        rules: dict[str, list[Any]] = {
            "answer": [self._message(each, (*place, "answer", n)) for n, each in enumerate(role.answer)],
            "heartbeats": [self._message(each, (*place, "heartbeats", n)) for n, each in enumerate(role.heartbeats)],
        }
        for name, tables in self._dialect.rules().items() if role.connect else ():
            model = _item(Role, name)
            rules[name] = rules.get(name, getattr(role, name)) + [self._made(model, table) for table in tables]
        return role.model_copy(
            update=rules
            | {
                "open": self._first * role.connect + self._steps(role.open, (*place, "open")),
                "loop": self._steps(role.loop, (*place, "loop")),
                "leave": self._steps(role.leave, (*place, "leave")) + self._last * role.connect,
            }
        )

    def _steps(self, steps: Sequence[Step], place: Key) -> list[Step]:
        return [self._step(step, (*place, index)) for index, step in enumerate(steps)]

    def _step(self, step: Step, place: Key) -> Step:
        if not step.steps and not step.choose:
            return self._message(step, place)
        choose = [
            choice.model_copy(update={"steps": self._steps(choice.steps, (*place, "choose", index, "steps"))})
            for index, choice in enumerate(step.choose)
        ]
        inner = step.model_copy(update={"steps": self._steps(step.steps, (*place, "steps")), "choose": choose})
        return self._message(inner, place)

    def _message(self, message: M, place: Key) -> M:
        """Return a step, an answer or a heartbeat without keys of the protocol."""
        words = message.model_extra
        if not words:
            return message
        try:
            keys = read(self._dialect.step_keys, words, type(message).model_fields)
            given = {name: getattr(message, name) for name in message.model_fields_set - words.keys()}
            if self._dialect.takes_files and message.file:
                given["file"] = content_of(message.file, self._file, MOST_BYTES)
                message = message.model_copy(update={"file": ""})
            own = [name for name in _NOT_SENT if getattr(message, name, None)] + message.sources
            if own:
                raise BadKey((next(iter(words)),), f"and {own[0]} are both given: keep one")
            return self._made(type(message), self._dialect.step(keys, given))
        except BadKey as error:
            self._conflict(place, words, error)
        except BadValue as error:
            self.conflicts.append(Conflict(place, error.message, nearest=error.nearest))
        return message.model_copy(update=_STAND_IN)  # judge the rest of it

    def _made(self, model: type[M], table: Table) -> M:
        frames = table.get("frames", [])
        try:
            made = model.model_validate({name: value for name, value in table.items() if name != "frames"})
        except ValidationError as error:
            raise BadValue(str(error.errors()[0]["msg"])) from None
        if frames:
            made._frames = frames
        return made

    def _conflict(self, place: Key, table: Mapping[str, Any], error: BadKey) -> None:
        value: Any = table
        for part in error.key:
            value = value.get(part) if isinstance(value, Mapping) else None
        shown = quote(value) if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""
        self.conflicts.append(Conflict((*place, *error.key), error.message, shown, error.nearest))


def _item(model: Any, name: str) -> Any:
    return next(each for each in _arguments(model.model_fields[name].annotation) if isinstance(each, type))


def _arguments(annotation: Any) -> Iterator[Any]:
    yield from getattr(annotation, "__args__", ())
