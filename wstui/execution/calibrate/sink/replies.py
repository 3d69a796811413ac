"""What the sink says: whole frames, and what names a message in its log."""

from __future__ import annotations

import time

from wstui.servers.frame_writer import text_frame

_wall = time.time_ns
_WELCOME = text_frame(b'{"type":"connection:established","timestamp":1000000000000}').replace(
    b"1000000000000", b"%d"
)  # as long as milliseconds have 13 digits


def welcome() -> bytes:
    """The frame that greets a client, with the time in it."""
    return _WELCOME % (_wall() // 1_000_000)


def frame(first: int, payload: bytes) -> bytes:
    """One whole frame of a server."""
    size = len(payload)
    if size < 126:
        return b"%c%c%b" % (first, size, payload)
    if size < 65536:
        return b"%c\x7e%b%b" % (first, size.to_bytes(2, "big"), payload)
    return b"%c\x7f%b%b" % (first, size.to_bytes(8, "big"), payload)


def _timestamp(payload: bytes) -> bytes:
    start = payload.find(b'"timestamp":')
    if start < 0:
        return b""
    start += 12
    end = payload.find(b",", start)
    return payload[start : end if end > 0 else payload.find(b"}", start)].strip()


def pong_to(payload: bytes) -> bytes | None:
    """The frame that answers a ping, or None when it is not one that has a timestamp."""
    original = _timestamp(payload)
    if not original or b'"ping"' not in payload:
        return None
    return text_frame(
        b'{"type":"pong","timestamp":%d,"originalTimestamp":%b,"latency":0}' % (_wall() // 1_000_000, original)
    )


def named(number: int, payload: bytes) -> tuple[int, int, int]:
    """Client, connection and key of a message: `wstui:CLIENT:KEY;…` names both, a ping its timestamp."""
    if payload[:6] == b"wstui:":
        client, _, key = payload[6 : payload.find(b";")].partition(b":")
        if client.isdigit() and key.isdigit():
            return int(client), number, int(key)
    stamp = _timestamp(payload)
    return number, number, int(stamp) if stamp.isdigit() else -1
