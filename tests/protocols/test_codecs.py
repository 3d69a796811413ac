"""Frames that libraries make are read as they meant them, and they read ours as we mean them; broken ones are named."""

from __future__ import annotations

import base64
import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

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
    says_or_names,
    sent,
    verdict,
)
from wstui.measure.sanitize import sanitize
from wstui.protocols import centrifugo, ocpp, stomp, wamp
from wstui.scenario.conversation.dialect import RecordedState, RecordedStep

FEW = settings(max_examples=25, deadline=None)  # each compiles a scenario
HEADERS = st.dictionaries(
    st.sampled_from(["odd", "other"]), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0{}"))
)


@given(st.sampled_from(["MESSAGE", "RECEIPT", "ERROR"]), HEADERS, WORDS | st.just(""), st.booleans(), st.data())
def test_stomp_is_read_as_stomp_py_writes_it(
    command: str, headers: dict[str, str], body: str, sized: bool, data: st.DataObject
) -> None:
    utils = pytest.importorskip("stomp.utils", reason="stomp.py is not installed")
    protocol = pytest.importorskip("stomp.protocol")
    given_headers: dict[str, Any] = dict(headers)
    protocol.Protocol12._escape_headers(None, given_headers)
    if sized:
        given_headers["content-length"] = len(body.encode())
    made = b"".join(utils.convert_frame(utils.Frame(command, given_headers, body)))
    end = data.draw(st.integers(0, len(made)))
    kept, found = None, []
    for part in (made[:end], made[end:], b"\n"):
        messages, kept = stomp.decode((0, 0), True, kept, False, part)
        found += [document for document, _ in messages if document["type"] != "heartbeat"]
    (document,) = found
    document["headers"].pop("content-length", None)
    assert (document["type"], document["headers"], document["body"]) == (command.lower(), headers, body)
    reads_or_names(partial(stomp.decode, (0, 0), True), data.draw(broken(made)), data.draw(broken(made)))
    wrapped = b"a" + json.dumps([made.decode()]).encode()
    reads_or_names(partial(stomp.decode_sockjs, (0, 0), True), data.draw(broken(wrapped)), data.draw(broken(wrapped)))


@FEW
@given(WORDS, HEADERS, WORDS | st.dictionaries(WORDS, JSON, min_size=1, max_size=2))
def test_stomp_py_reads_what_clients_send(place: str, headers: dict[str, str], body: Any) -> None:
    utils = pytest.importorskip("stomp.utils", reason="stomp.py is not installed")
    (made,) = sent("stomp", {"publish": place, "headers": headers, "body": body})
    assert made.endswith(b"\0")
    frame = utils.parse_frame(made[:-1])
    read = frame.body.decode() if isinstance(body, str) else json.loads(frame.body)
    kind = "text/plain" if isinstance(body, str) else "application/json"
    assert (frame.cmd, read) == ("SEND", body)
    assert frame.headers == headers | {"destination": place, "receipt": str(SENT), "content-type": kind}


def json_of_wamp() -> Any:
    """The serializer of autobahn, which has to know of a loop."""
    txaio = pytest.importorskip("txaio", reason="autobahn is not installed")
    txaio.use_asyncio()
    return pytest.importorskip("autobahn.wamp.serializer").JsonSerializer()


URIS = st.sampled_from(["com.example.a", "com.example.b2"])
IDS = st.integers(1, 2**53)
ARGS, KWARGS = st.lists(JSON, max_size=2), st.dictionaries(WORDS, JSON, max_size=2)


@given(st.sampled_from(["Event", "Result", "Error", "Published", "Invocation"]), IDS, URIS, ARGS, KWARGS, st.data())
def test_wamp_is_read_as_autobahn_writes_it(
    kind: str, own: int, uri: str, args: list[Any], kwargs: dict[str, Any], data: st.DataObject
) -> None:
    message = pytest.importorskip("autobahn.wamp.message", reason="autobahn is not installed")
    serializer = json_of_wamp()
    both: dict[str, Any] = {"args": args, "kwargs": kwargs}
    kinds: dict[str, Any] = {
        "Event": (lambda: message.Event(own, 3, **both), {"subscription": own, "publication": 3}),
        "Result": (lambda: message.Result(own, **both), {"request": own}),
        "Error": (lambda: message.Error(48, own, uri, **both), {"of": 48, "request": own, "reason": uri}),
        "Published": (lambda: message.Published(own, 3), {"request": own, "publication": 3}),
        "Invocation": (lambda: message.Invocation(own, 3, **both), {"request": own, "registration": 3}),
    }
    made, expected = kinds[kind]
    frame, is_binary = serializer.serialize(made())
    (((found, _),), _) = wamp.decode(None, is_binary, frame)
    assert not is_binary and found["type"] == kind.upper()
    assert {name: found[name] for name in expected} == expected
    if kind != "Published":
        assert (found.get("args") or [], found.get("kwargs") or {}) == (args, kwargs)
    reads_or_names(wamp.decode, data.draw(broken(frame)))


@FEW
@given(st.sampled_from(["publish", "call", "subscribe", "register"]), URIS, ARGS, KWARGS)
def test_autobahn_reads_what_clients_send(command: str, uri: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    serializer = json_of_wamp()
    more = {"args": args, "kwargs": kwargs} if command in ("publish", "call") else {}
    (frame,) = sent("wamp", {command: uri} | more)
    (found,) = serializer.unserialize(frame)
    place = found.topic if command in ("publish", "subscribe") else found.procedure
    assert (type(found).__name__.lower(), found.request, place) == (command, SENT, uri)
    if more:
        assert (found.args or [], found.kwargs or {}) == (args, kwargs)


@st.composite
def replies(draw: st.DrawFn) -> dict[str, Any]:
    """What Centrifugo's own schema calls a reply; `data` is any JSON in the JSON protocol."""
    kind = draw(st.sampled_from(["pub", "subscribe", "rpc", "error", "ping", "disconnect"]))
    own, data = draw(st.integers(1, 2**31)), draw(JSON)
    match kind:
        case "pub":
            return {"push": {"channel": draw(WORDS), "pub": {"data": data, "offset": str(own)}}}
        case "disconnect":
            return {"push": {"disconnect": {"code": 3001, "reason": draw(WORDS)}}}
        case "error":
            return {"id": own, "error": {"code": 103, "message": draw(WORDS)}}
        case "ping":
            return {}
    return {"id": own, kind: {"data": data}}


@given(st.lists(replies(), min_size=1, max_size=3), st.data())
def test_replies_of_centrifugo_are_read_as_its_client_reads_them(made: list[Any], data: st.DataObject) -> None:
    codecs = pytest.importorskip("centrifuge.codecs", reason="centrifuge-python is not installed")
    client_pb2 = pytest.importorskip("centrifuge.protocol.client_pb2")
    for reply in made:
        codecs.ParseDict(_without_data(reply), client_pb2.Reply())  # its schema knows each of them
    text = codecs._JsonCodec.encode_commands(made)
    found, _ = centrifugo.decode(None, False, text.encode())
    for (document, _), theirs in zip(found, codecs._JsonCodec.decode_replies(text), strict=True):
        kind = document.pop("type")
        assert document == theirs
        assert kind == next((name for name in ("error", "subscribe", "rpc") if name in theirs), kind)
        assert not theirs.get("push") or kind in theirs["push"]
    reads_or_names(centrifugo.decode, data.draw(broken(text.encode())))


def _without_data(value: Any) -> Any:
    """The same without what is bytes in the schema."""
    if not isinstance(value, dict):
        return value
    return {name: _without_data(inner) for name, inner in value.items() if name != "data"}


@FEW
@given(st.sampled_from(["publish", "rpc", "subscribe", "presence", "history", "unsubscribe"]), WORDS, JSON)
def test_the_schema_of_centrifugo_knows_what_clients_send(command: str, place: str, data: Any) -> None:
    codecs = pytest.importorskip("centrifuge.codecs", reason="centrifuge-python is not installed")
    client_pb2 = pytest.importorskip("centrifuge.protocol.client_pb2")
    (frame,) = sent("centrifugo", {command: place} | ({"data": data} if command in ("publish", "rpc") else {}))
    (found,) = codecs._JsonCodec.decode_replies(frame.decode())
    read = codecs.ParseDict(_without_data(found), client_pb2.Command())
    asked = getattr(read, command)
    assert (read.id, asked.method if command == "rpc" else asked.channel) == (SENT, place)
    assert command not in ("publish", "rpc") or found[command]["data"] == data


@FEW
@given(st.sampled_from(["Call", "CallResult", "CallError"]), WORDS, st.dictionaries(WORDS, JSON, max_size=2), st.data())
def test_ocpp_goes_both_ways_by_its_library(kind: str, own: str, payload: dict[str, Any], data: st.DataObject) -> None:
    messages = pytest.importorskip("ocpp.messages", reason="the library ocpp is not installed")
    made = {
        "Call": lambda: messages.Call(own, "Reset", payload),
        "CallResult": lambda: messages.CallResult(own, payload),
        "CallError": lambda: messages.CallError(own, "GenericError", "no", payload),
    }[kind]().to_json()
    (((found, _),), _) = ocpp.decode({"Reset"}, None, False, made.encode())
    assert (found["id"], found["details" if kind == "CallError" else "data"]) == (own, payload)
    reads_or_names(partial(ocpp.decode, {"Reset"}), data.draw(broken(made.encode())))
    (frame,) = sent("ocpp", {"call": "Authorize", "data": payload})
    read = messages.unpack(frame.decode())
    assert (read.unique_id, read.action, read.payload) == (str(SENT), "Authorize", payload)


@FEW
@given(WORDS, st.lists(JSON, max_size=2) | st.dictionaries(WORDS, JSON, max_size=2))
def test_json_rpc_is_written_as_its_library_writes_it(method: str, params: Any) -> None:
    library = pytest.importorskip("jsonrpcclient", reason="jsonrpcclient is not installed")
    (frame,) = sent("jsonrpc", {"call": method, "params": params})
    assert json.loads(frame) == {"params": params} | library.request(method, params=params, id=SENT)


@FEW
@given(JSON.filter(lambda value: value is not None), WORDS, st.booleans(), st.data())
def test_answers_of_json_rpc_servers_end_a_call_as_they_mean(
    result: Any, words: str, fails: bool, data: st.DataObject
) -> None:
    server = pytest.importorskip("jsonrpcserver", reason="jsonrpcserver is not installed")
    client = pytest.importorskip("jsonrpcclient", reason="jsonrpcclient is not installed")
    role = role_of("jsonrpc", {"call": "add", "params": [1]})
    call = operation(role)
    (frame,) = frames(call)
    made = server.Error(7, words) if fails else server.Success(result)
    answer = server.dispatch(frame.decode(), methods={"add": lambda _number: made})
    parsed = client.parse(json.loads(answer))
    assert parsed.id == SENT and (parsed.message == words if fails else parsed.result == result)
    for other in (False, True):
        told = answer.replace(f'"id": {SENT}', f'"id": {SENT + other}').encode()
        expected = f"refused: {sanitize(f'{words} (7)', 120)}" if fails else "done"
        assert verdict(role, call, role.reader.read(told), told) == ("" if other else expected)
    role.reader.read(data.draw(broken(answer.encode())))  # None, or a document
    read = heard("jsonrpc", json.dumps(client.request(words, params=[result], id=3)))
    assert read == [RecordedStep({"call": words, "params": [result]}, 3)]
    says_or_names("jsonrpc", data.draw(broken(frame)), False)


@FEW
@given(WORDS, st.lists(JSON, max_size=2), st.lists(st.binary(max_size=4), max_size=2), st.sampled_from(["/", "/chat"]))
def test_python_socketio_reads_what_clients_send(event: str, args: list[Any], files: list[bytes], space: str) -> None:
    packet = pytest.importorskip("socketio.packet", reason="python-socketio is not installed")
    attach = [base64.b64encode(file).decode() for file in files]
    first, *more = sent("socketio", {"emit": event, "args": args, "attach": attach, "ack": True}, namespace=space)
    found = packet.Packet(encoded_packet=first[1:].decode())
    for number, attachment in enumerate(more, 1):
        assert found.add_attachment(attachment) is (number == len(more))
    assert (found.data, found.id, found.namespace or "/") == ([event, *args, *files], SENT, space)


@FEW
@given(st.sampled_from(["completed", "failed", "incomplete", "cancelled"]), WORDS, st.binary(max_size=9), st.data())
def test_events_of_openai_end_a_step_as_they_mean(status: str, words: str, audio: bytes, data: st.DataObject) -> None:
    realtime = pytest.importorskip("openai.types.realtime", reason="openai is not installed")
    role = role_of("realtime", {"text": words, "respond": {"instructions": words}})
    step = operation(role)
    client_event = TypeAdapter(realtime.RealtimeClientEvent)
    read = [client_event.validate_json(frame) for frame in frames(step)]
    assert read[0].item.content[0].text == words and read[1].response.instructions == words
    kept = RecordedState()
    says = [said for frame in read for said in heard("realtime", frame.to_json(exclude_unset=True), kept)]
    assert says == [RecordedStep({"text": words}), RecordedStep({"respond": {"instructions": words}})]
    details = {"type": status, "error": {"type": "server_error", "code": words}} if status == "failed" else None
    done: dict[str, Any] = {"event_id": "e", "type": "response.done"}
    done |= {"response": {"id": "r", "status": status, "status_details": details}}
    fault = {"event_id": "e", "type": "error", "error": {"message": words, "type": "invalid_request_error"}}
    delta: dict[str, Any] = {
        "event_id": "e",
        "type": "response.output_audio.delta",
        "delta": base64.b64encode(audio).decode(),
    }
    delta |= {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
    why = sanitize(words, 120) if status == "failed" else status
    server_event = TypeAdapter(realtime.RealtimeServerEvent)
    for made, expected in ((done, "done" if status == "completed" else f"refused: {why}"), (delta, "")):
        frame = server_event.validate_python(made).to_json().encode()
        assert verdict(role, step, role.reader.read(frame), frame) == expected
        role.reader.read(data.draw(broken(frame)))  # None, or a document
    frame = server_event.validate_python(fault).to_json().encode()
    assert verdict(role, step, role.reader.read(frame), frame) == f"refused: {sanitize(words, 120)}"
    assert errors(role, role.reader.read(frame), frame) == [sanitize(words, 120)]
    for frame in frames(step):
        says_or_names("realtime", data.draw(broken(frame)), False)
