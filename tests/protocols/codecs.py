"""What the tests of codecs share: the frames that a client sends for a step, and frames that are cut or changed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st

from wstui.execution.run.compile import spec_of
from wstui.load.conversation.program import WorkerRole
from wstui.scenario.conversation.dialect import Decode, Malformed
from wstui.scenario.model import Scenario

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="{}"), min_size=1, max_size=8)
"""Texts without placeholders."""
LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORDS
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2))
SENT = 7
"""The number of the message that `sent` makes."""


def sent(protocol: str, step: dict[str, Any], **options: Any) -> list[bytes]:
    """Return the frames that a client sends for a step."""
    given = {
        "target": {"url": "ws://127.0.0.1:9/", "protocol": protocol, "options": options},
        "stages": [{"name": "hold", "over": 1.0, "clients": 1}],
        "roles": [{"name": "m", "loop": [{"name": "said", **step}]}],
    }
    role = WorkerRole(spec_of(Scenario.model_validate(given)).conversation.roles.roles[0], 1)
    (operation,) = (each for each in role.opening if each.label == "said")
    assert operation.render is not None
    speaker = SimpleNamespace(number=0, seq=SENT, sent_ns=0, row=(), values=[])
    return [render(speaker) for render in (operation.render, *(render for _, render in operation.more))]


@st.composite
def broken(draw: st.DrawFn, frame: bytes) -> bytes:
    """A frame that is cut off, or has a byte changed."""
    at = draw(st.integers(0, len(frame)))
    return frame[:at] if draw(st.booleans()) else frame[:at] + bytes([draw(st.integers(0, 255))]) + frame[at + 1 :]


def reads_or_names(decode: Decode, *frames: bytes, is_binary: bool = False, kept: Any = None) -> None:
    """Decode frames: each is read or named as malformed, and no more is kept than has come."""
    for number in range(len(frames)):
        try:
            messages, kept = decode(kept, is_binary, frames[number])
        except Malformed:
            return
        assert all(isinstance(part, bytes) for _, part in messages)
        assert not isinstance(kept, bytes) or len(kept) <= sum(map(len, frames[: number + 1]))
