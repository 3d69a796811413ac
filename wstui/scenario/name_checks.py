"""Checks that each row of figures has a name of its own, by which columns, charts and thresholds find it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wstui.scenario.conversation.http import Login
from wstui.scenario.conversation.role import Role
from wstui.scenario.errors import Conflict, Key, dotted, quote
from wstui.scenario.role_inputs import steps_of, steps_of_script, stream_rows
from wstui.scenario.threshold import LOGIN

Row = tuple[str, str, Key]
"""Kind and name of a row of figures, and where it is named."""


def login_name_findings(logins: Sequence[Login]) -> Iterator[Conflict]:
    """Yield the requests of a login whose row could not be told from another."""
    names: dict[str, int] = {}
    for index, login in enumerate(logins):
        key: Key = (LOGIN, index, "name")
        if login.name == LOGIN:
            yield Conflict(key, 'is the row of all requests together: rename it, such as "session"', quote(LOGIN))
        elif login.name in names:
            yield Conflict(key, f"names login[{names[login.name]}] as well: rename one", quote(login.name))
        if login.name:
            names.setdefault(login.name, index)


def role_name_findings(roles: Sequence[Role], added: int, file: str) -> Iterator[Conflict]:
    """Yield the rows of roles that have the name of another of the same role, or of another kind in any role.

    The first `added` steps of each role's `open` are those of the target's protocol.
    """
    kinds: dict[str, tuple[str, Key]] = {}
    for index, role in enumerate(roles):
        names: dict[str, Key] = {}
        for kind, name, place in _rows(role, index, added if role.connect else 0, file):
            key = (*place, "name")
            first, where = kinds.setdefault(name, (kind, place))
            if name in names:
                yield Conflict(key, f"names {dotted(names[name])} as well: rename one", quote(name))
            elif first != kind:
                message = f"names {dotted(where)}, a {first}, as well, and this is a {kind}: rename one"
                yield Conflict(key, message, quote(name))
            names.setdefault(name, place)


def _rows(role: Role, index: int, added: int, file: str) -> Iterator[Row]:
    place: Key = ("roles", index)
    for key, step in steps_of(role):
        if step.name:
            number = int(key[1]) - (added if key[0] == "open" else 0)
            yield "step", step.name, ("target", "options") if number < 0 else (*place, key[0], number, *key[2:])
    for number, beat in enumerate(role.heartbeats):
        if beat.name:
            yield "heartbeat", beat.name, (*place, "heartbeats", number)
    for number, delivery in enumerate(role.delivery):
        yield "delivery", delivery.name, (*place, "delivery", number)
    for number, stream in enumerate(role.streams):
        yield from (("stream", name, (*place, "streams", number)) for name in stream_rows(stream))
    if role.script:
        yield from (("step", name, (*place, "script")) for name in steps_of_script(role, file))
