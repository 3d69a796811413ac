"""Asks for a recorded session."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wstui.scenario.conversation.dialect import known
from wstui.scenario.errors import BadValue
from wstui.tui.dialogs.dialog import DialogField, Form

Asked = tuple[Path, str, int | None, str]
"""The file, the address, the entry and the protocol."""


class ImportDialog(Form[Asked]):
    """Asks for a file, the address of its server if that is another, and which connection is meant."""

    SEND = "Import"
    title_text = "A scenario from which recorded session?"

    def fields(self) -> Iterable[DialogField]:
        kinds = "HAR, recording, mitmproxy flow, AsyncAPI, k6, Artillery or Insomnia"
        yield DialogField("file", "file", "", _file, lambda _: kinds, placeholder="session.har")
        yield DialogField("url", "url", "", str, lambda url: "" if url else "empty: the recorded server")
        yield DialogField("entry", "entry", "", _entry, lambda entry: "" if entry else "empty: all connections")
        asked = "empty: recognised by its frames; json or raw: the frames as they are"
        yield DialogField("protocol", "protocol", "", _protocol, lambda protocol: "" if protocol else asked)

    def answer(self, values: dict[str, Any]) -> Asked:
        return values["file"], values["url"], values["entry"], values["protocol"]


def _file(text: str) -> Path:
    path = Path(text).expanduser()
    if not text or not path.is_file():
        raise BadValue("no such file" if text else "which file?")
    return path


def _protocol(text: str) -> str:
    return known(text) if text else ""


def _entry(text: str) -> int | None:
    if text and not text.isdigit():
        raise BadValue("takes the number of a connection, as `wstui import` lists them")
    return int(text) if text else None
