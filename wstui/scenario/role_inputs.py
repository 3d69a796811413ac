"""Inputs of the messages of roles: files, variables of the environment, and secrets."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from wstui.scenario.conversation.http import Login
from wstui.scenario.conversation.role import Message, Role, Step, Stream
from wstui.scenario.errors import BadValue, Key, ScenarioError
from wstui.scenario.file_refs import located
from wstui.scenario.message_files import content_of, variables_in
from wstui.scenario.placeholder import signing_variables, variables
from wstui.scenario.script import read_script
from wstui.scenario.secrets import is_secret_header

LARGEST_SCRIPT = 1 << 20
PHASES = ("open", "loop", "leave")
STREAM_PARTS = ("first", "gap", "underrun")
M = TypeVar("M", bound=Message)


def steps_of(role: Role) -> Iterator[tuple[Key, Step]]:
    """Every step of a role with its place, those inside others too."""
    for phase in PHASES:
        yield from _inner(getattr(role, phase), (phase,))


def _inner(steps: Sequence[Step], place: Key) -> Iterator[tuple[Key, Step]]:
    for index, step in enumerate(steps):
        yield (*place, index), step
        yield from _inner(step.steps, (*place, index, "steps"))
        for number, choice in enumerate(step.choose):
            yield from _inner(choice.steps, (*place, index, "choose", number, "steps"))


def figures_of(roles: Iterable[Role], scenario_file: str) -> list[tuple[str, str]]:
    """Kind and name of each row of figures that roles have: "step", "heartbeat" "stream" or "delivery"."""
    found: list[tuple[str, str]] = []
    for role in roles:
        found += [("step", step.name) for _, step in steps_of(role)]
        found += [("heartbeat", beat.name) for beat in role.heartbeats]
        found += [("delivery", delivery.name) for delivery in role.delivery]
        found += [("stream", name) for stream in role.streams for name in stream_rows(stream)]
        if role.script:
            found += [("step", name) for name in steps_of_script(role, scenario_file)]
    return [pair for pair in dict.fromkeys(found) if pair[1]]


def stream_rows(stream: Stream) -> list[str]:
    """Return the names of a stream's rows."""
    return [f"{stream.name}-{part}" for part in STREAM_PARTS[: 2 + bool(stream.audio)]]


def steps_of_script(role: Role, scenario_file: str) -> tuple[str, ...]:
    """The steps that a script names; none if it cannot be read, which is told elsewhere."""
    try:
        found = read_script(script_of(role, scenario_file), role.script).role(role.name)
    except (BadValue, ScenarioError):
        return ()
    return found.steps if found is not None else ()


def captured_at_login(logins: Iterable[Login]) -> list[str]:
    """Return the variables that every client has from its login, in their order."""
    return list(dict.fromkeys(name for login in logins for name in login.capture))


def captured_in(role: Role, at_login: Iterable[str]) -> list[str]:
    """Return the variables of a role's clients: those of the login first, then those of its steps."""
    found = dict.fromkeys(at_login)
    for _, step in steps_of(role):
        found |= dict.fromkeys([*step.capture, *(step.http.capture if step.http is not None else ())])
    return list(found)


def messages_of(role: Role) -> Iterator[tuple[Key, Message]]:
    """Everything that a role may send, with its place."""
    yield from steps_of(role)
    yield from ((("heartbeats", index), beat) for index, beat in enumerate(role.heartbeats))
    yield from ((("answer", index), answer) for index, answer in enumerate(role.answer))


def files_in_roles(roles: Iterable[Role]) -> Iterator[tuple[Key, str]]:
    """The files that roles send, and their scripts, with their places."""
    for index, role in enumerate(roles):
        yield from (
            (("roles", index, *key, "file"), message.file) for key, message in messages_of(role) if message.file
        )
        if role.script:
            yield ("roles", index, "script"), role.script


def script_of(role: Role, scenario_file: str) -> str:
    """The text of a role's script. Raises BadValue."""
    try:
        return content_of(role.script, scenario_file, LARGEST_SCRIPT).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadValue("is not UTF-8 text") from None


def certificates_in_roles(roles: Iterable[Role]) -> Iterator[tuple[Key, str]]:
    """The certificates and keys that roles present, with their places."""
    for index, role in enumerate(roles):
        yield from ((("roles", index, n), getattr(role, n)) for n in ("cert_file", "key_file") if getattr(role, n))


def variables_in_roles(roles: Iterable[Role], scenario_file: str) -> list[str]:
    """The variables of {{env …}} placeholders, in what is sent and in what is expected."""
    names: set[str] = set()
    for role in roles:
        names.update(variables(json.dumps(role.model_dump(mode="json", exclude_unset=True))))
        for _, message in messages_of(role):
            if message.file:
                names.update(variables_in(located(message.file, scenario_file)))
    return sorted(names)


def secrets_in_roles(roles: Sequence[Role], scenario_file: str) -> list[str]:
    """The values of {{env …}} placeholders, and of keys in JSON, whose names sound like secrets."""
    names = [name for name in variables_in_roles(roles, scenario_file) if is_secret_header(name)]
    names += signing_variables(json.dumps([role.model_dump(mode="json", exclude_unset=True) for role in roles]))
    found = [os.environ[name] for name in names if os.environ.get(name)]
    for role in roles:
        for _, message in messages_of(role):
            found += secret_values(message.json)
    return found


def secret_values(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from secret_values(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from secret_values(inner, name)
    elif isinstance(value, str) and value and "{{" not in value and is_secret_header(name):
        yield value


def with_files(role: Role, whole: Callable[[str], str]) -> Role:
    """The role with the names of its files changed; `whole` returns "" for one that stays."""

    def message(given: M) -> M:
        return given.model_copy(update={"file": whole(given.file) or given.file}) if given.file else given

    def step(given: Step) -> Step:
        choose = [choice.model_copy(update={"steps": [*map(step, choice.steps)]}) for choice in given.choose]
        inner = {"steps": [*map(step, given.steps)], "choose": choose}
        return message(given.model_copy(update={name: value for name, value in inner.items() if value}))

    changed: dict[str, Any] = {phase: [*map(step, getattr(role, phase))] for phase in PHASES}
    changed |= {name: [*map(message, getattr(role, name))] for name in ("heartbeats", "answer")}
    changed["script"] = whole(role.script) or role.script
    changed |= {name: whole(given) for name in ("cert_file", "key_file") if (given := getattr(role, name))}
    return role.model_copy(update={name: value for name, value in changed.items() if value})
