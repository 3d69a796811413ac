"""Packets of Socket.IO as python-socketio makes them, cut and changed at any place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wstui.protocols.socketio import decode
from wstui.scenario.conversation.dialect import MOST_KEPT, Malformed

packet = pytest.importorskip("socketio.packet", reason="python-socketio is not installed")

EVENT, ACK = 2, 3
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS | st.lists(st.integers(0, 9), max_size=2)
DATA = VALUES | st.dictionaries(TEXTS, VALUES | st.binary(max_size=4), max_size=2) | st.binary(max_size=5)
SPACES = st.sampled_from([None, "/", "/chat", "/a/b"])


@given(st.sampled_from([EVENT, ACK]), SPACES, st.none() | st.integers(0, 10**9), st.lists(DATA, max_size=3), st.data())
def test_packets_are_read_as_the_library_makes_them(
    kind: int, space: str | None, own: int | None, data: list[Any], draw: st.DataObject
) -> None:
    if kind == EVENT:
        data = ["say", *data]
    elif own is None:
        own = 7
    encoded = packet.Packet(kind, data, space, own).encode()
    frames = [encoded] if isinstance(encoded, str) else encoded
    kept: Any = None
    found: list[Any] = []
    for frame in frames:
        assert not found, "attachments end the packet"
        is_binary = isinstance(frame, bytes)
        messages, kept = decode(kept, is_binary, frame if isinstance(frame, bytes) else b"4" + frame.encode())
        found += messages
    ((document, _),) = found
    assert kept is None and document.get("id") == own and document["namespace"] == (space or "/")
    arguments = json.loads(json.dumps(_without_bytes(data)))
    assert document["type"] == ("event" if kind == EVENT else "ack")
    assert document["args"] == (arguments[1:] if kind == EVENT else arguments)
    assert document.get("event") == ("say" if kind == EVENT else None)
    assert document["data"] == (document["args"][0] if document["args"] else None)
    assert document.get("attachments", []) == [len(each) for each in frames[1:]]
    broken = bytearray(b"4" + frames[0].encode())
    if draw.draw(st.booleans()):
        del broken[draw.draw(st.integers(0, len(broken))) :]
    else:
        broken[draw.draw(st.integers(0, len(broken) - 1))] = draw.draw(st.integers(0, 255))
    _reads_or_names(bytes(broken))


def _without_bytes(data: list[Any]) -> list[Any]:
    """The data with what stands for attachments, numbered in order."""
    number = -1

    def replaced(value: Any) -> Any:
        nonlocal number
        if isinstance(value, bytes):
            number += 1
            return {"_placeholder": True, "num": number}
        if isinstance(value, dict):
            return {key: replaced(inner) for key, inner in value.items()}
        return [replaced(inner) for inner in value] if isinstance(value, list) else value

    return [replaced(value) for value in data]


def _reads_or_names(payload: bytes) -> None:
    try:
        messages, kept = decode(None, False, payload)
    except Malformed:
        return
    assert all(isinstance(document, dict) for document, _ in messages)
    assert kept is None or len(kept[2]) == 1


@given(st.binary(max_size=40) | st.binary(max_size=20).map(lambda rest: b"4" + rest))
def test_whatever_comes_is_read_or_named(payload: bytes) -> None:
    _reads_or_names(payload)


def test_attachments_fill_no_memory() -> None:
    _, kept = decode(None, False, b'452-["say",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    with pytest.raises(Malformed, match="16 MiB"):
        decode(kept, True, bytes(MOST_KEPT))
    with pytest.raises(Malformed, match="no packet announced"):
        decode(None, True, b"x")
