"""GraphQL over WebSocket: graphql-transport-ws, and the older graphql-ws of subscriptions-transport-ws.

Written by hand: each frame is one JSON object, so steps and rules say all of it, and nothing runs in a worker.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from wstui.protocols.plain import document
from wstui.protocols.step_keys import command_of
from wstui.scenario.conversation.dialect import (
    Dialect,
    Malformed,
    RecordedState,
    RecordedStep,
    Seconds,
    Table,
    reply,
)

_REASONS = ["payload.errors.0.message", "payload.0.message", "payload.message", "payload"]


class GraphQLOptions(msgspec.Struct, kw_only=True):
    payload: Annotated[
        Any, Meta(description='what connection_init carries: { Authorization = "Bearer {{token}}" }')
    ] = None
    legacy: Annotated[bool, Meta(description="speak graphql-ws, the protocol of subscriptions-transport-ws")] = False
    ping: Annotated[Seconds | None, Meta(description="send a ping so often and expect its pong: 30s")] = None


class GraphQLKeys(msgspec.Struct, kw_only=True):
    query: Annotated[str, Meta(description="an operation; expect and capture read its result: data.user.id")] = ""
    mutation: Annotated[str, Meta(description="the same")] = ""
    subscribe: Annotated[str, Meta(description="a subscription; with expect it waits for the first event")] = ""
    complete: Annotated[str, Meta(description="the id of a subscription to end")] = ""
    variables: Annotated[dict[str, Any], Meta(description="variables of the operation")] = {}
    operation: Annotated[str, Meta(description="operationName")] = ""
    id: Annotated[str, Meta(description="id of the operation; unset: a number of its own")] = "{{seq text}}"


class GraphQL(Dialect):
    title = "GraphQL subscriptions, queries and mutations"
    option_keys, step_keys = GraphQLOptions, GraphQLKeys
    options: GraphQLOptions
    closes: ClassVar[Mapping[int, str]] = {
        4400: "a message that the server does not understand",
        4401: "an operation before the connection was acknowledged",
        4403: "connection_init was refused",
        4406: "the server speaks another subprotocol",
        4408: "connection_init came too late",
        4409: "an operation with this id is still running",
        4429: "more than one connection_init",
        4500: "the server failed",
    }

    def subprotocols(self) -> list[str]:
        return ["graphql-ws" if self.options.legacy else "graphql-transport-ws"]

    def opening(self) -> list[Table]:
        init: Table = {"type": "connection_init"}
        # The old client always sends one, and servers look into it.
        payload = {} if self.options.payload is None and self.options.legacy else self.options.payload
        if payload is not None:
            init["payload"] = payload
        return [
            {
                "name": "connect",
                "json": init,
                "expect": {"type": "connection_ack"},
                "refuse": {"type": "connection_error"},
                "reason": ["payload.message", "payload"],
            }
        ]

    def step(self, keys: GraphQLKeys, given: Table) -> Table:
        legacy = self.options.legacy
        commands = ("query", "mutation", "subscribe", "complete")
        command = command_of(keys, commands, "needs query, mutation, subscribe or complete")
        if keys.complete:
            return given | {"json": {"type": "stop" if legacy else "complete", "id": keys.complete}}
        payload: Table = {"query": getattr(keys, command)}
        payload |= {"variables": keys.variables} if keys.variables else {}
        payload |= {"operationName": keys.operation} if keys.operation else {}
        table = given | {"json": {"type": "start" if legacy else "subscribe", "id": keys.id, "payload": payload}}
        if keys.subscribe and given.get("expect") is None:
            return table
        result = {"type": "data" if legacy else "next", "id": keys.id}
        failed = [{"type": "error", "id": keys.id}, result | {"payload.errors": "*"}]
        return reply(table, result | {"absent": "payload.errors"}, "payload", *failed, reason=_REASONS)

    def recorded(self, frame: str | bytes, state: RecordedState) -> list[RecordedStep]:
        match document(frame):
            case {"type": "connection_init", **rest}:
                return [RecordedStep({"payload": rest.get("payload") or None}, opens=True)]
            case {"type": "subscribe" | "start", "id": own, "payload": {"query": str(query), **rest}}:
                found = re.match(r"\s*(query|mutation|subscription)\b\s*(\w*)|", query)
                command = ((found and found[1]) or "query").replace("scription", "scribe")
                given = {"variables": rest.get("variables") or {}, "operation": rest.get("operationName") or ""}
                if command == "subscribe":
                    # A name of its own: the step that completes it has to say the same.
                    name = given["operation"] or (found and found[2]) or next(iter(re.findall(r"{\s*(\w+)", query)), "")
                    state.kept[own] = given["id"] = name or "subscription"
                return [RecordedStep({command: query} | given, own)]
            case {"type": "complete" | "stop", "id": own}:
                return [RecordedStep({"complete": state.kept[own]})] if own in state.kept else []
            case {"type": "ping" | "pong" | "connection_terminate"}:
                return []
        raise Malformed("no message of GraphQL")

    def rules(self) -> dict[str, list[Table]]:
        legacy = self.options.legacy
        failed = [{"type": "error"}, {"type": "data" if legacy else "next", "payload.errors": "*"}]
        rules: dict[str, list[Table]] = {"errors": [{"on": failed, "reason": _REASONS}]}
        if legacy:
            return rules
        rules["answer"] = [{"on": {"type": "ping"}, "json": {"type": "pong"}}]
        if self.options.ping:
            beat = {"every": f"{self.options.ping}s", "json": {"type": "ping"}, "expect": {"type": "pong"}}
            rules["heartbeats"] = [beat]
        return rules

    def leaving(self) -> list[Table]:
        return [{"json": {"type": "connection_terminate"}}] if self.options.legacy else []


KINDS = {"graphql": GraphQL}
