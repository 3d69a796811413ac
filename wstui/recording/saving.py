"""From a session to the file of a scenario: which connections it is made of, and what is written."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from wstui.recording.inference.inferred_scenario import InferredScenario
from wstui.recording.session import ImportFailed, RecordedConnection, RecordedSession, websocket_url
from wstui.scenario.errors import PresetExistsError
from wstui.scenario.file import loads, write
from wstui.scenario.secrets import mask_url


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
