"""HAR files as browsers and proxies write them, made from a list of messages."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

START = 1_700_000_000.0


def message(at: float, sent: bool, data: str | bytes) -> dict[str, Any]:
    """One item of `_webSocketMessages`, `at` seconds after START."""
    text = data if isinstance(data, str) else base64.b64encode(data).decode()
    kind, opcode = "send" if sent else "receive", 1 if isinstance(data, str) else 2
    return {"type": kind, "time": START + at, "opcode": opcode, "data": text}


def entry(url: str, messages: list[dict[str, Any]] | None = None, **values: Any) -> dict[str, Any]:
    """One entry; with messages, that of a WebSocket."""
    request = {"method": "GET", "url": url, "headers": values.pop("headers", [])}
    response: dict[str, Any] = {
        "status": 200,
        "headers": values.pop("answer", []),
        "content": values.pop("content", {}),
    }
    made = {"startedDateTime": datetime.fromtimestamp(START, UTC).isoformat(), "request": request, "response": response}
    if messages is not None:
        response["status"] = 101
        values |= {"_resourceType": "websocket", "_webSocketMessages": messages}
    return made | values


def har(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"log": {"version": "1.2", "creator": {"name": "WebInspector", "version": "1"}, "entries": list(entries)}}
