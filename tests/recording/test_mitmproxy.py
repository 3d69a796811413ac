"""Flow files of mitmproxy, in the shape that version 12 writes and in that of version 6."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from tests.recording.hars import START
from wstui.recording import mitmproxy
from wstui.recording.session import ImportFailed, RecordedMessage
from wstui.recording.sources import read_session


def tnetstring(value: Any) -> bytes:
    """One value as mitmproxy writes it."""
    match value:
        case None:
            data, kind = b"", b"~"
        case bool():
            data, kind = str(value).lower().encode(), b"!"
        case int():
            data, kind = str(value).encode(), b"#"
        case float():
            data, kind = repr(value).encode(), b"^"
        case bytes():
            data, kind = value, b","
        case str():
            data, kind = value.encode(), b";"
        case dict():
            data, kind = b"".join(tnetstring(part) for pair in value.items() for part in pair), b"}"
        case _:
            data, kind = b"".join(map(tnetstring, value)), b"]"
    return b"%d:%s%s" % (len(data), data, kind)


def flow(path: bytes, status: int = 200, **values: Any) -> dict[str, Any]:
    request = {
        "http_version": b"HTTP/1.1", "headers": ((b"Host", b"a.example"), (b"Origin", b"https://a.example")),
        "content": b"user=1", "trailers": None, "timestamp_start": START, "timestamp_end": START + 0.1,
        "host": "10.0.0.1", "port": 443, "method": b"POST", "scheme": b"https", "authority": b"", "path": path,
    }  # fmt: skip
    response = {
        "http_version": b"HTTP/1.1", "headers": ((b"Content-Encoding", b"gzip"),),
        "content": gzip.compress(b'{"token":"t"}'), "trailers": None,
        "timestamp_start": START, "timestamp_end": START, "status_code": status, "reason": b"OK",
    }  # fmt: skip
    made = {"version": 21, "type": "http", "id": "f-1", "error": None, "intercepted": False, "marked": "",
            "metadata": {}, "comment": "", "request": request, "response": response, "websocket": None}  # fmt: skip
    return made | values


MESSAGES = (
    (1, True, '{"type":"hällo"}'.encode(), START + 1, False, False),
    (2, False, b"\0\xff", START + 1.5, False, False),
    (1, True, b"dropped", START + 2, True, False),
)


def written(path: Path, *flows: Any) -> Path:
    path.write_bytes(b"".join(map(tnetstring, flows)))
    return path


def test_flows_hold_websocket_messages_and_the_http_requests_beside_them(tmp_path: Path) -> None:
    socket = {"messages": MESSAGES, "closed_by_client": True, "close_code": 1000, "close_reason": ""}
    told: list[int] = []
    path = written(
        tmp_path / "flows", flow(b"/login"), flow(b"/ws?room=1", 101, websocket=socket), flow(b"", type="dns")
    )
    session = read_session(path, told.append)
    (connection,) = session.connections
    assert (connection.url, connection.number, connection.status) == ("wss://a.example/ws?room=1", 2, 101)
    assert connection.frames == [
        RecordedMessage(START + 1, True, '{"type":"hällo"}'),
        RecordedMessage(START + 1.5, False, b"\0\xff"),
    ]
    assert ("Origin", "https://a.example") in connection.request
    (request,) = session.requests
    assert (request.method, request.url, request.body) == ("POST", "https://a.example/login", "user=1")
    assert request.answer_body == '{"token":"t"}'
    assert session.notes == {"dns flows": 1, "frames that hold no message, or were dropped by the proxy": 1}
    assert told[0] == len(tnetstring(flow(b"/login")))


def test_messages_that_version_6_wrote_as_a_flow_of_their_own_join_their_handshake(tmp_path: Path) -> None:
    old = {"type": "websocket", "metadata": {"websocket_handshake": "f-1"}, "messages": [m[:4] for m in MESSAGES[:2]]}
    session = read_session(written(tmp_path / "flows", flow(b"/ws", 101), old, old | {"metadata": {}}))
    assert len(session.connections[0].frames) == 2
    assert session.notes["WebSocket flows without their handshake"] == 1


def test_a_broken_flow_is_named_and_one_cut_short_or_too_large_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tnetstring(flow(b"/ws", 101, websocket={"messages": MESSAGES}))
    path = tmp_path / "flows"
    deep: Any = []
    for _ in range(50):
        deep = [deep]
    for data, words in [
        (whole + b"junk", f"flow 2, at byte {len(whole)}, does not begin with its length"),
        (tnetstring({"type": "http"}), "flow 1, at byte 0, can't be read: it has no 'request'"),
        (tnetstring({"a": deep}), "nested more than"),
        (b"8:5:hello,?", "which is not a type"),
        (b"8:77:hello}", "has no valid length"),
        (tnetstring(flow(b"/ws", 101, websocket={"messages": [(1, True)]})), "flow 1"),
    ]:
        path.write_bytes(data)
        with pytest.raises(ImportFailed) as refused:
            read_session(path)
        assert str(path) in str(refused.value) and words in str(refused.value)
    path.write_bytes(whole + whole[:-9])
    assert read_session(path).notes["a last flow that was cut short"] == 1
    monkeypatch.setattr(mitmproxy, "MOST_FLOW", len(whole))
    path.write_bytes(tnetstring(flow(b"/" + b"x" * 2000)) + whole)
    session = read_session(path)
    assert len(session.connections) == 1 and session.notes["flows larger than 0 MiB"] == 1
