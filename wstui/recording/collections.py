"""WebSocket requests of Insomnia's exports and of Postman's collections that lie in a folder, with their messages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from wstui.recording.documents import MadeUpConnection, as_list, as_table, read_document
from wstui.recording.session import ImportFailed, RecordedSession, websocket_url

_GAP_S = 1.0
_NAME = re.compile(r"\{\{\s*(?:_\.)?([\w.]+)\s*\}\}")
_MOST_DEPTH = 50
Table = dict[str, Any]


def is_collection(document: Table) -> bool:
    """Return whether a document is an export of Insomnia or a collection of Postman."""
    return (
        document.get("_type") == "export"
        or "insomnia.rest" in str(document.get("type"))
        or "getpostman.com" in str(as_table(document.get("info")).get("schema"))
    )


def read_collection(document: Table) -> RecordedSession:
    """Return a session with a connection for each WebSocket request that has messages."""
    if "info" in document:
        raise ImportFailed(
            "Postman leaves WebSocket requests out of its exports: give the NAME.request.yaml of a collection in a "
            "folder, or record the session"
        )
    if document.get("_type") != "export":
        raise ImportFailed("version 5 of Insomnia's exports leaves messages out: export it as Insomnia v4 (JSON)")
    session = RecordedSession("Insomnia export", made_up=True)
    resources = {str(one.get("_id")): one for one in map(as_table, as_list(document.get("resources")))}
    for request in resources.values():
        if request.get("_type") == "websocket_request":
            _read(session, resources, request)
    if not session.connections:
        raise ImportFailed("it has no WebSocket request")
    return session


def _read(session: RecordedSession, resources: dict[str, Table], request: Table) -> None:
    values = _environment(resources, request)
    url = _filled(str(request.get("url", "")), values)
    query = [
        (_filled(str(one.get("name", "")), values), _filled(str(one.get("value", "")), values))
        for one in map(as_table, as_list(request.get("parameters")))
        if one.get("name") and not one.get("disabled")
    ]
    if query:
        url += ("&" if "?" in url else "?") + urlencode(query)
    script = MadeUpConnection.to(session, websocket_url(url))
    for header in map(as_table, as_list(request.get("headers"))):
        value = _filled(str(header.get("value", "")), values)
        if header.get("disabled") or not header.get("name"):
            continue
        if "{{" in value or "{%" in value:
            session.notes[f"not understood: the header {str(header['name'])[:40]}, a template"] += 1
        else:
            script.connection.request.append((str(header["name"]), value))
    if as_table(request.get("authentication")).get("type"):
        session.notes["authentication of requests, not read: set [target] headers"] += 1
    for message in resources.values():
        if message.get("_type") != "websocket_payload" or message.get("parentId") != request.get("_id"):
            continue
        text = _filled(str(message.get("value", "")), values)
        if "{{" in text or "{%" in text:
            session.notes[f"not understood: the message {str(message.get('name'))[:40]}, a template"] += 1
            continue
        script.wait(_GAP_S)
        script.send(text)


def _environment(resources: dict[str, Table], request: Table) -> Table:
    """Return the values of the folders around a request, and of the base environment of its workspace."""
    values: Table = {}
    parent = str(request.get("parentId"))
    for _ in range(_MOST_DEPTH):
        if (holder := resources.get(parent)) is None:
            break
        values = {**as_table(holder.get("environment")), **values}
        for one in resources.values():
            if one.get("_type") == "environment" and one.get("parentId") == parent:
                values = {**as_table(one.get("data")), **values}
        parent = str(holder.get("parentId"))
    return values


def _filled(text: str, values: Table) -> str:
    """Put the values of the environment in, as deep as they refer to each other; other templates stay."""

    def value(name: re.Match[str]) -> str:
        found: Any = values
        for part in name[1].split("."):
            found = as_table(found).get(part)
        return name[0] if found is None or isinstance(found, dict | list) else str(found)

    for _ in range(3):
        text = _NAME.sub(value, text[:100_000])
    return text


KIND = "websocket-request"
_MOST_MESSAGES = 500


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
