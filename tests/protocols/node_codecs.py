"""Encoders and decoders of npm packages, in one process of node that answers line by line."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.protocols import npm

PACKAGES = {
    "actioncable": ("@rails/actioncable",),
    "graphql": ("graphql", "graphql-ws"),
    "mqtt": ("mqtt-packet",),
    "phoenix": ("phoenix",),
    "pusher": ("pusher-js", "typescript"),
    "signalr": ("@microsoft/signalr", "@microsoft/signalr-protocol-msgpack"),
    "socketio": ("socket.io",),
}


class Refused(Exception):
    """A library takes a message or a frame for wrong; the text is its own."""


class NodeCodecs:
    """The codecs while the context lasts; a test of one is skipped where its packages are missing."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.communicate()

    def ask(self, codec: str, how: str, told: Any) -> Any:
        """Return what a library makes of this, both with bytes where they are. Raises Refused."""
        root = npm.modules(*PACKAGES[codec])
        if self._process is None:
            command = ["node", str(Path(__file__).with_name("codecs.mjs")), root]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([codec, how, told], default=_shown) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline(), object_hook=_bytes)
        assert "broken" not in answer, answer["broken"]
        if "refused" in answer:
            raise Refused(answer["refused"])
        return answer.get("made")

    def understands(self, codec: str, how: str, told: Any) -> Any:
        """Return what a library reads, or None if it refuses."""
        try:
            return self.ask(codec, how, told)
        except Refused:
            return None


def _shown(value: Any) -> Any:
    assert isinstance(value, bytes)
    return {"$bytes": base64.b64encode(value).decode()}


def _bytes(found: dict[str, Any]) -> Any:
    return base64.b64decode(found["$bytes"]) if "$bytes" in found else found
