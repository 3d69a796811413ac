"""The messages of the control socket: JSON, one a line, each with its `type`. See `wstui manual control`."""

from __future__ import annotations

from typing import Any

import msgspec

from wstui.execution.run.commands import RunCommand
from wstui.execution.run.result import Result, SuiteResult

PROTOCOL = 1
LINE_LIMIT = 64 << 10
"""Bytes of the longest line that a server reads."""


class Hello(msgspec.Struct, tag="hello", frozen=True, kw_only=True):
    """The first line of either side. Of a server, `name` is the run's; of a client, its own, for the timeline."""

    protocol: int = PROTOCOL
    wstui: str = ""
    name: str = ""
    run: str = ""
    pid: int = 0
    user: str = ""


class Request(msgspec.Struct, tag="command", frozen=True):
    """A command; the answer has the same `id`."""

    id: int
    command: RunCommand


class Watch(msgspec.Struct, tag="watch", frozen=True):
    """Send the status from now on, or the lines of `--events`, or both, until the run ends."""

    status: bool = True
    events: bool = False


class Answered(msgspec.Struct, tag="answer", frozen=True):
    """The outcome of a command."""

    id: int
    done: bool
    text: str


class Failed(msgspec.Struct, tag="error", frozen=True):
    """Why the server closes the connection."""

    text: str


class Changed(msgspec.Struct, tag="status", frozen=True):
    """The fields of a `Status` that have changed since the last such line; of rows and marks, the new ones.

    `begins`: another run of the suite has begun, and rows and marks are those of that run alone.
    """

    changed: dict[str, msgspec.Raw]
    begins: bool = False


class Happened(msgspec.Struct, tag="event", frozen=True):
    """A line of `--events`."""

    event: dict[str, Any]


class Ended(msgspec.Struct, tag="end", frozen=True):
    """The last line: the run is over. Without a result it was cut short before there was one."""

    result: Result | None = None
    suite: SuiteResult | None = None


ToServer = Hello | Request | Watch
ToClient = Hello | Answered | Failed | Changed | Happened | Ended

decode_to_server = msgspec.json.Decoder(ToServer).decode
decode_to_client = msgspec.json.Decoder(ToClient).decode
_encode = msgspec.json.Encoder().encode


def line(message: ToServer | ToClient) -> bytes:
    """Return a message as it is sent."""
    return _encode(message) + b"\n"
