"""Messages of SignalR beside npm's @microsoft/signalr, in JSON and MessagePack; cut and changed at any place."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocols.codecs import (
    JSON,
    SENT,
    WORDS,
    broken,
    errors,
    frames,
    heard,
    operation,
    reads_or_names,
    role_of,
    rounded,
    says_or_names,
    verdict,
)
from tests.protocols.node_codecs import NodeCodecs, Refused
from wstui.load.text import text_of
from wstui.measure.sanitize import sanitize
from wstui.protocols.signalr import decode_json, decode_messagepack
from wstui.scenario.conversation.dialect import Malformed, RecordedStep

FEW = settings(max_examples=25, deadline=None)
FORMATS = st.sampled_from(["json", "messagepack"])
DECODERS = {"json": decode_json, "messagepack": decode_messagepack}
OWN = st.integers(1, 99).map(str)
ARGS = st.lists(JSON, max_size=3)
HANDSHAKE = b"{}\x1e"


@st.composite
def messages(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A message that either side may send, in the words of the library, and what of it must be found."""
    own, method = draw(OWN), draw(WORDS)
    kind = draw(st.sampled_from(["invocation", "event", "item", "result", "void", "error", "ping", "ack", "sequence"]))
    match kind:
        case "invocation":
            made = {"type": 1, "invocationId": own, "target": method, "arguments": draw(ARGS)}
            return made, {"type": kind, "id": own, "waits": True, "target": method, "arguments": made["arguments"]}
        case "event":
            made = {"type": 1, "target": method, "arguments": draw(ARGS)}
            return made, made | {"type": "invocation"}
        case "item":
            made = {"type": 2, "invocationId": own, "item": draw(JSON.filter(lambda value: value is not None))}
            return made, {"type": kind, "id": own, "item": made["item"]}
        case "result":
            made = {"type": 3, "invocationId": own, "result": draw(JSON)}
            return made, {"type": "completion", "id": own, "result": made["result"]}
        case "void":
            return {"type": 3, "invocationId": own}, {"type": "completion", "id": own}
        case "error":
            return {"type": 3, "invocationId": own, "error": method}, {"type": kind, "id": own, "error": method}
        case "ping":
            return {"type": 6}, {"type": kind}
    number = draw(st.integers(0, 2**40))
    return {"type": 8 if kind == "ack" else 9, "sequenceId": number}, {"type": kind if kind == "ack" else "message"}


@FEW
@given(FORMATS, st.lists(messages(), min_size=1, max_size=3), st.booleans(), st.data())
def test_messages_are_read_as_the_library_writes_them(
    node: NodeCodecs, form: str, both: list[tuple[dict[str, Any], dict[str, Any]]], opens: bool, data: st.DataObject
) -> None:
    decode = DECODERS[form]
    written = node.ask("signalr", "encode", {"format": form, "messages": [made for made, _ in both]})
    frame = HANDSHAKE * opens + b"".join(written)
    found, kept = decode(None if opens else True, form == "messagepack", frame)
    assert kept is True
    if opens:
        assert found[0][0] == {"type": "handshake"}
        answered = node.ask("signalr", "open", {"format": form, "frame": frame})
        assert answered["answer"] == {} and len(answered["found"]) == len(both)
    for (document, _), (_, expected) in zip(found[opens:], both, strict=True):
        assert document | expected == document
    damaged = data.draw(broken(b"".join(written)))
    reads_or_names(decode, damaged, is_binary=form == "messagepack", kept=True)
    reads_or_names(decode, data.draw(broken(frame)), data.draw(broken(frame)), is_binary=form == "messagepack")
    assert_alike(node, form, damaged)


SAME = {"id": "invocationId", "target": "target", "error": "error"}


def assert_alike(node: NodeCodecs, form: str, damaged: bytes) -> None:
    """What of a changed frame the library reads and we do is the same."""
    read = node.understands("signalr", "decode", {"format": form, "frame": damaged})
    try:
        messages, _ = DECODERS[form](True, form == "messagepack", damaged)
    except Malformed:
        return
    if read is None or len(read) != len(messages):
        return  # the library passes over types that it does not know
    for (ours, _), theirs in zip(messages, read, strict=True):
        for name, their in SAME.items():
            assert not isinstance(ours.get(name), str) or ours[name] == (theirs.get(their) or ""), name
        if form == "json" and "arguments" in ours:
            assert rounded(ours["arguments"]) == rounded(theirs["arguments"])


STEPS = st.one_of(
    st.fixed_dictionaries({"invoke": WORDS, "args": ARGS}),
    st.fixed_dictionaries({"stream": WORDS, "args": ARGS}),
    st.fixed_dictionaries({"notify": WORDS, "args": ARGS}),
)


@FEW
@given(FORMATS, STEPS, st.data())
def test_the_library_reads_what_clients_send_and_we_read_what_its_do(
    node: NodeCodecs, form: str, step: dict[str, Any], data: st.DataObject
) -> None:
    role = role_of("signalr", step, format=form)
    (kind,) = {"invoke", "stream", "notify"} & step.keys()
    own = {} if kind == "notify" else {"invocationId": str(SENT)}
    theirs = {"type": 4 if kind == "stream" else 1, "target": step[kind], "arguments": step["args"]} | own
    (frame,) = frames(operation(role))
    if kind != "stream":  # which clients never get
        (found,) = node.ask("signalr", "decode", {"format": form, "frame": frame})
        assert found | theirs == found and ("invocationId" in found) == bool(own)
    (beat,) = role.beats
    assert node.ask("signalr", "decode", {"format": form, "frame": frames(beat)[0]}) == [{"type": 6}]
    assert frames(operation(role, "handshake")) == [node.ask("signalr", "ask", {"format": form})]
    (written,) = node.ask("signalr", "encode", {"format": form, "messages": [theirs]})
    said = heard("signalr", written if form == "messagepack" else written.decode(), format=form)
    assert said == [RecordedStep(step, own.get("invocationId"))]
    says_or_names("signalr", data.draw(broken(written)), form == "messagepack", format=form)


@FEW
@given(FORMATS, JSON, WORDS, st.booleans())
def test_answers_of_the_library_end_a_step_as_they_mean(
    node: NodeCodecs, form: str, result: Any, error: str, own: bool
) -> None:
    role = role_of("signalr", {"invoke": "Add"}, format=form)
    number = str(SENT if own else SENT + 1)
    answers = [{"type": 3, "invocationId": number} | more for more in ({"result": result}, {}, {"error": error})]
    item, close = {"type": 2, "invocationId": number, "item": 1}, {"type": 7, "error": error}
    written = node.ask("signalr", "encode", {"format": form, "messages": [*answers, item, close]})
    found, _ = DECODERS[form](True, form == "messagepack", b"".join(written))
    verdicts = [verdict(role, operation(role), *message) for message in found]
    assert verdicts == (["done", "done", f"refused: {sanitize(error, 120)}", "", ""] if own else [""] * 5)
    assert [errors(role, *message) for message in found][:4] == [[], [], [sanitize(error, 120)], []]
    assert errors(role, *found[4]) == [
        sanitize(error, 120) if form == "json" else "the hub closed the connection"
    ]  # the library writes none in MessagePack


@pytest.mark.parametrize(
    "parts", [[1, {}, "7", "Say"], [2, {}, "7"], [3, {}, "7"], [3, {}, "7", 1], [3, {}, "7", 3], [7]]
)
def test_a_message_that_lacks_parts_is_malformed(node: NodeCodecs, parts: list[Any]) -> None:
    packed = msgspec.msgpack.encode(parts)
    frame = bytes([len(packed)]) + packed
    with pytest.raises(Refused, match="Invalid payload"):
        node.ask("signalr", "decode", {"format": "messagepack", "frame": frame})
    with pytest.raises(Malformed):
        decode_messagepack(True, True, frame)


def test_values_that_json_cannot_hold_have_a_text() -> None:
    step = {"invoke": "Add", "args": ["{{got}}"], "capture": {"got": "result"}}
    role = role_of("signalr", step, format="messagepack")
    render = operation(role).render
    assert render is not None
    for error in (msgspec.msgpack.Ext(5, b"\1"), {(1, 2): 3, None: 4}, [{True: [msgspec.msgpack.Ext(1, b"")]}]):
        packed = msgspec.msgpack.encode([3, {}, str(SENT), 1, error])
        (message,), _ = decode_messagepack(True, True, bytes([len(packed)]) + packed)
        assert verdict(role, operation(role), *message).startswith("refused: ")
        kept = message[0]["error"]
        sent = render(SimpleNamespace(number=0, seq=SENT, sent_ns=0, row=(), values=[kept] * 9))
        ((document, _),), _ = decode_messagepack(True, True, sent)
        assert document["arguments"] == [text_of(kept).strip('"')]
