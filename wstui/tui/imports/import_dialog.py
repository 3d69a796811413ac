"""Asks for a recorded session."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from textual import on
from textual.widget import Widget
from textual.widgets import Button, Static

from wstui.recording.session import ImportFailed
from wstui.scenario.conversation.known_dialects import known
from wstui.scenario.errors import BadValue
from wstui.tui.dialogs.dialog import Dialog, DialogField, Form, button

_KINDS = "HAR, recording, mitmproxy flow, AsyncAPI, k6, Artillery, Insomnia or Postman"
Asked = tuple[Path, str, int | None, str]
"""The file, the address, the entry and the protocol."""


class ImportDialog(Form[Asked]):
    """Asks for a file, the address of its server if that is another, and which connection is meant."""

    SEND = "Import"
    title_text = "A scenario from which recorded session?"

    def fields(self) -> Iterable[DialogField]:
        yield DialogField("file", "file", "", _file, lambda _: _KINDS, placeholder="session.har")
        yield DialogField("url", "url", "", str, lambda url: "" if url else "leave it empty for the recorded server")
        yield DialogField(
            "entry", "entry", "", _entry, lambda entry: "" if entry else "leave it empty for all connections"
        )
        asked = "leave it empty to have it recognised; json or raw keep the frames as they are"
        yield DialogField("protocol", "protocol", "", _protocol, lambda protocol: "" if protocol else asked)

    def answer(self, values: dict[str, Any]) -> Asked:
        return values["file"], values["url"], values["entry"], values["protocol"]


class ReadingDialog(Dialog[None]):
    """Tells how much of a large file was read; closing it stops the import."""

    title_text = "Reading the recorded session"
    FROM_BYTES = 8 << 20

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file_bytes, self._read_bytes = path.stat().st_size, 0
        self.stopped = False

    @property
    def is_due(self) -> bool:
        """Whether the file is so large that its reader waits."""
        return self._file_bytes >= self.FROM_BYTES

    def progress(self, read_bytes: int) -> None:
        """Take the bytes read so far, in the thread that reads. Raises ImportFailed when it is to stop."""
        self._read_bytes = read_bytes
        if self.stopped:
            raise ImportFailed("stopped")

    def body(self) -> Iterable[Widget]:
        yield Static(id="reading", markup=False)

    def buttons(self) -> Iterable[Button]:
        yield button("Stop", "esc", "stop")

    def on_mount(self) -> None:
        self._show()
        self.set_interval(0.25, self._show)

    def _show(self) -> None:
        read, whole = self._read_bytes, self._file_bytes
        text = f"{read >> 20} of {whole >> 20} MiB read" if read < whole else "guessing a scenario from it"
        self.query_one("#reading", Static).update(text)

    @on(Button.Pressed)
    def action_close(self) -> None:
        self.stopped = True
        self.dismiss(None)


def _file(text: str) -> Path:
    path = Path(text).expanduser()
    if not text or not path.is_file():
        raise BadValue("no such file" if text else f"which file? {_KINDS}")
    return path


def _protocol(text: str) -> str:
    return known(text) if text else ""


def _entry(text: str) -> int | None:
    if text and not text.isdigit():
        raise BadValue("takes the number of a connection, as `wstui import` lists them")
    return int(text) if text else None
