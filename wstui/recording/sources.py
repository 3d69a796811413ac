"""Reads a session from a file of any kind that is known, told by its content."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wstui.recording.asyncapi import is_asyncapi, read_asyncapi
from wstui.recording.collections import is_collection, is_postman_request, read_collection, read_postman_request
from wstui.recording.documents import is_document, read_document
from wstui.recording.har import is_har, read_har
from wstui.recording.inference.inferred_scenario import InferredScenario
from wstui.recording.k6_script import is_artillery, is_k6, read_artillery, read_k6
from wstui.recording.mitmproxy import is_flow_file, read_flows
from wstui.recording.recording import is_recording, read_recording
from wstui.recording.session import ImportFailed, RecordedConnection, RecordedSession, websocket_url
from wstui.scenario.errors import PresetExistsError, printable
from wstui.scenario.file import loads, write
from wstui.scenario.secrets import mask_url

_HEAD = 64 << 10
KINDS = (
    "a HAR, a flow file of mitmproxy, a recording of wstui, an AsyncAPI document, an Artillery or k6 "
    "script, an Insomnia v4 export, a request.yaml of Postman"
)
_STREAMS = ((is_recording, read_recording), (is_har, read_har), (is_flow_file, read_flows), (is_k6, read_k6))
_DOCUMENTS = ((is_asyncapi, read_asyncapi), (is_collection, read_collection), (is_artillery, read_artillery))


def _ignore(_: int) -> None:
    pass


def read_session(path: Path, progress: Callable[[int], None] = _ignore) -> RecordedSession:
    """Return what a file holds; `progress` is told the bytes read so far. Nothing in it is executed.

    Raises ImportFailed, which names the file, the place and the fix.
    """
    shown = printable(str(path))
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            file.seek(0)
            for is_kind, read in _STREAMS:
                if is_kind(head):
                    return read(file, progress)
            if not is_document(head):
                what = "it is not a kind of file that is known" if head else "it is empty"
                raise ImportFailed(f"{what}: give {KINDS}")
            return _described(read_document(file), path)
    except OSError as error:
        raise ImportFailed(f"{shown} can't be read: {error.strerror or error}") from None
    except ImportFailed as error:
        raise ImportFailed(f"{shown}: {error}") from None


def _described(document: dict[Any, Any], path: Path) -> RecordedSession:
    if is_postman_request(document):
        return read_postman_request(document, path)
    for is_kind, read in _DOCUMENTS:
        if is_kind(document):
            return read(document)
    keys = ", ".join(list(map(str, document))[:5])
    raise ImportFailed(f"it holds {keys[:60] or 'nothing'}, which is not known: give {KINDS}")


def choose(session: RecordedSession, entry: int | None) -> list[RecordedConnection] | None:
    """Return the connections of one endpoint, or of one entry; None if there are several endpoints."""
    if not session.connections:
        more = f"; it has {len(session.requests)} HTTP requests" if session.requests else ""
        raise ImportFailed(
            f"it has no WebSocket connection{more}: keep the page's messages, and save the HAR with content"
        )
    if entry is not None:
        found = [connection for connection in session.connections if connection.number == entry]
        if not found:
            numbers = ", ".join(str(connection.number) for connection in session.connections[:20])
            raise ImportFailed(f"entry {entry} is not a WebSocket connection: there are {numbers}")
        return found
    if session.source == "HAR" and not any(connection.frames for connection in session.connections):
        raise ImportFailed(
            "its WebSocket connections have no messages, which Firefox and Safari leave out: save it with Chrome or "
            "Edge, or use `wstui record`"
        )
    endpoints = {connection.endpoint for connection in session.connections}
    return session.connections if len(endpoints) == 1 else None


def address(connections: list[RecordedConnection], url: str | None) -> None:
    """Put the address given in place of the one in the file, which may be a path alone."""
    fix = "give its address: --url ws://HOST/PATH or wss://HOST/PATH"
    if url is not None and not url.startswith(("ws://", "wss://")):
        raise ImportFailed(f"--url {url!r} is not a WebSocket address: {fix}")
    for connection in connections:
        connection.url = url or connection.url
        websocket_url(connection.url)
        if not connection.url.startswith(("ws://", "wss://")):
            raise ImportFailed(f"it names no WebSocket server, only {mask_url(connection.url)!r}: {fix}")


def save(draft: InferredScenario, path: Path, *, overwrite: bool) -> None:
    """Write the scenario, and its feed beside it for its owner alone. Raises ScenarioError."""
    if draft.columns:
        feed = path.with_suffix(".csv")
        draft.tables["messages"]["feed"] = feed.name
        if feed.exists() and not overwrite:
            raise PresetExistsError([])
        path.parent.mkdir(parents=True, exist_ok=True)
        feed.unlink(missing_ok=True)
        with os.fdopen(os.open(feed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(_rows(draft))
    text = draft.text()
    write(path, text, overwrite)
    if not draft.missing:
        loads(text, str(path), {**os.environ, **draft.secrets})


def _rows(draft: InferredScenario) -> str:
    """The feed as CSV: a row for each recorded client that has a value in each column."""
    columns = draft.columns
    clients = sorted({client for column in columns.values() for client in column})
    whole = [client for client in clients if all(client in column for column in columns.values())]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for client in whole or clients[:1]:
        writer.writerow([column.get(client, next(iter(column.values()))) for column in columns.values()])
    return out.getvalue()
