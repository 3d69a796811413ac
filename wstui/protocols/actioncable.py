"""Action Cable of Rails, and AnyCable: channels over JSON. Written by hand: a frame is one JSON document."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from wstui.protocols.plain import UNREADABLE, document, from_json
from wstui.scenario.conversation.dialect import (
    BadKey,
    Decode,
    Dialect,
    Json,
    Malformed,
    Piece,
    RecordedState,
    RecordedStep,
    Seconds,
    Table,
    Wrap,
    alternatives,
    text,
    with_path,
)
from wstui.scenario.url import same_origin

_DEEPEST = 3
_PATH = re.compile(r"[^.\[\]{}]+")
Identifier = str | dict[str, Any] | None


class ActionCableOptions(msgspec.Struct, kw_only=True):
    silence: Annotated[Seconds, Meta(description="drop a server that sends no ping for so long")] = Seconds(6)


class ActionCableKeys(msgspec.Struct, kw_only=True):
    subscribe: Annotated[Identifier, Meta(description='a channel: "ChatChannel" or { channel = …, room = 1 }')] = None
    unsubscribe: Annotated[Identifier, Meta(description="the channel to leave")] = None
    perform: Annotated[str, Meta(description="the action to call on a channel")] = ""
    channel: Annotated[Identifier, Meta(description="the channel that performs it")] = None
    data: Annotated[dict[str, Any], Meta(description="the arguments of the action")] = {}


class ActionCable(Dialect):
    title = "Action Cable of Rails, and AnyCable: channels and actions"
    option_keys, step_keys = ActionCableOptions, ActionCableKeys
    options: ActionCableOptions

    def address(self, url: str) -> str:
        return with_path(url, "/cable")

    def subprotocols(self) -> list[str]:
        return ["actioncable-v1-json", "actioncable-unsupported"]

    def origin(self, url: str) -> str:
        return same_origin(url)

    def opening(self) -> list[Table]:
        return [
            {"name": "welcome", "expect": {"type": "welcome"}, "refuse": {"type": "disconnect"}, "reason": ["reason"]}
        ]

    def step(self, keys: ActionCableKeys, given: Table) -> Table:
        given_keys = [name for name in ("subscribe", "unsubscribe", "perform") if getattr(keys, name)]
        if len(given_keys) != 1:
            raise BadKey((), 'says one of subscribe, unsubscribe and perform: write subscribe = "ChatChannel"')
        if keys.subscribe:
            identifier = _identifier(keys.subscribe, "subscribe")
            same = _same("identifier", identifier)
            refused = {"type": "reject_subscription"} | same
            expect = given.get("expect") or {"type": "confirm_subscription"} | same
            told = {"refuse": [refused, *alternatives(given.get("refuse"))], "reason": ["type"]}
            return given | {"frames": _command("subscribe", identifier), "expect": expect} | told
        if keys.unsubscribe:
            return given | {"frames": _command("unsubscribe", _identifier(keys.unsubscribe, "unsubscribe"))}
        if not keys.channel:
            raise BadKey(("channel",), 'is missing: write channel = "ChatChannel"')
        data = {"action": keys.perform} | keys.data
        return given | {"frames": _command("message", _identifier(keys.channel, "channel"), data)}

    def recorded(self, frame: str | bytes, state: RecordedState) -> list[RecordedStep]:
        match document(frame):
            case {"command": "subscribe" | "unsubscribe" as command, "identifier": str(named)}:
                return [RecordedStep({command: _named(named)})]
            case {"command": "message", "identifier": str(named), "data": str(data)}:
                match document(data):
                    case {"action": str(action), **rest}:
                        return [RecordedStep({"perform": action, "channel": _named(named), "data": rest})]
        raise Malformed("no command of Action Cable")

    def rules(self) -> dict[str, list[Table]]:
        return {
            "watchdogs": [{"on": {"type": "ping"}, "within": f"{self.options.silence:g}s"}],
            "errors": [{"on": {"type": "disconnect"}, "reason": ["reason"], "closes": True}],
        }

    def decoder(self) -> Decode:
        return decode


def _command(command: str, identifier: Table, data: Table | None = None) -> list[Any]:
    pieces: list[Piece] = [f'{{"command":"{command}","identifier":"', Wrap("text", [Json(identifier)])]
    if data is not None:
        pieces += ['","data":"', Wrap("text", [Json(data)])]
    return text(*pieces, '"}')


def _same(path: str, value: Any, depth: int = 0) -> Table:
    """Return what an answer has to say of an identifier, as far as a matcher can say it."""
    if isinstance(value, str | int | float):
        return {path: value}
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: Table = {}
    for name, each in inner if depth < _DEEPEST else ():
        if _PATH.fullmatch(str(name)):
            found |= _same(f"{path}.{name}", each, depth + 1)
    return found


def _identifier(given: Identifier, key: str) -> Table:
    if isinstance(given, str):
        return {"channel": given}
    if not given or "channel" not in given:
        raise BadKey((key,), 'names no channel: write { channel = "ChatChannel", … }')
    return given


def _named(identifier: str) -> Identifier:
    found = document(identifier)
    if isinstance(found, dict) and isinstance(found.get("channel"), str):
        return found if len(found) > 1 else found["channel"]
    raise Malformed("an identifier without a channel")


_TYPES = frozenset(("welcome", "disconnect", "ping", "confirm_subscription", "reject_subscription"))


def decode(_kept: Any, _binary: bool, payload: bytes) -> tuple[Sequence[tuple[Any, bytes]], None]:
    """Return the document; what a channel sends gets the `type` that its message has, or "message".

    The types of the protocol itself are not for channels: no goodbye is one that a channel has sent.
    """
    try:
        found = from_json(payload)
    except UNREADABLE:
        found = None
    if type(found) is not dict:
        raise Malformed("no JSON object")
    if "type" not in found:
        message = found.get("message")
        kind = (message.get("type") or message.get("action")) if type(message) is dict else None
        found["type"] = kind if type(kind) is str and kind not in _TYPES else "message"
    return ((found, payload),), None


KINDS = {"actioncable": ActionCable}
