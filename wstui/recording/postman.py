"""WebSocket requests of Postman collections that lie in a folder: a request's file, its saved messages beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wstui.recording.documents import MadeUpConnection, as_list, as_table, read_document
from wstui.recording.session import ImportFailed, RecordedSession, websocket_url

KIND = "websocket-request"
_GAP_S = 1.0
_MOST_MESSAGES = 500
Table = dict[str, Any]


def is_postman_request(document: Table) -> bool:
    """Return whether a document is a request of a collection in a folder."""
    return str(document.get("$kind", "")).endswith("-request")


def read_postman_request(document: Table, path: Path) -> RecordedSession:
    """Return a session with one connection that sends each saved message once, in their order.

    Only files in the folder of the request are read.
    """
    kind = str(document["$kind"])
    if kind != KIND:
        raise ImportFailed(f"it is a {kind[:40]} of Postman: give the file of a {KIND}")
    session = RecordedSession("Postman request", made_up=True)
    script = MadeUpConnection.to(session, websocket_url(_literal(session, "the URL", document.get("url"))))
    for name, value in _headers(document.get("headers")):
        if text := _literal(session, f"the header {name[:40]}", value):
            script.connection.request.append((name, text))
    for message in _messages(document, path):
        content = _literal(session, f"the message {str(message.get('name', ''))[:40]}".rstrip(), message.get("content"))
        if content:
            script.wait(_GAP_S)
            script.send(content)
    return session


def _headers(given: Any) -> list[tuple[str, Any]]:
    """Return names and values: headers are a table, or a list whose items may be disabled."""
    if isinstance(given, dict):
        return [(str(name), value) for name, value in given.items()]
    listed = map(as_table, as_list(given))
    return [(str(one["key"]), one.get("value")) for one in listed if one.get("key") and not one.get("disabled")]


def _messages(document: Table, path: Path) -> list[Table]:
    """Return the saved messages, sorted by their `order`, then by the names of their files."""
    name = path.name.removesuffix(".yaml").removesuffix(".request")
    given = str(document.get("messages") or f".resources/{name}.resources/messages")
    folder = (path.parent / given).resolve()
    if not folder.is_relative_to(path.parent.resolve()):
        raise ImportFailed(f"its messages are outside of its folder, at {given[:100]}")
    files = sorted(folder.glob("*.message.yaml")) if folder.is_dir() else []
    if not files:
        raise ImportFailed(f"it has no saved messages: there is no *.message.yaml in {given[:100]}")
    found: list[tuple[float, str, Table]] = []
    for file in files[:_MOST_MESSAGES]:
        with file.open("rb") as content:
            try:
                message = read_document(content)
            except ImportFailed as error:
                raise ImportFailed(f"{file.name}: {error}") from None
        order = message.get("order")
        number = float(order) if isinstance(order, int | float) else float("inf")
        found.append((number, file.name, {"name": file.name.removesuffix(".message.yaml"), **message}))
    return [message for *_, message in sorted(found, key=lambda one: one[:2])]


def _literal(session: RecordedSession, what: str, value: Any) -> str:
    """Return a text; one with a variable of Postman is noted, and left out."""
    text = "" if value is None else str(value)
    if "{{" not in text:
        return text
    session.notes[f"not understood: {what}, a template"] += 1
    return ""
