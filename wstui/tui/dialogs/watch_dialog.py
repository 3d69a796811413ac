"""Asks which client to watch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wstui.execution.run.commands import WatchClient, refusal
from wstui.execution.run.status import Status
from wstui.tui.dialogs.dialog import DialogField, Form


class WatchDialog(Form[int]):
    """Asks for the number of a client; the one given stands there already."""

    SEND = "Watch"
    title_text = "Watch one client"

    def __init__(self, client: int) -> None:
        super().__init__()
        self._client = client

    def moot(self, status: Status) -> str:
        return refusal(WatchClient(0), status)

    def fields(self) -> Iterable[DialogField]:
        yield DialogField("client", "client", str(self._client), self._read)

    def _read(self, text: str) -> int:
        if not text.isdecimal() or len(text) > 9:
            raise ValueError("takes the number of a client, such as 0 or 4711")
        return int(text)

    def answer(self, values: dict[str, Any]) -> int:
        return int(values["client"])
