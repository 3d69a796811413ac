"""WAMP 2 over JSON: publish, subscribe, call, register.

Written by hand: a frame is one JSON array; autobahn brings futures for each call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from wstui.protocols.plain import document
from wstui.scenario.conversation.dialect import (
    BadKey,
    Decode,
    Dialect,
    Json,
    Malformed,
    RecordedState,
    RecordedStep,
    Table,
    reply,
    text,
    with_path,
)

_ROLES: Table = {"publisher": {}, "subscriber": {}, "caller": {}, "callee": {}}
_SHAPES = {
    2: ("WELCOME", "session", "details"),
    3: ("ABORT", "details", "reason"),
    4: ("CHALLENGE", "method", "extra"),
    6: ("GOODBYE", "details", "reason"),
    8: ("ERROR", "of", "request", "details", "reason", "args", "kwargs"),
    17: ("PUBLISHED", "request", "publication"),
    33: ("SUBSCRIBED", "request", "subscription"),
    35: ("UNSUBSCRIBED", "request"),
    36: ("EVENT", "subscription", "publication", "details", "args", "kwargs"),
    50: ("RESULT", "request", "details", "args", "kwargs"),
    65: ("REGISTERED", "request", "registration"),
    67: ("UNREGISTERED", "request"),
    68: ("INVOCATION", "request", "registration", "details", "args", "kwargs"),
}
"""What a server sends: its name and its parts, of which those at the end may be missing."""
_OPTIONAL = ("args", "kwargs")
_PARTS = {
    number: (name, 1 + sum(part not in _OPTIONAL for part in parts), ("type", *parts))
    for number, (name, *parts) in _SHAPES.items()
}


class WampOptions(msgspec.Struct, kw_only=True):
    realm: Annotated[str, Meta(description="the realm that clients join")] = "realm1"
    ticket: Annotated[str, Meta(description="authenticate by this ticket, as `user`: {{token}}")] = ""
    user: Annotated[str, Meta(description="the authid, with a ticket: user-{{client}}")] = ""
    result: Annotated[list[Any], Meta(description="what clients return when a procedure of theirs is called")] = []


class WampKeys(msgspec.Struct, kw_only=True):
    subscribe: Annotated[str, Meta(description="the topic to subscribe to")] = ""
    publish: Annotated[str, Meta(description="the topic to publish to")] = ""
    call: Annotated[str, Meta(description="the procedure to call; expect and capture read args and kwargs")] = ""
    register: Annotated[str, Meta(description="the procedure that others may call")] = ""
    args: Annotated[list[Any], Meta(description="arguments")] = []
    kwargs: Annotated[dict[str, Any], Meta(description="arguments by name")] = {}
    acknowledge: Annotated[bool, Meta(description="wait until the router has taken a publication")] = True


_COMMANDS = ("subscribe", "publish", "call", "register")
_DONE = {
    "subscribe": (32, "SUBSCRIBED"),
    "publish": (16, "PUBLISHED"),
    "call": (48, "RESULT"),
    "register": (64, "REGISTERED"),
}


class Wamp(Dialect):
    title = "WAMP: topics and procedures"
    option_keys, step_keys = WampOptions, WampKeys
    options: WampOptions

    def address(self, url: str) -> str:
        return with_path(url, "/ws")

    def subprotocols(self) -> list[str]:
        return ["wamp.2.json"]

    def opening(self) -> list[Table]:
        options = self.options
        details: Table = {"roles": _ROLES}
        if options.ticket:
            details |= {"authmethods": ["ticket"], "authid": options.user}
        refused = {"refuse": {"type": "ABORT"}, "reason": ["words"]}
        hello = {"name": "hello", "frames": text(Json([1, options.realm, details]))}
        if not options.ticket:
            return [hello | refused | {"expect": {"type": "WELCOME"}}]
        answer = {"name": "ticket", "frames": text(Json([5, options.ticket, {}])), "expect": {"type": "WELCOME"}}
        return [hello | refused | {"expect": {"type": "CHALLENGE"}}, answer | refused]

    def step(self, keys: WampKeys, given: Table) -> Table:
        named = [name for name in _COMMANDS if getattr(keys, name)]
        if len(named) != 1:
            raise BadKey((), f'says one of {", ".join(_COMMANDS)}: write subscribe = "topic"')
        command = named[0]
        number, done = _DONE[command]
        options = {"acknowledge": True} if command == "publish" and keys.acknowledge else {}
        request: list[Any] = [number, "{{seq}}", options, getattr(keys, command)]
        if command in ("publish", "call"):
            request += [keys.args, keys.kwargs] if keys.kwargs else [keys.args] if keys.args else []
        elif keys.args or keys.kwargs:
            raise BadKey(("args",), f"does not belong to {command}")
        table = given | {"frames": text(Json(request))}
        if command == "publish" and not keys.acknowledge:
            return table
        own = {"request": "{{seq}}"}
        failed = {"type": "ERROR", "of": number} | own
        return reply(table, {"type": done} | own, "", failed, reason=["words"])

    def recorded(self, frame: str | bytes, state: RecordedState) -> list[RecordedStep]:
        match document(frame):
            case [1, str(realm), dict(details)]:
                return [RecordedStep({"realm": realm, "user": details.get("authid", "")}, opens=True)]
            case [5, str(ticket), *_]:
                return [RecordedStep({"ticket": ticket}, opens=True)]
            case [70, _, _, list(result), *_]:
                return [RecordedStep({"result": result}, opens=True)]
            case [6 | 70, *_]:
                return []
            case [int(number), own, dict(options), str(named), *rest]:
                command = next((name for name, (code, _) in _DONE.items() if code == number), "")
                parts: list[Any] = [*rest, *([], {})[len(rest) :]]
                given: Table = {command: named, "args": parts[0], "kwargs": parts[1]}
                if command == "publish":
                    given["acknowledge"] = bool(options.get("acknowledge"))
                if command:
                    return [RecordedStep(given, own)]
        raise Malformed("no message that a step sends")

    def rules(self) -> dict[str, list[Table]]:
        yielded = text(Json([70, "{{message.request}}", {}, self.options.result]))
        return {
            "answer": [
                {"on": {"type": "INVOCATION"}, "frames": yielded},
                {"on": {"type": "GOODBYE"}, "frames": text(Json([6, {}, "wamp.close.goodbye_and_out"]))},
            ],
            "errors": [
                {"on": [{"type": "GOODBYE"}, {"type": "ABORT"}], "reason": ["words"], "closes": True},
                {"on": {"type": "ERROR"}, "reason": ["words"]},
            ],
        }

    def leaving(self) -> list[Table]:
        goodbye = text(Json([6, {}, "wamp.close.close_realm"]))
        return [{"frames": goodbye}]

    def decoder(self) -> Decode:
        return decode


def decode(_kept: Any, _binary: bool, payload: bytes) -> tuple[Sequence[tuple[Any, bytes]], None]:
    """Return a message with its parts by their names, and its `type`."""
    found = document(payload)
    if type(found) is not list or not found or type(found[0]) is not int or found[0] not in _PARTS:
        raise Malformed("no message that a router sends")
    name, least, parts = _PARTS[found[0]]
    if len(found) < least:
        raise Malformed(f"{name} lacks a part")
    found[0] = name
    made = dict(zip(parts, found, strict=False))
    if "reason" in made:
        told = [made["details"].get("message")] if type(made["details"]) is dict else []
        told += made["args"][:1] if type(made.get("args")) is list else []
        words = next((word for word in told if type(word) is str and word), "")
        made["words"] = f"{made['reason']}: {words}" if words else made["reason"]
    return ((made, payload),), None


KINDS = {"wamp": Wamp}
