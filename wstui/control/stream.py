"""What a run sends on its control socket to those who watch it: statuses, events and the end."""

from __future__ import annotations

from typing import Any

import msgspec

from wstui.control.control_messages import Answered, Failed, Hello
from wstui.execution.run.result import Result, SuiteResult


class StatusChanged(msgspec.Struct, tag="status", frozen=True):
    """The fields of a `Status` that have changed since the last such line; of rows and marks, the new ones.

    `begins`: another run of the suite has begun, and rows and marks are those of that run alone.
    """

    changed: dict[str, msgspec.Raw]
    begins: bool = False


class Happened(msgspec.Struct, tag="event", frozen=True):
    """A line of `--events`."""

    event: dict[str, Any]


class StreamEnd(msgspec.Struct, tag="end", frozen=True):
    """The last line: the run is over. Without a result it was cut short before there was one."""

    result: Result | None = None
    suite: SuiteResult | None = None


ToClient = Hello | Answered | Failed | StatusChanged | Happened | StreamEnd
decode_to_client = msgspec.json.Decoder(ToClient).decode
