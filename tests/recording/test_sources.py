"""Sessions read from files: HARs of browsers and proxies, recordings, and files that are neither."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recording.hars import START, entry, har, message
from wstui.recording.inference.infer import infer
from wstui.recording.recording import Recorder
from wstui.recording.session import ImportFailed, RecordedMessage, RecordedRequest
from wstui.recording.sources import choose, read_session


def written(path: Path, document: Any) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_a_har_holds_websocket_messages_with_time_direction_and_bytes(tmp_path: Path) -> None:
    headers = [{"name": ":authority", "value": "a"}, {"name": "Origin", "value": "http://a.example"}]
    page = entry("http://a.example/api/login", content={"mimeType": "application/json", "text": '{"token":"t"}'})
    socket = entry(
        "wss://a.example/ws?x=1",
        [message(0.5, True, "hello"), message(0.7, False, b"\0\xff"), {"type": "error", "time": 1, "opcode": -1}],
        headers=headers,
    )
    session = read_session(written(tmp_path / "a.har", har(page, socket)))
    (connection,) = session.connections
    assert (connection.url, connection.number, connection.endpoint) == (
        "wss://a.example/ws?x=1", 2, "wss://a.example/ws",
    )  # fmt: skip
    assert connection.request == [("Origin", "http://a.example")]
    assert connection.frames == [
        RecordedMessage(START + 0.5, True, "hello"),
        RecordedMessage(START + 0.7, False, b"\0\xff"),
    ]
    assert session.requests[0].answer_body == '{"token":"t"}' and session.notes.total() == 1


@pytest.mark.parametrize(("factor", "scheme"), [(1, "https"), (1e3, "wss"), (1e6, "https")])
def test_times_in_other_units_and_addresses_of_http_mean_the_same(tmp_path: Path, factor: float, scheme: str) -> None:
    sent = message(1, True, "a")
    sent["time"] *= factor
    session = read_session(written(tmp_path / "a.har", har(entry(f"{scheme}://a.example/ws", [sent]))))
    (connection,) = session.connections
    assert connection.url == "wss://a.example/ws" and connection.frames[0].at == START + 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        ("hello", "not a kind of file that is known"),
        ('{"openapi": "3"}', "it holds openapi, which is not known"),
        ('{"log": {"entries": [{"request": ', "not valid JSON near byte"),
        ('{"log": {"entries": [{}, {"request": {"secret-word" 1}}]}}', "after 1 entries, near byte"),
        ('{"log": {"pages": []}}', "no log.entries"),
        ('{"log": {"entries": [{"_webSocketMessages": [{"type": "send", "data": "x"}]}]}}', "entry 1 has WebSocket"),
        ('{"log": ' + "[" * 100 + "]" * 100 + "}", "nested"),
        ('{"wstui": "recording/9"}', "this wstui reads recording/1"),
        ('{"wstui": "recording/1", "started": 0}\n{"t": 1}\n', "line 2 is not an event"),
        (
            '{"wstui": "recording/1", "started": 0}\n{"t":1,"c":4,"k":"sent","text":"a"}\n',
            "connection 4 has no upgrade",
        ),
    ],
)
def test_a_broken_file_is_refused_with_its_name_and_the_place(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path / "given", text)
    with pytest.raises(ImportFailed) as refused:
        read_session(path)
    assert str(path) in str(refused.value) and words in str(refused.value)
    assert "secret-word" not in str(refused.value)


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(ImportFailed, match="no-such can't be read: No such file"):
        read_session(Path("no-such"))


def test_a_recording_reads_back_as_it_was_written_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    recorder = Recorder(path, "ws://a.example/ws", 1 << 20)
    recorder.upgrade(1, "ws://a.example/ws", [("Origin", "o")])
    recorder.answer(1, 101, [("Server", "s")])
    recorder.frame(1, True, "hällo")
    recorder.frame(1, False, b"\0\xff")
    recorder.close(1, "client", 1000, "done")
    request = RecordedRequest(0, "POST", "http://a.example/in", [("A", "b")], "{}", 200, [("Set-Cookie", "s=1")], "ok")
    recorder.http(request)
    recorder.finish()
    assert path.stat().st_mode & 0o777 == 0o600
    with path.open("a") as file:
        file.write('{"t":9,"c":1,"k":"se')
    session = read_session(path)
    (connection,) = session.connections
    assert connection.request == [("Origin", "o")] and connection.answer == [("Server", "s")]
    assert [(frame.sent, frame.data) for frame in connection.frames] == [(True, "hällo"), (False, b"\0\xff")]
    assert connection.close == "1000 by client" and session.notes["a last line that was cut short"] == 1
    (read,) = session.requests
    assert read.at > START
    read.at = 0
    assert read == request
    with pytest.raises(FileExistsError):
        Recorder(path, "ws://a.example/ws", 1)


def test_a_recording_stops_at_its_size(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run.jsonl", "ws://a.example/ws", 1000)
    recorder.upgrade(1, "ws://a.example/ws", [])
    for _ in range(100):
        recorder.frame(1, True, "x" * 50)
    recorder.finish()
    assert recorder.is_full and (tmp_path / "run.jsonl").stat().st_size <= 1000
    assert 5 < len(read_session(tmp_path / "run.jsonl").connections[0].frames) < 20


def test_a_large_har_is_read_in_bounded_memory_with_progress(tmp_path: Path) -> None:
    path = tmp_path / "large.har"
    body = json.dumps(
        entry("http://a.example/app.js", content={"mimeType": "text/javascript", "text": "x" * 1_000_000})
    )
    socket = json.dumps(entry("ws://a.example/ws", [message(n / 10, True, f"message {n}") for n in range(1000)]))
    with path.open("w") as file:
        file.write('{"log": {"entries": [' + ",".join([body] * 100 + [socket]) + "]}}")
    program = """
import resource, sys
from pathlib import Path
from wstui.recording.sources import read_session
before, told = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
session = read_session(Path(sys.argv[1]), told.append)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(len(session.connections[0].frames), grown, len(told), told[-1])
"""
    out = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True).stdout
    frames, grown_kib, times, last = map(int, out.split())
    assert frames == 1000 and last == path.stat().st_size and times > 100
    assert grown_kib < 30 << 10, "100 MB were read"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_mutated_har_is_read_or_refused_and_never_breaks(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    whole = json.dumps(
        har(entry("ws://a.example/ws", [message(n, n % 2 == 0, '{"type":"a"}') for n in range(3)]))
    ).encode()
    at = data.draw(st.integers(0, len(whole)))
    cut = data.draw(st.integers(0, 30))
    put = data.draw(st.binary(max_size=8) | st.sampled_from([b"null", b"[]", b"{}", b"-1", b'"', b"1e999"]))
    path = tmp_path_factory.mktemp("har") / "a.har"
    path.write_bytes(whole[:at] + put + whole[at + cut :])
    try:
        session = read_session(path)
    except ImportFailed:
        return
    for connection in session.connections:
        assert all(isinstance(frame.data, str | bytes) for frame in connection.frames)


CHROME = {
    "startedDateTime": "2026-01-01T00:00:00.000Z", "_initiator": {"type": "script"}, "_resourceType": "websocket",
    "request": {"method": "GET", "url": "wss://a.example/ws", "httpVersion": "HTTP/1.1", "headers": [
        {"name": "Sec-WebSocket-Protocol", "value": "chat"}, {"name": "Origin", "value": "https://a.example"}]},
    "response": {"status": 101, "headers": [{"name": "Sec-WebSocket-Protocol", "value": "chat"}], "content": {}},
    "_webSocketMessages": [
        {"type": "send", "time": 1767225600.5, "opcode": 1, "data": "{\"type\":\"say\"}"},
        {"type": "receive", "time": 1767225600.6, "opcode": 2, "data": "AP8="},
        {"type": "receive", "time": 1767225600.7, "opcode": 10, "data": ""}],
}  # fmt: skip
HTTP2 = CHROME | {
    "request": CHROME["request"] | {"method": "CONNECT", "url": "https://a.example/ws"},  # type: ignore[operator]
    "response": {"status": 200, "headers": [{"name": ":status", "value": "200"}]},
}
SAMPLES = Path(__file__).with_name("samples")
"""What browsers saved of the page in `test_browser`: Chromium 156, Firefox 153, and WebKitGTK 2.50 for Safari."""


@pytest.mark.parametrize("browser", [CHROME, HTTP2], ids=["chrome and edge", "over http/2"])
def test_the_messages_of_a_browser_are_read(tmp_path: Path, browser: dict[str, Any]) -> None:
    session = read_session(written(tmp_path / "page.har", json.dumps({"log": {"entries": [browser]}})))
    (found,) = choose(session, None) or []
    assert found.url == "wss://a.example/ws" and not any(name.startswith(":") for name, _ in found.answer)
    assert [(frame.sent, frame.data) for frame in found.frames] == [(True, '{"type":"say"}'), (False, b"\0\xff")]


def test_the_file_that_chromium_saved_is_imported_with_its_login() -> None:
    session = read_session(SAMPLES / "chromium.har")
    (found,) = choose(session, None) or []
    draft = infer(session, [found], "page")
    assert [json.loads(frame.data)["type"] for frame in found.frames if frame.sent] == ["auth", *["say"] * 4, "leave"]
    assert (
        draft.tables["login"][0]["capture"] == {"access_token": "access_token"} and "correct horse" not in draft.text()
    )
    (role,) = draft.tables["roles"]
    assert role["open"][0]["json"] == {"type": "auth", "token": "{{access_token}}"}
    assert role["loop"][-1]["expect"] == {"type": "said", "seq": "{{seq}}"}


@pytest.mark.parametrize("browser", ["firefox", "webkit"])
def test_a_browser_that_leaves_the_messages_out_is_told(browser: str) -> None:
    session = read_session(SAMPLES / f"{browser}.har")
    assert len(session.connections) == 1 and len(session.requests) == 3
    with pytest.raises(ImportFailed, match=r"no messages, which Firefox and Safari leave out.*wstui record"):
        choose(session, None)
