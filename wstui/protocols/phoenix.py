"""Channels of Phoenix (Elixir), and servers that speak the same: Supabase Realtime.

Written by hand: a frame is one JSON array (V2) or object (V1), or binary with the lengths of its fields in front. The
client's `join_ref` of a topic is the topic's own name.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from wstui.protocols.plain import UNREADABLE, document, from_json
from wstui.protocols.step_keys import from_base64
from wstui.scenario.conversation.dialect import (
    BadKey,
    Decode,
    Dialect,
    Frame,
    Json,
    Malformed,
    RecordedState,
    RecordedStep,
    Seconds,
    Table,
    Wrap,
    binary,
    reply,
    text,
    with_path,
    with_query,
)

_REF = "{{seq text}}"
_COMMANDS = ("join", "push", "leave")
_REASONS = ["payload.response.reason", "payload.response.message", "payload.response"]


class PhoenixOptions(msgspec.Struct, kw_only=True):
    version: Annotated[Literal[2, 1], Meta(description="the serializer: 2, or 1 for old servers (vsn=1.0.0)")] = 2
    topic: Annotated[str, Meta(description="the topic that clients join first, and push to if a step names none")] = ""
    data: Annotated[Any, Meta(description="what it is joined with: { token = … }")] = {}
    heartbeat: Annotated[Seconds, Meta(description="how often; drop a server that answers none in twice that")] = (
        Seconds(30)
    )


class PhoenixKeys(msgspec.Struct, kw_only=True):
    join: Annotated[str, Meta(description="the topic to join; expect and capture read the response")] = ""
    push: Annotated[str, Meta(description="the event to send")] = ""
    leave: Annotated[str, Meta(description="the topic to leave; the step ends when the server has closed it")] = ""
    topic: Annotated[str, Meta(description="where the event goes; unset: the topic in [target.options]")] = ""
    data: Annotated[Any, Meta(description="what is joined or sent with")] = {}
    attach: Annotated[str, Meta(description="base64: the event is a binary frame with these bytes (version 2)")] = ""
    reply: Annotated[bool, Meta(description="wait for the reply; expect and capture read its response")] = False


class Phoenix(Dialect):
    title = "Phoenix channels, Supabase Realtime: topics, events, replies"
    option_keys, step_keys = PhoenixOptions, PhoenixKeys
    kinds = ("event",)
    options: PhoenixOptions

    def address(self, url: str) -> str:
        return with_query(with_path(url, "/socket/websocket"), vsn=f"{self.options.version}.0.0")

    def opening(self) -> list[Table]:
        topic = self.options.topic
        return [self._asked(topic, "phx_join", self.options.data, {"name": "join"})] if topic else []

    def step(self, keys: PhoenixKeys, given: Table) -> Table:
        named = [name for name in _COMMANDS if getattr(keys, name)]
        if len(named) != 1:
            raise BadKey((), f'says one of {", ".join(_COMMANDS)}: write push = "event"')
        if keys.join:
            return self._asked(keys.join, "phx_join", keys.data, given)
        if keys.leave:
            closed = {"event": "phx_close", "topic": keys.leave}
            table = given | {"frames": self._frames(keys.leave, "phx_leave", {}), "expect": given.get("expect", closed)}
            return table | {"refuse": self._replied("error"), "reason": _REASONS}
        topic = keys.topic or self.options.topic
        if not topic:
            raise BadKey(("topic",), 'is missing: write topic = "room:lobby"')
        if keys.attach and self.options.version == 1:
            raise BadKey(("attach",), "needs version = 2 in [target.options]: version 1 has no binary frames")
        if keys.reply:
            return self._asked(topic, keys.push, keys.data, given, keys.attach)
        return given | {"frames": self._frames(topic, keys.push, keys.data, keys.attach)}

    def _asked(self, topic: str, event: str, data: Any, given: Table, attached: str = "") -> Table:
        table = given | {"frames": self._frames(topic, event, data, attached)}
        return reply(table, self._replied("ok"), "payload.response", self._replied("error"), reason=_REASONS)

    @staticmethod
    def _replied(status: str) -> Table:
        return {"event": "phx_reply", "ref": _REF, "payload.status": status}

    def _frames(self, topic: str, event: str, data: Any, attached: str = "") -> list[Frame]:
        joined = None if topic == "phoenix" else topic
        if attached:
            fields = {"the topic": topic, "the event": event}
            sizes = [Wrap("size8", [field], what) for what, field in fields.items()]
            head = [Wrap("size8", [joined or ""], "the topic"), Wrap("size8", [_REF]), *sizes]
            return binary(b"\0", *head, joined or "", _REF, *fields.values(), from_base64(attached, "attach"))
        if self.options.version == 2:
            return text(Json([joined, _REF, topic, event, data]))
        own = {"join_ref": joined} if joined else {}
        return text(Json({"topic": topic, "event": event, "payload": data, "ref": _REF} | own))

    def recorded(self, frame: str | bytes, state: RecordedState) -> list[RecordedStep]:
        is_binary = isinstance(frame, bytes)
        content = frame if isinstance(frame, bytes) else frame.encode()
        found = _unpacked(content, _SENT) if is_binary else document(content)
        if isinstance(found, list):
            found = dict(zip(_FIELDS, found, strict=True))
        match found:
            case {"topic": "phoenix", "event": "heartbeat", "ref": own}:
                return [RecordedStep({}, own)]
            case {"topic": topic, "event": "phx_join", "ref": own, "payload": data}:
                return [RecordedStep({"join": topic, "data": data}, own)]
            case {"topic": topic, "event": "phx_leave"}:
                return [RecordedStep({"leave": topic})]
            case {"topic": topic, "event": str(event), "ref": own, "payload": data}:
                told = {"attach": base64.b64encode(content[-data["size"] :]).decode()} if is_binary else {"data": data}
                return [RecordedStep({"push": event, "topic": topic, "reply": True} | told, own, waits="reply")]
        raise Malformed("no message of a channel")

    def rules(self) -> dict[str, list[Table]]:
        every = self.options.heartbeat
        beat = {
            "every": f"{every:g}s",
            "frames": self._frames("phoenix", "heartbeat", {}),
            "expect": {"event": "phx_reply", "topic": "phoenix", "ref": _REF},
        }
        return {
            "heartbeats": [beat],
            "watchdogs": [{"on": {"topic": "phoenix"}, "within": f"{2 * every:g}s"}],
            "errors": [
                {"on": [{"event": event} for event in _GONE], "reason": ["reason"]},
                {"on": {"event": "phx_reply", "payload.status": "error"}, "reason": _REASONS},
                {"on": {"event": "system", "payload.status": "error"}, "reason": ["payload.message"]},
            ],
        }

    def decoder(self) -> Decode:
        return decode


_GONE = {"phx_error": "phx_error: a channel crashed", "phx_close": "phx_close: the server closed a channel"}
_FIELDS = ("join_ref", "ref", "topic", "event", "payload")
_SENT = {0: ("join_ref", "ref", "topic", "event")}
_BINARY = {0: ("join_ref", "topic", "event"), 1: ("join_ref", "ref", "topic", "status"), 2: ("topic", "event")}


def decode(_kept: Any, is_binary: bool, payload: bytes) -> tuple[Sequence[tuple[Any, bytes]], None]:
    """Return the message as V1 has it; one that ends a channel has a `reason`."""
    found: Any
    try:
        found = _unpacked(payload) if is_binary else from_json(payload)
    except UNREADABLE:
        found = None
    if type(found) is list and len(found) == 5:
        own, ref, topic, event, content = found
        found = {"join_ref": own, "ref": ref, "topic": topic, "event": event, "payload": content}
    elif type(found) is dict:
        event = found.get("event")
    else:
        event = None
    if type(event) is not str:
        raise Malformed("no message of a channel")
    if event in _GONE:
        found["reason"] = _GONE[event]
    return ((found, payload),), None


def _unpacked(payload: bytes, kinds: Mapping[int, tuple[str, ...]] = _BINARY) -> Table:
    names = kinds.get(payload[0]) if payload else None
    if names is None or sum(payload[1 : 1 + len(names)]) + 1 + len(names) > len(payload):
        raise Malformed("a binary message that is cut off or of no known kind")
    found: Table = {}
    at = 1 + len(names)
    for name, size in zip(names, payload[1:at], strict=False):
        found[name] = payload[at : at + size].decode("utf-8", "replace")
        at += size
    told: Any = {"size": len(payload) - at}
    if "status" in found:
        told = {"status": found.pop("status"), "response": told}
        found["event"] = "phx_reply"
    return found | {"payload": told}


KINDS = {"phoenix": Phoenix}
