"""What the tests of codecs share: the frames that a client sends for a step, and frames that are cut or changed."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st

from wstui.execution.run.compile import spec_of
from wstui.load.conversation.program import Beat, Operation, WorkerRole
from wstui.load.conversation.server_rules import reason_of
from wstui.recording.inference.protocol_messages import HAS_SPOKEN
from wstui.scenario.conversation.dialect import Decode, Malformed, RecordedState, RecordedStep
from wstui.scenario.conversation.known_dialects import dialect
from wstui.scenario.model import Scenario

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="{}"), min_size=1, max_size=8)
"""Texts without placeholders."""
LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORDS
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2))
SENT = 7
"""The number of the message that `sent` makes."""


def role_of(protocol: str, step: dict[str, Any] | None = None, **options: Any) -> WorkerRole:
    """Return the role of clients that do a step, as a worker has it."""
    steps = [{"name": "said", **step}] if step else []
    given = {
        "target": {"url": "ws://127.0.0.1:9/", "protocol": protocol, "options": options},
        "stages": [{"name": "hold", "over": 1.0, "clients": 1}],
        "roles": [{"name": "m", "loop": steps}],
    }
    return WorkerRole(spec_of(Scenario.model_validate(given)).conversation.roles.roles[0], 1)


def operation(role: WorkerRole, label: str = "said") -> Operation:
    """Return what a client does under this name."""
    (found,) = (each for each in role.opening if each.label == label)
    return found


def _speaker() -> Any:
    return SimpleNamespace(number=0, seq=SENT, sent_ns=0, row=(), values=[])


def frames(of: Operation | Beat) -> list[bytes]:
    """Return the frames that a client sends for an operation or a heartbeat."""
    assert of.render is not None
    more = of.more if isinstance(of, Operation) else []
    return [render(_speaker()) for render in (of.render, *(render for _, render in more))]


def sent(protocol: str, step: dict[str, Any], **options: Any) -> list[bytes]:
    """Return the frames that a client sends for a step."""
    return frames(operation(role_of(protocol, step, **options)))


def verdict(role: WorkerRole, of: Operation | Beat, document: Any, payload: bytes) -> str:
    """Return what a client in this operation makes of a message: "done", why it is refused, or "" to go on."""
    assert of.expect is not None
    bound = of.expect.bind(_speaker())
    if of.expect.matches(document, payload, bound):
        return "done"
    if isinstance(of, Operation) and of.refuse is not None and of.refuse.matches(document, payload, bound):
        return "refused: " + reason_of(role, document, of.reason)
    return ""


def errors(role: WorkerRole, document: Any, payload: bytes) -> list[str]:
    """Return the server's word for each error that a message is to all clients of a role."""
    found = [paths for on, paths, _ in role.errors if on.matches(document, payload, on.bind(_speaker()))]
    return [reason_of(role, document, paths) for paths in found]


def rounded(value: Any) -> Any:
    """Return a document with its numbers as JavaScript has them."""
    if isinstance(value, list):
        return [rounded(each) for each in value]
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


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


def heard(protocol: str, frame: str | bytes, kept: RecordedState | None = None, **options: Any) -> list[RecordedStep]:
    """Return what a recorded frame of a client says in the terms of a scenario."""
    return dialect(protocol, options).recorded(frame, kept or RecordedState())


def says_or_names(protocol: str, frame: bytes, is_binary: bool, **options: Any) -> None:
    """Read what a recorded client is said to have sent: only what a recording takes for a foreign frame is raised."""
    with contextlib.suppress(*HAS_SPOKEN):
        heard(protocol, frame if is_binary else frame.decode(errors="replace"), **options)
