"""Pusher Channels (protocol 7), and the servers that speak it: Soketi, Laravel Reverb.

Written by hand: a frame is one JSON document, whose `data` is often JSON in a string, which paths look into.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from wstui.protocols.plain import document
from wstui.scenario.conversation.dialect import (
    BadKey,
    Dialect,
    Json,
    Malformed,
    RecordedState,
    RecordedStep,
    Table,
    Verbatim,
    alternatives,
    check_json,
    text,
    with_path,
    with_query,
    without_query,
)

_SECRET = re.compile(r"\{\{\s*env\s+(\w+)\s*\}\}")
_PLACEHOLDER = re.compile(r"(\{\{.*?\}\})")


PONG_WITHIN = "30s"
"""How long a server may take to answer a ping, as the protocol's document has it."""


class PusherOptions(msgspec.Struct, kw_only=True):
    key: Annotated[str, Meta(description="the key of the app; only needed where the URL has no /app/KEY")] = ""
    secret: Annotated[str, Meta(description="the secret of the app: {{env PUSHER_SECRET}}")] = ""


class PusherKeys(msgspec.Struct, kw_only=True):
    subscribe: Annotated[str, Meta(description="a channel; private-… and presence-… are signed with the secret")] = ""
    user: Annotated[dict[str, Any], Meta(description="who joins a presence channel: { user_id = …, … }")] = {}
    auth: Annotated[str, Meta(description="a signature from the backend instead: a captured KEY:HMAC")] = ""
    unsubscribe: Annotated[str, Meta(description="the channel to leave")] = ""
    publish: Annotated[str, Meta(description="a private or presence channel to send a client event to")] = ""
    event: Annotated[str, Meta(description="the client event: client-…")] = ""
    data: Annotated[Any, Meta(description="what the event brings")] = {}


class Pusher(Dialect):
    title = "Pusher Channels, Soketi, Laravel Reverb: channels, presence"
    option_keys, step_keys = PusherOptions, PusherKeys
    kinds = ("event",)
    options: PusherOptions
    closes = {  # noqa: RUF012 - a constant of the class
        4000: "the app accepts TLS only",
        4001: "no app has this key",
        4003: "the app is disabled",
        4004: "too many connections for this app",
        4005: "path not found",
        4006: "bad version",
        4007: "protocol version not supported",
        4008: "no protocol version given",
        4009: "not authorized, or not in time",
        4100: "over capacity",
        4200: "reconnect at once",
        4201: "no pong in time",
        4202: "inactive for too long",
        4301: "client event rejected",
        4302: "too many watched users",
    }
    close_ranges = {  # noqa: RUF012 - a constant of the class
        range(4000, 4100): "an error that lasts: clients do not come back",
        range(4100, 4200): "clients come back after a while",
        range(4200, 4300): "clients come back at once",
        range(4300, 4400): "another error",
    }

    def address(self, url: str) -> str:
        return with_query(with_path(url, f"/app/{self.options.key}") if self.options.key else url, protocol="7")

    def opening(self) -> list[Table]:
        return [
            {
                "name": "connect",
                "expect": {"event": "pusher:connection_established"},
                "refuse": {"event": "pusher:error"},
                "reason": ["data.message", "data.code"],
                "capture": {"_socket": "data.socket_id", "_idle": "data.activity_timeout"},
            }
        ]

    def step(self, keys: PusherKeys, given: Table) -> Table:
        if sum(map(bool, (keys.subscribe, keys.unsubscribe, keys.publish))) != 1:
            raise BadKey((), 'says one of subscribe, unsubscribe and publish: write subscribe = "room"')
        if keys.unsubscribe:
            return given | {"frames": _event("pusher:unsubscribe", data={"channel": keys.unsubscribe})}
        if keys.publish:
            if not keys.event.startswith("client-"):
                raise BadKey(("event",), 'must begin with client-, as servers want: write event = "client-typing"')
            return given | {"frames": _event(keys.event, channel=keys.publish, data=keys.data)}
        channel = keys.subscribe
        refused = [{"event": "pusher:subscription_error", "channel": channel}, {"event": "pusher:error"}]
        return given | {
            "frames": _event("pusher:subscribe", data={"channel": channel} | self._signed(keys)),
            "expect": given.get("expect") or {"event": "pusher_internal:subscription_succeeded", "channel": channel},
            "refuse": [*refused, *alternatives(given.get("refuse"))],
            "reason": ["data.error", "data.message"],
        }

    def _signed(self, keys: PusherKeys) -> Table:
        """What shows that a client may join a private or presence channel: HMAC-SHA256 of socket, channel and user."""
        presence = keys.subscribe.startswith("presence-")
        if keys.user and not presence:
            raise BadKey(("user",), "is only told on a channel whose name begins with presence-")
        if presence and "user_id" not in keys.user:
            raise BadKey(("user",), 'names nobody: write user = { user_id = "{{client}}" }')
        if not presence and not keys.subscribe.startswith("private-"):
            return {}
        user = _spaced(json.dumps(check_json(keys.user), ensure_ascii=False)) if presence else ""
        told = {"channel_data": user} if presence else {}
        if keys.auth:
            return {"auth": keys.auth} | told
        variable = _SECRET.fullmatch(self.options.secret)
        if not self.options.key or not variable:
            options = 'options = { key = "…", secret = "{{env PUSHER_SECRET}}" }'
            raise BadKey(("subscribe",), f"is signed: write {options} under [target]")
        signed = ":".join(part for part in ("{{_socket}}", keys.subscribe, user) if part)
        return {"auth": f"{self.options.key}:{{{{hmac sha256 {variable[1]} {signed} }}}}"} | told

    def bare(self, url: str) -> str:
        return without_query(url, "protocol")

    def recorded(self, frame: str | bytes, state: RecordedState) -> list[RecordedStep]:
        match document(frame):
            case {"event": "pusher:subscribe", "data": {"channel": str(channel), **rest}}:
                user = document(str(rest.get("channel_data") or "{}"))
                key = str(rest.get("auth") or "").partition(":")[0]  # a signature holds for one socket only
                options = {"key": Verbatim(key), "secret": Verbatim("{{env PUSHER_SECRET}}")}
                return [RecordedStep(options, opens=True)] * bool(key) + [
                    RecordedStep({"subscribe": channel, "user": user})
                ]
            case {"event": "pusher:unsubscribe", "data": {"channel": str(channel)}}:
                return [RecordedStep({"unsubscribe": channel})]
            case {"event": str(event), "channel": str(channel), **rest} if event.startswith("client-"):
                return [RecordedStep({"publish": channel, "event": event, "data": rest.get("data", {})})]
            case {"event": "pusher:ping" | "pusher:pong"}:
                return []
        raise Malformed("no event that a step sends")

    def rules(self) -> dict[str, list[Table]]:
        return {
            "answer": [{"on": {"event": "pusher:ping"}, "frames": _event("pusher:pong", data={})}],
            "heartbeats": [
                {
                    "every": "{{_idle}}s",
                    "frames": _event("pusher:ping", data={}),
                    "expect": {"event": "pusher:pong"},
                    "within": PONG_WITHIN,
                }
            ],
            "errors": [{"on": {"event": "pusher:error"}, "reason": ["data.message", "data.code"]}],
        }


def _event(name: str, **more: Any) -> list[Any]:
    return text(Json({"event": name} | more))


def _spaced(written: str) -> str:
    """Return JSON in which no two braces meet but those of placeholders: it stands in a placeholder itself."""
    parts = _PLACEHOLDER.split(written)
    return "".join(part if number % 2 else re.sub(r"([{}])(?=[{}])", r"\1 ", part) for number, part in enumerate(parts))


KINDS = {"pusher": Pusher}
