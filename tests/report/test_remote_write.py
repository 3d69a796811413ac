from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cli.commands import invoke
from tests.report.post_receiver import PostReceiver
from tests.report.prometheus_server import needs_prometheus, prometheus
from tests.report.stand_in import StandIn, status
from tests.waiting import wait_until
from wstui.execution.run.state import State
from wstui.report.live.remote_write import HEADERS, RemoteWrite, snappy_block

RECEIVE = "--web.enable-remote-write-receiver"


@pytest.fixture
def receiver() -> Iterator[PostReceiver]:
    with PostReceiver(status=204, refusal=b"\x1b[31mtoo old\nmore") as made:
        yield made


@needs_prometheus
def test_a_real_prometheus_takes_the_metrics(tmp_path: Path) -> None:
    run = StandIn(*(status(second) for second in range(5, 200)))
    with prometheus(tmp_path, RECEIVE) as server:
        export = RemoteWrite(run, f"{server.url}/api/v1/write", every_s=0.2)
        export.start()
        wait_until(lambda: bool(server.answer("rate(wstui_messages_sent_total[1m])")))
        export.close(None)
        assert export.problem == ""
        (sent,) = server.answer("wstui_messages_sent_total")
        assert sent["metric"]["job"] == "wstui" and sent["metric"]["instance"].startswith("generator-1:")
        (count,) = server.answer("wstui_response_seconds_count")
        (most,) = server.answer('wstui_response_seconds_bucket{le="+Inf"}')
        assert float(count["value"][1]) == float(most["value"][1]) > 0


@needs_prometheus
def test_a_series_that_ends_is_gone_at_once(tmp_path: Path) -> None:
    run = StandIn(status(5), status(6), status(30, state=State.DRAINING))
    with prometheus(tmp_path, RECEIVE) as server:
        export = RemoteWrite(run, f"{server.url}/api/v1/write", every_s=0.2)
        export.start()
        wait_until(lambda: [found["metric"]["state"] for found in server.answer("wstui_run_info")] == ["draining"])
        export.close(None)


@needs_prometheus
def test_a_prometheus_that_does_not_receive_is_told_how(tmp_path: Path) -> None:
    with prometheus(tmp_path) as server:
        wait_until(lambda: bool(server.answer("vector(1)")))
        export = RemoteWrite(StandIn(status(5)), f"{server.url}/api/v1/write", every_s=0.05)
        export.start()
        wait_until(lambda: bool(export.problem))
        export.close(None)
        assert export.problem.endswith(f"needs {RECEIVE}")


def test_headers_come_from_the_environment_and_a_refusal_is_told_once(
    receiver: PostReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HEADERS, "Authorization=Bearer%20abc, X-Scope-OrgID=7")
    receiver.status = 400
    problems: list[str] = []
    export = RemoteWrite(StandIn(status(3)), f"{receiver.url}/api/v1/write", every_s=0.01, on_problem=problems.append)
    export.start()
    wait_until(lambda: len(receiver.posted) >= 3)
    assert len(problems) == 1 and "answers HTTP 400: " in problems[0] and "too old" in problems[0]
    assert "\x1b" not in problems[0] and "more" not in problems[0]
    receiver.status = 204
    wait_until(lambda: not export.problem)
    export.close(None)
    last = receiver.posted[-1]
    assert last.headers["Authorization"] == "Bearer abc" and last.headers["X-Scope-Orgid"] == "7"
    assert last.headers["Content-Encoding"] == "snappy" and b"wstui_messages_sent_total" in last.body


def test_a_receiver_that_is_not_there_is_named() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        url = f"http://127.0.0.1:{server.server_port}/api/v1/write"
    export = RemoteWrite(StandIn(status(3)), url, every_s=0.01)
    export.start()
    wait_until(lambda: bool(export.problem))
    export.close(None)
    assert url in export.problem and "can't be reached" in export.problem


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_535, 65_536, 200_000])
def test_a_block_holds_the_data(size: int) -> None:
    """Decodes as the format says: the length, then literals with a length of two bytes."""
    data = bytes(number % 251 for number in range(size))
    block, at, length, shift = snappy_block(data), 0, 0, 0
    while True:
        byte = block[at]
        length, shift, at = length | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            break
    found = b""
    while at < len(block):
        assert block[at] == 61 << 2
        (less,) = struct.unpack_from("<H", block, at + 1)
        found, at = found + block[at + 3 : at + 4 + less], at + 4 + less
    assert (length, found) == (size, data)


def test_stale_is_the_nan_of_prometheus() -> None:
    from wstui.report.live.remote_write import STALE

    assert math.isnan(STALE) and struct.pack(">d", STALE).hex() == "7ff0000000000002"


@pytest.mark.parametrize(
    ("url", "headers", "told"),
    [
        ("127.0.0.1:9090", "", 'give the whole address, such as "http://127.0.0.1:9090/api/v1/write"'),
        ("http://me:s3cret@127.0.0.1:9090/api/v1/write", "", HEADERS),
        ("http://127.0.0.1:9090/api/v1/write", "Authorization", "write Name=value"),
    ],
)
def test_what_cannot_be_used_is_refused_before_the_run(
    url: str, headers: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HEADERS, headers)
    status_, _, err = invoke("run", "quick", "--url", "ws://127.0.0.1:1/ws", "--no-store", "--remote-write", url)
    assert status_ == 2 and told in err and "s3cret" not in err
