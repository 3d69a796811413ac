"""JSON-RPC 2.0 with subscriptions, as Ethereum nodes and many exchanges have them.

Written by hand: a frame is one JSON document.
"""

from __future__ import annotations

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
    reply,
    text,
)


class JsonRpcOptions(msgspec.Struct, kw_only=True):
    version: Annotated[str, Meta(description='the version in each call; "" leaves it out, as exchanges often do')] = (
        "2.0"
    )


class JsonRpcKeys(msgspec.Struct, kw_only=True):
    call: Annotated[str, Meta(description="the method; expect and capture read its result")] = ""
    notify: Annotated[str, Meta(description="a method that is not answered")] = ""
    params: Annotated[Any, Meta(description="its parameters: a list or a table")] = None


class JsonRpc(Dialect):
    title = "JSON-RPC 2.0: calls, notifications, subscriptions"
    option_keys, step_keys = JsonRpcOptions, JsonRpcKeys
    kinds = ("method", "channel", "e")
    options: JsonRpcOptions

    def step(self, keys: JsonRpcKeys, given: Table) -> Table:
        if bool(keys.call) == bool(keys.notify):
            raise BadKey((), 'says either call or notify: write call = "method"')
        head: Table = {"jsonrpc": self.options.version} if self.options.version else {}
        head |= {"method": keys.call or keys.notify} | ({} if keys.params is None else {"params": keys.params})
        if keys.notify:
            return given | {"frames": text(Json(head))}
        own = {"id": "{{seq}}"}
        table = given | {"frames": text(Json(head | own))}
        return reply(table, own | {"absent": "error"}, "result", own | {"error": "*"}, reason=["error"])

    def rules(self) -> dict[str, list[Table]]:
        return {"errors": [{"on": {"error": "*"}, "reason": ["error"]}]}

    def recorded(self, frame: str | bytes, state: RecordedState) -> list[RecordedStep]:
        match document(frame):
            case {"method": str(method), **rest}:
                given = {"call" if "id" in rest else "notify": method, "params": rest.get("params")}
                return [RecordedStep(given, rest.get("id"))]
        raise Malformed("neither a call nor a notification")


KINDS = {"jsonrpc": JsonRpc}
