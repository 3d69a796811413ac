"""Recorded sessions made from lists of messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.recording.hars import START
from wstui.recording.inference.infer import infer
from wstui.recording.inference.inferred_scenario import InferredScenario
from wstui.recording.session import RecordedConnection, RecordedMessage, RecordedRequest, RecordedSession
from wstui.recording.sources import read_session
from wstui.scenario.file import loads
from wstui.scenario.model import Scenario


class Talk:
    """One connection; each message comes a while after the one before."""

    def __init__(self, url: str = "ws://127.0.0.1:9/ws", number: int = 1, gap: float = 0.01, **headers: str) -> None:
        self.connection = RecordedConnection(number, url, START, list(headers.items()))
        self.at = START
        self.gap = gap

    def sent(self, data: Any, after: float | None = None) -> Talk:
        return self._add(True, data, after)

    def came(self, data: Any, after: float | None = None) -> Talk:
        return self._add(False, data, after)

    def _add(self, sent: bool, data: Any, after: float | None) -> Talk:
        self.at += self.gap if after is None else after
        text = data if isinstance(data, str | bytes) else json.dumps(data)
        self.connection.frames.append(RecordedMessage(self.at, sent, text))
        return self


def guessed(*talks: Talk, requests: Sequence[RecordedRequest] = ()) -> tuple[InferredScenario, Scenario]:
    """What is guessed from these connections: the draft, and the scenario that its text is."""
    connections = [talk.connection for talk in talks]
    draft = infer(RecordedSession("HAR", connections, [*requests]), connections, "guessed")
    if draft.columns:
        draft.tables["messages"]["feed"] = __file__  # any file: the feed is not read
    made = loads(draft.text(), "", draft.secrets, complete=not draft.columns)
    assert isinstance(made, Scenario)
    return draft, made


def request(url: str, answer: Any = "", at: float = -1.0, body: Any = "", **values: Any) -> RecordedRequest:
    """An HTTP request before the connections, with JSON on both sides."""
    made = RecordedRequest(START + at, values.pop("method", "POST" if body else "GET"), url, status=200, **values)
    made.body, made.answer_body = (text if isinstance(text, str) else json.dumps(text) for text in (body, answer))
    return made


def read(path: Path, text: str | dict[str, Any]) -> RecordedSession:
    """The session that a file with this text holds."""
    file = path / "given"
    file.write_text(text if isinstance(text, str) else json.dumps(text))
    return read_session(file)
