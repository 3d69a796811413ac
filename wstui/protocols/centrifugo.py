"""Centrifugo and Centrifuge servers, by their JSON protocol.

Written by hand: a frame is one JSON document a line, and an empty one is the server's ping.
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

_ERROR = ["error"]
_SLACK_MS = 10_000
"""How much later than announced a ping may come, as the official clients have it."""
_NEVER_MS = 86_400_000


class CentrifugoOptions(msgspec.Struct, kw_only=True):
    token: Annotated[str, Meta(description="the connection's JWT: {{token}} or a column of the feed")] = ""
    data: Annotated[Any, Meta(description="what the backend gets when clients connect")] = None


class CentrifugoKeys(msgspec.Struct, kw_only=True):
    subscribe: Annotated[str, Meta(description="the channel to subscribe to")] = ""
    token: Annotated[str, Meta(description="the subscription's JWT, for private channels")] = ""
    publish: Annotated[str, Meta(description="the channel to publish to")] = ""
    rpc: Annotated[str, Meta(description="the method to call")] = ""
    presence: Annotated[str, Meta(description="the channel whose clients are asked for")] = ""
    history: Annotated[str, Meta(description="the channel whose publications are asked for")] = ""
    unsubscribe: Annotated[str, Meta(description="the channel to leave")] = ""
    data: Annotated[Any, Meta(description="what is published, or the argument of the call")] = None


_COMMANDS = ("subscribe", "publish", "rpc", "presence", "history", "unsubscribe")


class Centrifugo(Dialect):
    title = "Centrifugo: channels, publications, calls"
    option_keys, step_keys = CentrifugoOptions, CentrifugoKeys
    kinds = ("type",)
    options: CentrifugoOptions
    closes = {  # noqa: RUF012 - a constant of the class
        3000: "connection closed",
        3001: "server shuts down",
        3004: "internal server error",
        3005: "connection expired",
        3006: "subscription expired",
        3008: "slow client: its queue was full",
        3009: "write error",
        3010: "insufficient state",
        3011: "forced to reconnect",
        3012: "no pong in time",
        3013: "too many requests",
        3500: "invalid token",
        3501: "bad request",
        3502: "stale: it did not connect in time",
        3503: "forced to disconnect",
        3504: "too many connections of this user",
        3505: "too many channels of this connection",
        3506: "binary data for a client that speaks JSON",
        3507: "permission denied",
        3508: "not available",
        3509: "too many errors",
        3511: "idle for too long",
    }
    close_ranges = {  # noqa: RUF012 - a constant of the class
        range(3000, 3500): "clients come back",
        range(3500, 4000): "clients do not come back",
        range(4000, 4500): "a code of the application: clients come back",
        range(4500, 5000): "a code of the application: clients do not come back",
    }

    def address(self, url: str) -> str:
        return with_path(url, "/connection/websocket")

    def opening(self) -> list[Table]:
        options = self.options
        connect = ({"token": options.token} if options.token else {}) | ({"data": options.data} if options.data else {})
        return [
            {
                "name": "connect",
                "frames": text(Json({"id": "{{seq}}", "connect": connect})),
                "expect": {"id": "{{seq}}", "type": "connect"},
                "refuse": {"id": "{{seq}}", "type": "error"},
                "reason": _ERROR,
                "capture": {"_dead": "deadline"},
            }
        ]

    def step(self, keys: CentrifugoKeys, given: Table) -> Table:
        named = [name for name in _COMMANDS if getattr(keys, name)]
        if len(named) != 1:
            raise BadKey((), f'says one of {", ".join(_COMMANDS)}: write subscribe = "channel"')
        command = named[0]
        asked: Table = {"method" if command == "rpc" else "channel": getattr(keys, command)}
        if command in ("publish", "rpc") or (keys.data is not None and command == "subscribe"):
            asked["data"] = keys.data
        if keys.token:
            asked["token"] = keys.token
        table = given | {"frames": text(Json({"id": "{{seq}}", command: asked}))}
        failed = {"id": "{{seq}}", "type": "error"}
        return reply(table, {"id": "{{seq}}", "type": command}, command, failed, reason=_ERROR)

    def recorded(self, frame: str | bytes, state: RecordedState) -> list[RecordedStep]:
        found: list[RecordedStep] = []
        for command in (document(line) for line in frame.splitlines() if line.strip()):
            match command:
                case {"connect": dict(given), "id": own}:
                    kept = {name: given[name] for name in ("token", "data") if given.get(name)}
                    found.append(RecordedStep(kept, own, opens=True))
                case {"id": own, **rest} if len(rest) == 1 and (name := next(iter(rest))) in _COMMANDS:
                    asked: Any = rest[name]
                    keys = {key: asked[key] for key in ("data", "token") if key in asked}
                    found.append(RecordedStep({name: asked["method" if name == "rpc" else "channel"]} | keys, own))
                case dict() if command:
                    raise Malformed("no command that a step has")
        return found

    def rules(self) -> dict[str, list[Table]]:
        return {
            "answer": [{"on": {"type": "ping"}, "frames": text("{}")}],
            "watchdogs": [{"on": {"type": "ping"}, "variable": "_dead"}],
            "errors": [
                {"on": {"type": "disconnect"}, "reason": ["push.disconnect"], "closes": True},
                {"on": {"type": "unsubscribe", "push.unsubscribe": "*"}, "reason": ["push.unsubscribe"]},
                {"on": {"type": "error"}, "reason": _ERROR},
            ],
        }

    def decoder(self) -> Decode:
        return decode


_PUSHES = ("pub", "join", "leave", "unsubscribe", "message", "subscribe", "connect", "disconnect", "refresh")


def decode(_kept: Any, _binary: bool, payload: bytes) -> tuple[Sequence[tuple[Any, bytes]], None]:
    """Return each document with a `type`: of a reply its command, of a push what it brings, "ping", or "error"."""
    made = document(payload)
    if type(made) is dict:
        made["type"] = _type(made)
        return ((made, payload),), None
    found: list[tuple[Any, bytes]] = []
    for line in payload.split(b"\n"):
        made = document(line)
        if type(made) is dict:
            made["type"] = _type(made)
            found.append((made, line))
        elif line.strip():
            found.append((None, line))
    return found, None


def _type(document: dict[str, Any]) -> str:
    if "id" in document:
        if "error" in document:
            return "error"
        for name in document:
            if name in _COMMANDS:
                return name
        if "connect" not in document:
            return "reply"
        if isinstance(document["connect"], dict):
            ping = document["connect"].get("ping")
            document["deadline"] = ping * 1000 + _SLACK_MS if isinstance(ping, int) and ping > 0 else _NEVER_MS
        return "connect"
    if not document:
        return "ping"
    push = document.get("push")
    return next((name for name in _PUSHES if name in push), "push") if isinstance(push, dict) else "push"


KINDS = {"centrifugo": Centrifugo}
