"""The messages of the control socket: JSON, one a line, each with its `type`. See `wstui manual control`.

What a run sends to those who watch it is in `stream`, which imports the whole result.
"""

from __future__ import annotations

import msgspec

from wstui.execution.run.commands import RunCommand

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


ToServer = Hello | Request | Watch

decode_to_server = msgspec.json.Decoder(ToServer).decode
decode_answer = msgspec.json.Decoder(Hello | Answered | Failed).decode
_encode = msgspec.json.Encoder().encode


def line(message: msgspec.Struct) -> bytes:
    """Return a message as it is sent."""
    return _encode(message) + b"\n"
