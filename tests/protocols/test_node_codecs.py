"""Frames of text protocols beside the libraries of npm, both ways; cut and changed at any place."""

from __future__ import annotations

import base64
import json
from typing import Any

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
    sent,
    verdict,
)
from tests.protocols.node_codecs import NodeCodecs
from wstui.measure.sanitize import sanitize
from wstui.protocols import actioncable, phoenix, socketio
from wstui.scenario.conversation.dialect import Malformed, RecordedState, RecordedStep
from wstui.scenario.errors import ScenarioError

FEW = settings(max_examples=25, deadline=None)
TABLES = st.dictionaries(WORDS, JSON, max_size=2)
FILES = st.binary(min_size=1, max_size=40)


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


# -- Phoenix -----------------------------------------------------------------------------------------------------------

FIELDS = ("join_ref", "ref", "topic", "event", "payload")


@FEW
@given(WORDS, WORDS, TABLES, st.none() | FILES, st.data())
def test_phoenix_reads_what_clients_send_and_we_read_what_its_do(
    node: NodeCodecs, topic: str, event: str, payload: dict[str, Any], file: bytes | None, data: st.DataObject
) -> None:
    step = {"push": event, "topic": topic} | ({"data": payload} if file is None else {"attach": encoded(file)})
    (frame,) = sent("phoenix", step | {"reply": True})
    message = dict(zip(FIELDS, (topic, str(SENT), topic, event, payload if file is None else file), strict=True))
    written: str | bytes = node.ask("phoenix", "encode", message)
    if file is None:
        assert node.ask("phoenix", "decode", {"frame": frame, "binary": False}) == message
        assert json.loads(written) == json.loads(frame)
    else:
        assert written == frame  # the library only reads what servers send
    (said,) = heard("phoenix", written)
    assert (said.table, said.own) == (step | {"reply": True}, str(SENT))
    says_or_names("phoenix", data.draw(broken(frame)), file is not None)
    if file is None:
        (v1,) = sent("phoenix", step | {"reply": True}, version=1)
        assert json.loads(v1) == message
        assert heard("phoenix", v1.decode(), version=1) == [said]


@pytest.mark.parametrize("key", ["topic", "push"])
def test_a_binary_push_has_names_of_255_bytes(node: NodeCodecs, key: str) -> None:
    step = {"topic": "room", "push": "say", "attach": "AP9/"}
    message = {"join_ref": "room", "ref": "7", "topic": "room", "event": "say", "payload": b"x"}
    named = "event" if key == "push" else key
    assert node.understands("phoenix", "encode", message | {named: "x" * 255}) and sent(
        "phoenix", step | {key: "x" * 255}
    )
    assert node.understands("phoenix", "encode", message | {named: "x" * 256}) is None
    with pytest.raises(ScenarioError, match="longer than the 255 bytes"):
        sent("phoenix", step | {key: "x" * 256})


@st.composite
def of_phoenix(draw: st.DrawFn) -> tuple[bytes, bool]:
    """What a server sends: an array, or bytes behind the lengths of the fields."""
    kind, payload = draw(st.integers(-1, 2)), draw(FILES)
    if kind < 0:
        own = st.none() | WORDS
        return json.dumps([draw(own), draw(own), draw(WORDS), draw(WORDS), draw(TABLES)]).encode(), False
    texts = [draw(WORDS).encode() for _ in range((3, 4, 2)[kind])]
    return bytes([kind, *map(len, texts)]) + b"".join(texts) + payload, True


@given(of_phoenix(), st.data())
def test_messages_of_phoenix_are_read_as_its_client_reads_them(
    node: NodeCodecs, made: tuple[bytes, bool], data: st.DataObject
) -> None:
    frame, is_binary = made
    for each in (frame, data.draw(broken(frame))):
        reads_or_names(phoenix.decode, each, is_binary=is_binary)
        try:
            ((ours, _),), _ = phoenix.decode(None, is_binary, each)
        except Malformed:
            assert each != frame
            continue
        theirs = node.understands("phoenix", "decode", {"frame": each, "binary": is_binary})
        if theirs is None or not isinstance(theirs.get("payload"), dict | bytes):
            assert each != frame
            continue
        payload, told = ours["payload"], theirs["payload"]
        names = ("join_ref", "ref", "topic", "event")
        assert {name: ours.get(name) for name in names} == {name: theirs.get(name) for name in names}
        if not is_binary:
            assert rounded(payload) == rounded(told)
        elif ours["event"] == "phx_reply" and isinstance(told, dict):
            assert payload == {"status": told["status"], "response": {"size": len(told["response"])}}
        else:
            assert payload == {"size": len(told)}


# -- GraphQL -----------------------------------------------------------------------------------------------------------


@FEW
@given(st.sampled_from(["query", "mutation", "subscription"]), TABLES, WORDS, TABLES, st.data())
def test_graphql_ws_reads_what_clients_send_and_we_read_what_its_do(
    node: NodeCodecs, kind: str, variables: dict[str, Any], name: str, payload: dict[str, Any], data: st.DataObject
) -> None:
    query = f"{kind} Q {{ a }}"
    key = kind.replace("scription", "scribe")
    step = {key: query, "variables": variables, "operation": name}
    role = role_of("graphql", step, payload=payload, ping="5s")
    (frame,) = frames(operation(role))
    told = {"query": query, "operationName": name} | ({"variables": variables} if variables else {})
    message = {"type": "subscribe", "id": str(SENT), "payload": told}
    assert node.ask("graphql", "decode", frame.decode()) == message
    (init,) = frames(operation(role, "connect"))
    assert node.ask("graphql", "decode", init.decode()) == {"type": "connection_init", "payload": payload}
    (beat,) = role.beats
    assert node.ask("graphql", "decode", frames(beat)[0].decode()) == {"type": "ping"}
    kept = RecordedState()
    (said,) = heard("graphql", node.ask("graphql", "encode", message), kept)
    assert said == RecordedStep(step | ({"id": name} if kind == "subscription" else {}), str(SENT))
    done = heard("graphql", node.ask("graphql", "encode", {"type": "complete", "id": str(SENT)}), kept)
    assert done == ([RecordedStep({"complete": name})] if kind == "subscription" else [])
    says_or_names("graphql", data.draw(broken(frame)), False)


@FEW
@given(TABLES, WORDS, st.booleans(), st.data())
def test_answers_of_graphql_ws_end_a_step_as_they_mean(
    node: NodeCodecs, result: dict[str, Any], words: str, own: bool, data: st.DataObject
) -> None:
    role = role_of("graphql", {"query": "query { a }"})
    number = str(SENT if own else SENT + 1)
    failed = [{"message": words}]
    answers: list[tuple[dict[str, Any], str]] = [
        ({"type": "next", "id": number, "payload": {"data": result}}, "done"),
        (
            {"type": "next", "id": number, "payload": {"data": None, "errors": failed}},
            f"refused: {sanitize(words, 120)}",
        ),
        ({"type": "error", "id": number, "payload": failed}, f"refused: {sanitize(words, 120)}"),
        ({"type": "complete", "id": number}, ""),
        ({"type": "ping"}, ""),
    ]
    for message, expected in answers:
        frame = node.ask("graphql", "encode", message).encode()
        assert verdict(role, operation(role), role.reader.read(frame), frame) == (expected if own else "")
        role.reader.read(data.draw(broken(frame)))  # None, or a document
    ack = node.ask("graphql", "encode", {"type": "connection_ack", "payload": result}).encode()
    assert verdict(role, operation(role, "connect"), role.reader.read(ack), ack) == "done"


# -- Pusher ------------------------------------------------------------------------------------------------------------


@FEW
@given(WORDS, WORDS, JSON, st.data())
def test_pusher_js_reads_what_clients_send_and_we_read_what_its_do(
    node: NodeCodecs, channel: str, event: str, content: Any, data: st.DataObject
) -> None:
    steps: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"subscribe": channel}, {"event": "pusher:subscribe", "data": {"channel": channel}}),
        ({"unsubscribe": channel}, {"event": "pusher:unsubscribe", "data": {"channel": channel}}),
        (
            {"publish": channel, "event": f"client-{event}", "data": content},
            {"event": f"client-{event}", "channel": channel, "data": content},
        ),
    ]
    for step, message in steps:
        (frame,) = sent("pusher", step)
        written = node.ask("pusher", "encode", message)
        assert json.loads(written) == json.loads(frame)
        read = node.ask("pusher", "decode", frame.decode())
        assert {"channel": None} | read == {"channel": None} | message or isinstance(content, str)
        (said,) = heard("pusher", written)
        assert {name: value for name, value in said.table.items() if name != "user"} == step
        says_or_names("pusher", data.draw(broken(frame)), False)


@FEW
@given(WORDS, st.integers(1, 300), st.booleans(), st.data())
def test_events_of_pusher_mean_what_they_mean_to_pusher_js(
    node: NodeCodecs, words: str, idle: int, in_text: bool, data: st.DataObject
) -> None:
    role = role_of("pusher", {"subscribe": "room"})

    def made(event: str, content: Any, **more: str) -> bytes:
        """The data as a table, or as JSON in a string, which most servers send."""
        return json.dumps({"event": event, "data": json.dumps(content) if in_text else content} | more).encode()

    hello = made("pusher:connection_established", {"socket_id": words, "activity_timeout": idle})
    opened = node.ask("pusher", "open", hello.decode())
    assert opened == {"action": "connected", "id": words, "activityTimeout": 1000 * idle}
    connect, document = operation(role, "connect"), role.reader.read(hello)
    assert verdict(role, connect, document, hello) == "done"
    values = [None] * 9
    assert connect.captures is not None and connect.captures.take(document, hello, values) == ""
    assert {words, idle} <= {value for value in values if value is not None}
    answers = [
        (made("pusher_internal:subscription_succeeded", {}, channel="room"), "done"),
        (made("pusher_internal:subscription_succeeded", {}, channel="other"), ""),
        (made("pusher:subscription_error", {"error": words}, channel="room"), f"refused: {sanitize(words, 120)}"),
        (made("pusher:error", {"message": words, "code": 4301}), f"refused: {sanitize(words, 120)}"),
        (made("message", {"text": words}, channel="room"), ""),
    ]
    for frame, expected in answers:
        document, theirs = role.reader.read(frame), node.ask("pusher", "decode", frame.decode())
        assert verdict(role, operation(role), document, frame) == expected
        assert errors(role, document, frame) == ([sanitize(words, 120)] if theirs["event"] == "pusher:error" else [])
        for name in theirs["data"]:
            assert role.reader.value(document, ["data", name]) == theirs["data"][name]
        role.reader.read(data.draw(broken(frame)))  # None, or a document


# -- Action Cable ------------------------------------------------------------------------------------------------------


@FEW
@given(WORDS, TABLES, WORDS, TABLES, st.data())
def test_action_cable_sends_what_clients_send(
    node: NodeCodecs, channel: str, more: dict[str, Any], action: str, content: dict[str, Any], data: st.DataObject
) -> None:
    identifier = more | {"channel": channel}
    content.pop("action", None)
    told = {"identifier": identifier, "action": action, "data": content}
    joins, performs, leaves = node.ask("actioncable", "encode", told)[-3:]
    named: Any = identifier if more.keys() - {"channel"} else channel
    steps = [{"subscribe": named}, {"perform": action, "channel": named, "data": content}, {"unsubscribe": named}]
    for written, step in zip((joins, performs, leaves), steps, strict=True):
        (frame,) = sent("actioncable", step)
        assert _opened(frame) == _opened(written)
        assert heard("actioncable", written) == [RecordedStep(step)]
        says_or_names("actioncable", data.draw(broken(frame)), False)


def _opened(frame: bytes | str) -> dict[str, Any]:
    """A command with the JSON in its strings read."""
    return {name: json.loads(value) if name != "command" else value for name, value in json.loads(frame).items()}


OF_CHANNELS = JSON | st.sampled_from(["disconnect", "ping", "confirm_subscription", "say"]).map(lambda t: {"type": t})


@FEW
@given(OF_CHANNELS, WORDS, st.booleans(), st.data())
def test_messages_of_action_cable_mean_what_they_mean_to_its_client(
    node: NodeCodecs, content: Any, words: str, own: bool, data: st.DataObject
) -> None:
    channels: list[dict[str, Any]] = [{"channel": "A"}, {"channel": "B", "id": 1}]
    role = role_of("actioncable", {"subscribe": channels[0]})
    identifier = json.dumps(channels[0 if own else 1], separators=(",", ":"))
    made: list[tuple[dict[str, Any], str, str]] = [
        ({"type": "confirm_subscription", "identifier": identifier}, "connected", "done"),
        ({"identifier": identifier, "message": content}, "received", ""),
        ({"type": "ping", "message": 1}, "", ""),
        ({"type": "reject_subscription", "identifier": identifier}, "rejected", "refused: reject_subscription"),
        ({"type": "disconnect", "reason": words, "reconnect": False}, "", ""),
    ]
    written = [json.dumps(message) for message, _, _ in made]
    read = node.ask("actioncable", "decode", {"identifiers": channels, "frames": written})
    assert [how for _, how, _ in read["heard"]] == [how for _, how, _ in made if how] and not read["open"]
    assert {number for number, _, _ in read["heard"]} == {0 if own else 1}
    assert ("received", content) in [(how, told[0] if told else None) for _, how, *told in read["heard"]]
    for frame, (message, how, expected) in zip(written, made, strict=True):
        ((document, part),), _ = actioncable.decode(None, False, frame.encode())
        assert document | message == document and (how != "received" or document["message"] == content)
        assert verdict(role, operation(role), document, part) == (expected if own else "")
        assert errors(role, document, part) == ([sanitize(words, 120)] if message.get("type") == "disconnect" else [])
        reads_or_names(actioncable.decode, data.draw(broken(frame.encode())))


# -- Socket.IO ---------------------------------------------------------------------------------------------------------

SPACES = st.sampled_from(["/", "/chat"])
DATA = JSON | FILES | st.fixed_dictionaries({"file": FILES, "n": JSON})


@given(SPACES, st.none() | st.integers(0, 10**6), st.lists(DATA, max_size=3), st.booleans(), st.data())
def test_packets_are_read_as_socket_io_writes_them(
    node: NodeCodecs, space: str, own: int | None, args: list[Any], is_ack: bool, data: st.DataObject
) -> None:
    if is_ack:
        own = own or 0
    packet = {"type": 3 if is_ack else 2, "nsp": space, "data": args if is_ack else ["say", *args]}
    written = node.ask("socketio", "encode", packet | ({} if own is None else {"id": own}))
    kept: Any = None
    found: list[Any] = []
    for frame in written:
        assert not found, "attachments end the packet"
        is_binary = isinstance(frame, bytes)
        messages, kept = socketio.decode(kept, is_binary, frame if is_binary else frame.encode())
        found += messages
    ((document, _),) = found
    assert (document["namespace"], document.get("id")) == (space, own)
    assert (document["type"], document.get("event")) == (("ack", None) if is_ack else ("event", "say"))
    assert _with_files(document["args"], written[1:]) == args
    assert document.get("attachments", []) == [len(file) for file in written[1:]]
    damaged = data.draw(broken(written[0].encode()))
    reads_or_names(socketio.decode, damaged)
    assert_alike(node, damaged)


def _with_files(value: Any, files: list[bytes]) -> Any:
    if isinstance(value, list):
        return [_with_files(each, files) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("_placeholder") is True:
        return files[value["num"]]
    return {name: _with_files(inner, files) for name, inner in value.items()}


def assert_alike(node: NodeCodecs, damaged: bytes) -> None:
    """What of a changed frame the library reads and we do is the same."""
    try:
        text = damaged.decode()
        messages, kept = socketio.decode(None, False, damaged)
    except (Malformed, UnicodeDecodeError):
        return
    read = node.understands("socketio", "decode", [text])
    if not read or kept or "engine" in read[0]:
        return
    ((ours, _),), (theirs,) = messages, read
    # To the library a blank is a number, too.
    assert ours["namespace"] == theirs["nsp"] and ours.get("id", theirs.get("id")) == theirs.get("id")
    if ours["type"] in ("event", "ack"):
        assert rounded(ours["args"]) == rounded(theirs["data"][1 if ours["type"] == "event" else 0 :])


@FEW
@given(SPACES, WORDS, st.lists(JSON, max_size=2), st.lists(FILES, max_size=2), TABLES, st.data())
def test_socket_io_reads_what_clients_send_and_we_read_what_its_do(
    node: NodeCodecs, space: str, event: str, args: list[Any], files: list[bytes], auth: Any, data: st.DataObject
) -> None:
    step: dict[str, Any] = {"emit": event, "ack": True} | ({"attach": list(map(encoded, files))} if files else {})
    step |= {"data": args[0]} if len(args) == 1 and args[0] is not None else {"args": args}
    role = role_of("socketio", step, namespace=space, auth=auth)
    first, *rest = frames(operation(role))
    packet = {"type": 2, "nsp": space, "id": SENT, "data": [event, *args, *files]}
    (read,) = node.ask("socketio", "decode", [first.decode(), *rest])
    assert {name: read[name] for name in packet} == packet
    (connect,) = frames(operation(role, "connect"))
    joined = {"type": 0, "nsp": space, "data": auth}
    assert node.ask("socketio", "decode", [connect.decode()]) == [joined]
    kept, said = RecordedState(), []
    for frame in [*node.ask("socketio", "encode", joined), *node.ask("socketio", "encode", packet)]:
        said += heard("socketio", frame, kept)
    assert said == [RecordedStep({"namespace": space, "auth": auth}, opens=True), RecordedStep(step, str(SENT))]
    says_or_names("socketio", data.draw(broken(first)), False)


@FEW
@given(SPACES, WORDS, TABLES, st.booleans())
def test_packets_of_socket_io_end_a_step_as_they_mean(
    node: NodeCodecs, space: str, words: str, session: dict[str, Any], own: bool
) -> None:
    role = role_of("socketio", {"emit": "say", "ack": True}, namespace=space)
    connect, say = operation(role, "connect"), operation(role)
    packets: list[tuple[dict[str, Any], Any, str]] = [
        ({"type": 0, "nsp": space, "data": {"sid": "s"}}, connect, "done"),
        ({"type": 4, "nsp": space, "data": {"message": words}}, connect, f"refused: {sanitize(words, 120)}"),
        ({"type": 3, "nsp": space, "id": SENT if own else SENT + 1, "data": [1]}, say, "done" if own else ""),
        ({"engine": True, "type": "open", "data": json.dumps(session)}, operation(role, "open"), "done"),
        ({"engine": True, "type": "ping"}, say, ""),
    ]
    for packet, step, expected in packets:
        (frame,) = node.ask("socketio", "encode", packet)
        ((document, part),), _ = socketio.decode(None, False, frame.encode())
        assert verdict(role, step, document, part) == expected
    for packet in ({"type": 1, "nsp": space}, {"engine": True, "type": "close"}):
        (frame,) = node.ask("socketio", "encode", packet)
        ((document, part),), _ = socketio.decode(None, False, frame.encode())
        assert len(errors(role, document, part)) == 1
