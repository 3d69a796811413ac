"""A log of each message that the sink received, on the clock that all processes of a machine share: the truth."""

from __future__ import annotations

import time
from array import array
from dataclasses import dataclass, field
from typing import Any

import msgspec

NEVER = 0
"""The send time of a reply that was not sent."""


@dataclass(slots=True)
class SinkLog:
    """Columns of equal length, one row a message received; when connections opened; counts and events.

    Times are nanoseconds of CLOCK_MONOTONIC (`time.monotonic_ns`); `key` is the message's own id (the `timestamp` of a
    ping, the number of an echo) or -1; `client` is the number in the message, else that of its connection in order of
    opening.
    """

    client: array[int] = field(default_factory=lambda: array("q"))
    connection: array[int] = field(default_factory=lambda: array("q"))
    key: array[int] = field(default_factory=lambda: array("q"))
    received_ns: array[int] = field(default_factory=lambda: array("q"))
    sent_ns: array[int] = field(default_factory=lambda: array("q"))
    opened_ns: array[int] = field(default_factory=lambda: array("q"))  # when each connection had its upgrade
    events: list[tuple[str, int, int]] = field(default_factory=list)  # what, from, to
    broadcasts: list[tuple[int, int, int]] = field(default_factory=list)  # begun, ended, receivers
    per_connection: list[tuple[int, int, int]] = field(default_factory=list)  # broadcasts: sent, dropped, duplicated
    counts: dict[str, int] = field(default_factory=dict)
    cpu_ns: int = 0
    epoch_ns: int = field(default_factory=lambda: time.time_ns() - time.monotonic_ns())
    """Wall clock minus monotonic clock."""

    def add(self, client: int, connection: int, key: int, received_ns: int, sent_ns: int) -> int:
        self.client.append(client)
        self.connection.append(connection)
        self.key.append(key)
        self.received_ns.append(received_ns)
        self.sent_ns.append(sent_ns)
        return len(self.key) - 1

    def encode(self) -> bytes:
        """Return the log as bytes; `decode` reads them on a machine of the same byte order."""
        return msgspec.msgpack.encode(
            {name: value.tobytes() if isinstance(value, array) else value for name, value in self._fields()}
        )

    @classmethod
    def decode(cls, data: bytes) -> SinkLog:
        """Return a log from the bytes of `encode`. Raises msgspec.DecodeError."""
        raw = msgspec.msgpack.decode(data)
        log = cls()
        for name, value in log._fields():
            if isinstance(value, array):
                value.frombytes(raw[name])
            elif isinstance(value, list):
                value.extend(tuple(row) for row in raw[name])
            else:
                setattr(log, name, raw[name])
        return log

    def _fields(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self.__slots__]
