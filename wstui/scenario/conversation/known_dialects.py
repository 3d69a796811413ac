"""The protocols that are known, each with the module of its dialect, which is imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from wstui.scenario.conversation.dialect import Dialect, read
from wstui.scenario.errors import BadValue, nearest

DIALECTS = {
    "json": "plain",
    "raw": "plain",
    "lines": "plain",
    "socketio": "socketio",
    "graphql": "graphql",
    "actioncable": "actioncable",
    "centrifugo": "centrifugo",
    "jsonrpc": "jsonrpc",
    "ocpp": "ocpp",
    "wamp": "wamp",
    "mqtt": "mqtt",
    "pusher": "pusher",
    "signalr": "signalr",
    "stomp": "stomp",
    "phoenix": "phoenix",
    "realtime": "realtime",
}
"""Each protocol with its module in `wstui/protocols`."""


def dialect(protocol: str, options: Mapping[str, Any]) -> Dialect:
    """Return a dialect with its options. Raises BadKey."""
    kind = kind_of(protocol)
    return kind(read(kind.option_keys, options))


def known(protocol: str) -> str:
    """Return the name of a protocol. Raises BadValue, with the name that is meant."""
    if protocol not in DIALECTS:
        near = nearest(protocol, DIALECTS)
        raise BadValue(f"did you mean {near}?" if near else "there are " + ", ".join(DIALECTS))
    return protocol


def kind_of(protocol: str) -> type[Dialect]:
    """Return the class of a protocol's dialect; its module is only imported now."""
    module = importlib.import_module(f"wstui.protocols.{DIALECTS[protocol]}")
    kind: type[Dialect] = module.KINDS[protocol]
    return kind
