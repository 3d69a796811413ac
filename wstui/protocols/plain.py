"""Protocols without rules of their own: JSON, frames as they are, and several documents a frame."""

from __future__ import annotations

from typing import Any

import msgspec

from wstui.scenario.conversation.dialect import Decode, Dialect

from_json = msgspec.json.Decoder().decode
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What `from_json` raises for bytes that are no JSON."""
Found = tuple[list[tuple[Any, bytes]], None]


class JsonFrames(Dialect):
    """A JSON document a frame, or one a line; other text is compared as it is."""

    title = "JSON documents, or any text"


class RawFrames(Dialect):
    """Frames are never read as JSON: matchers are contains, equals, prefix, regex and hex."""

    title = "frames as they are"

    def decoder(self) -> Decode:
        return lambda _kept, _binary, payload: ([(None, payload)], None)


class Lines(Dialect):
    """Each line of a frame is a message of its own."""

    title = "several lines a frame, each a message of its own"
    tables = False

    def decoder(self) -> Decode:
        return lines


def lines(_kept: Any, _binary: bool, payload: bytes) -> Found:
    """Return each line that is not empty, with the document that it holds, if it holds one."""
    return [(document(line), line) for line in payload.split(b"\n") if line.strip()], None


def document(payload: bytes | str) -> Any:
    """Return what JSON there is, or None."""
    try:
        return from_json(payload)
    except UNREADABLE:
        return None


KINDS = {"json": JsonFrames, "raw": RawFrames, "lines": Lines}
