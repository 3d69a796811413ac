"""What a server says is refused, failed, an error or a goodbye: each under its own word, in plain meaning."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.frames import Close

from tests.protocols.codecs import errors, operation, role_of, verdict
from wstui.load.conversation.program import WorkerRole
from wstui.load.end_causes import closed_by

V5 = {"version": "5"}
PACKED = {"format": "messagepack"}


def read(role: WorkerRole, frame: bytes, is_binary: bool) -> tuple[Any, bytes]:
    """Return the message in a frame, behind what each connection of the protocol begins with."""
    if role.decode is None:
        return role.reader.read(frame), frame
    kept: Any = True if role.spec.protocol == "signalr" else None
    ((found, payload),), _ = role.decode(kept, is_binary, frame)
    return found, payload


def written(message: Any) -> bytes:
    return json.dumps(message).encode()


@pytest.mark.parametrize(
    ("protocol", "options", "frame", "words"),
    [
        ("socketio", {}, b"41", "the server left the namespace (41)"),
        ("socketio", {}, b"1", "the server closed the session (1)"),
        ("graphql", {}, written({"type": "error", "id": "x", "payload": [{"message": "no"}]}), "no"),
        ("graphql", {}, written({"type": "next", "id": "x", "payload": {"errors": [{"message": "no"}]}}), "no"),
        ("graphql", {"legacy": True}, written({"type": "data", "payload": {"errors": [{"message": "no"}]}}), "no"),
        (
            "phoenix",
            {},
            written([None, "9", "a", "phx_reply", {"status": "error", "response": {"reason": "no"}}]),
            "no",
        ),
        ("phoenix", {}, written(["1", None, "a", "phx_error", {}]), "phx_error: a channel crashed"),
        (
            "phoenix",
            {"version": 1},
            written({"event": "phx_close", "topic": "a"}),
            "phx_close: the server closed a channel",
        ),
        ("phoenix", {}, written([None, None, "a", "system", {"status": "error", "message": "too many"}]), "too many"),
        ("actioncable", {}, written({"type": "disconnect", "reason": "server_restart"}), "server_restart"),
        ("pusher", {}, written({"event": "pusher:error", "data": {"code": 4301, "message": "too fast"}}), "too fast"),
        ("pusher", {}, written({"event": "pusher:error", "data": {"code": 4301, "message": None}}), "4301"),
        (
            "centrifugo",
            {},
            written({"id": 9, "error": {"code": 103, "message": "permission denied"}}),
            "permission denied (103)",
        ),
        ("centrifugo", {}, written({"push": {"disconnect": {"code": 3001, "reason": "shutdown"}}}), "shutdown (3001)"),
        (
            "centrifugo",
            {},
            written({"push": {"channel": "a", "unsubscribe": {"code": 2501, "reason": "subscription expired"}}}),
            "subscription expired (2501)",
        ),
        ("ocpp", {}, written([4, "-1", "FormationViolation", "no JSON", {}]), "FormationViolation: no JSON"),
        (
            "ocpp",
            V5 | {"version": "2.0.1"},
            written([4, "-1", "SecurityError"]),
            "SecurityError: a security matter kept the server from it",
        ),
        ("wamp", {}, written([6, {}, "wamp.close.system_shutdown"]), "wamp.close.system_shutdown"),
        (
            "wamp",
            {},
            written([3, {"message": "bad"}, "wamp.error.protocol_violation"]),
            "wamp.error.protocol_violation: bad",
        ),
        ("wamp", {}, written([8, 48, 99, {}, "wamp.error.canceled", ["late"]]), "wamp.error.canceled: late"),
        (
            "jsonrpc",
            {},
            written({"id": None, "error": {"code": -32700, "message": "Parse error"}}),
            "Parse error (-32700)",
        ),
        (
            "realtime",
            {},
            written({"type": "error", "error": {"message": "expired", "code": "session_expired"}}),
            "expired",
        ),
        (
            "realtime",
            {},
            written({"type": "conversation.item.input_audio_transcription.failed", "error": {"message": "no voice"}}),
            "no voice",
        ),
        ("signalr", {}, b'{"type":7,"error":"broken"}\x1e', "broken"),
        ("signalr", {}, b'{"type":7}\x1e', "the hub closed the connection"),
        (
            "signalr",
            {},
            b'{"type":7,"allowReconnect":true}\x1e',
            "the hub closed the connection, and lets clients come back",
        ),
        ("signalr", PACKED, b"\x04\x93\x07\xc0\xc3", "the hub closed the connection, and lets clients come back"),
        ("signalr", {}, b'{"type":3,"invocationId":"99","error":"late"}\x1e', "late"),
        ("stomp", {}, b"ERROR\nmessage:no\n\nsuch destination\0", "no: such destination"),
        ("stomp", {"sockjs": True}, b'c[3000,"Go away!"]', "Go away! (3000)"),
        ("mqtt", V5, b"\xe0\x02\x8e\0", "session taken over"),
        ("mqtt", V5, b"\xe0\x07\x9c\x05\x1f\0\x02me", "use another server: me"),
        ("mqtt", V5, b"\xe0\0", "the server disconnected"),
    ],
    ids=str,
)
def test_what_no_step_waits_for_is_an_error_or_a_goodbye(
    protocol: str, options: dict[str, Any], frame: bytes, words: str
) -> None:
    role = role_of(protocol, **options)
    assert errors(role, *read(role, frame, protocol == "mqtt" or options == PACKED)) == [words]


@pytest.mark.parametrize(
    ("protocol", "options", "name", "frame", "words"),
    [
        ("socketio", {}, "connect", b'44{"message":"not allowed","data":{"code":7}}', "not allowed"),
        ("socketio", {"version": 3}, "connect", b'44"Invalid namespace"', "Invalid namespace"),
        (
            "graphql",
            {"legacy": True},
            "connect",
            written({"type": "connection_error", "payload": {"message": "no"}}),
            "no",
        ),
        (
            "phoenix",
            {"topic": "a"},
            "join",
            written([None, "7", "a", "phx_reply", {"status": "error", "response": {"reason": "unmatched topic"}}]),
            "unmatched topic",
        ),
        (
            "actioncable",
            {},
            "welcome",
            written({"type": "disconnect", "reason": "unauthorized", "reconnect": False}),
            "unauthorized",
        ),
        (
            "pusher",
            {},
            "connect",
            written({"event": "pusher:error", "data": {"code": 4001, "message": "no app"}}),
            "no app",
        ),
        (
            "centrifugo",
            {},
            "connect",
            written({"id": 7, "error": {"code": 109, "message": "token expired"}}),
            "token expired (109)",
        ),
        (
            "wamp",
            {},
            "hello",
            written([3, {"message": "no such realm"}, "wamp.error.no_such_realm"]),
            "wamp.error.no_such_realm: no such realm",
        ),
        (
            "ocpp",
            {},
            "BootNotification",
            written([3, "7", {"status": "Pending", "interval": 9, "currentTime": "x"}]),
            "Pending",
        ),
        (
            "ocpp",
            {},
            "BootNotification",
            written([4, "7", "InternalError", "", {}]),
            "InternalError: the server failed",
        ),
        (
            "realtime",
            {},
            "session",
            written({"type": "error", "error": {"code": "invalid_api_key", "message": ""}}),
            "invalid_api_key",
        ),
        ("stomp", {}, "connect", b"ERROR\nmessage:Bad CONNECT\n\n\0", "Bad CONNECT"),
        *(
            ("mqtt", {}, "connect", b"\x20\x02\0" + bytes([code]), words)
            for code, words in enumerate(
                (
                    "unacceptable protocol version",
                    "client identifier rejected",
                    "server unavailable",
                    "bad user name or password",
                    "not authorized",
                ),
                1,
            )
        ),
        *(
            ("mqtt", V5, "connect", b"\x20\x03\0" + bytes([code, 0]), words)
            for code, words in (
                (0x80, "unspecified error"),
                (0x81, "malformed packet"),
                (0x82, "protocol error"),
                (0x83, "implementation specific error"),
                (0x84, "unsupported protocol version"),
                (0x85, "client identifier not valid"),
                (0x86, "bad user name or password"),
                (0x87, "not authorized"),
                (0x88, "server unavailable"),
                (0x89, "server busy"),
                (0x8A, "banned"),
                (0x8C, "bad authentication method"),
                (0x90, "topic name invalid"),
                (0x95, "packet too large"),
                (0x97, "quota exceeded"),
                (0x99, "payload format invalid"),
                (0x9A, "retain not supported"),
                (0x9B, "QoS not supported"),
                (0x9C, "use another server"),
                (0x9D, "server moved"),
                (0x9F, "connection rate exceeded"),
            )
        ),
    ],
    ids=str,
)
def test_who_is_not_let_in_is_refused(
    protocol: str, options: dict[str, Any], name: str, frame: bytes, words: str
) -> None:
    role = role_of(protocol, **options)
    assert verdict(role, operation(role, name), *read(role, frame, protocol == "mqtt")) == f"refused: {words}"


@pytest.mark.parametrize(
    ("step", "kind", "codes"),
    [
        ({"subscribe": "a", "qos": 1}, b"\x90", (0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2)),
        ({"unsubscribe": "a"}, b"\xb0", (0x80, 0x83, 0x87, 0x8F, 0x91)),
        ({"publish": "a", "qos": 1}, b"\x40", (0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99)),
        ({"publish": "a", "qos": 2}, b"\x50", (0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99)),
        ({"publish": "a", "qos": 2}, b"\x70", (0x92,)),
    ],
    ids=str,
)
def test_each_code_of_mqtt_5_fails_its_step(step: dict[str, Any], kind: bytes, codes: tuple[int, ...]) -> None:
    role = role_of("mqtt", step, **V5)
    for code in codes:
        tail = bytes([0, code]) if kind in (b"\x90", b"\xb0") else bytes([code])
        frame = kind + bytes([2 + len(tail), 0, 7]) + tail
        found = verdict(role, operation(role), *read(role, frame, True))
        assert found.startswith("refused: ") and "code" not in found, (code, found)
    done = {b"\x90": b"\0\1", b"\xb0": b"\0\x11", b"\x40": b"\x10"}.get(kind)
    if done is not None:
        frame = kind + bytes([2 + len(done), 0, 7]) + done
        assert verdict(role, operation(role), *read(role, frame, True)) == "done"


@pytest.mark.parametrize(
    ("protocol", "code", "words"),
    [
        *(("graphql", code, "") for code in (4400, 4401, 4403, 4406, 4408, 4409, 4429, 4500)),
        *(("pusher", code, "") for code in (*range(4000, 4010), 4100, 4200, 4201, 4202, 4301, 4302)),
        ("pusher", 4077, "an error that lasts: clients do not come back"),
        ("pusher", 4199, "clients come back after a while"),
        ("pusher", 4299, "clients come back at once"),
        ("pusher", 4399, "another error"),
        *(("centrifugo", code, "") for code in (*range(3000, 3014), *range(3500, 3512))),
        ("centrifugo", 4100, "a code of the application: clients come back"),
        ("centrifugo", 4999, "a code of the application: clients do not come back"),
    ],
)
def test_each_close_code_has_its_meaning(protocol: str, code: int, words: str) -> None:
    found = closed_by(Close(code, ""), role_of(protocol).closes)
    assert found.kind == f"close {code}" and found.message == (words or found.message) != "without a reason"
