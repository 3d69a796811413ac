"""What can be wrong before a run: one clear sentence with the fix, the right exit status, no traceback."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import invoke, start

PRESET = """
name = "mine"
[target]
url = "{url}"
{extra}
[[stages]]
name = "hold"
over = "1s"
clients = 2
[messages]
every = "200ms"
"""


def write(folder: Path, url: str = "ws://127.0.0.1:9/ws", extra: str = "") -> str:
    path = folder / "mine.toml"
    path.write_text(PRESET.format(url=url, extra=extra))
    return str(path)


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that reads a request and answers with the same bytes each time; its URL."""

    class GarbageAnswer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), GarbageAnswer) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield f"ws://127.0.0.1:{server.server_address[1]}/ws"
        server.shutdown()
        serving.join()


def said(err: str) -> str:
    assert "Traceback" not in err
    return " ".join(err.split())


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["nosuchpreset"], 2, ["nosuchpreset", "quick"]),
        (["quik"], 2, ["quik", 'did you mean "quick"']),
        (
            ["quick", "--url", "http://127.0.0.1/ws"],
            2,
            ["command line: --url", "http://127.0.0.1/ws", "ws://127.0.0.1/ws"],
        ),
        (["progressive", "--url", "http://127.0.0.1/ws"], 2, ["command line: --url", "ws://127.0.0.1/ws"]),
        (["progressive", "--url", "ws://127.0.0.1:1/ws"], 3, ["nothing listens on 127.0.0.1:1"]),
        (["quick", "--every", "5"], 2, ["--every", '"5s"', '"5ms"']),
        (["quick", "--clients", "0"], 2, ["--clients", "0"]),
        (["quick", "--threshold", "respons.p99 < 5ms"], 2, ["respons.p99", "response.p99"]),
        (["quick", "--exchange", "odinn"], 2, ["odinn", "odin"]),
        (["quick", "--cooldown", "soon"], 2, ["--cooldown", "soon"]),
        (["quick", "--json", "/no/such/folder/result.json"], 2, ["/no/such/folder", "mkdir"]),
        (["quick", "--token-file", "/no/such/token"], 2, ["/no/such/token"]),
        (["quick", "--url", "ws://127.0.0.1:1/ws"], 3, ["nothing listens on 127.0.0.1:1", "--url"]),
        (["quick", "--url", "ws://[::1]:1/ws"], 3, ["[::1]:1"]),
        (["quick", "--progress-every", "0"], 2, ["--progress-every"]),
        (["quick", "--scale", "inf"], 2, ["--scale", "'inf' is not a number"]),
        (["quick", "--url", "ws://no-such-host.invalid/ws"], 3, ["no-such-host.invalid", "not known"]),
    ],
)
def test_a_wrong_request_is_one_clear_message(arguments: list[str], status: int, words: list[str]) -> None:
    code, _, err = invoke("run", *arguments, "--no-store")
    assert code == status, err
    for word in words:
        assert word in said(err)


def test_a_variable_that_holds_no_url_is_named() -> None:
    status, _, err = invoke("run", "quick", environ={"WS_URL": "http://127.0.0.1/?token=plain"})
    assert status == 2
    assert 'environment: WS_URL = "http://127.0.0.1/?token=***"' in said(err)


def test_broken_toml_names_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text('name = "x"\nurl = = 3\n')
    code, _, err = invoke("run", str(path))
    assert code == 2
    assert "line 2" in said(err)
    assert "column" in said(err)


def test_all_errors_of_a_file_come_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, extra='redy = "open"\nsettle = "soon"')
    code, _, err = invoke("run", path)
    assert code == 2
    assert "target.redy" in said(err)
    assert "ready" in said(err)
    assert "target.settle" in said(err)


@pytest.mark.parametrize("command", ["run", "check"])
def test_conflicts_between_fields_are_told_with_their_line(tmp_path: Path, command: str) -> None:
    path = tmp_path / "two.toml"
    path.write_text(
        '[target]\nurl = "ws://127.0.0.1:1/ws"\n\n[messages]\nsubscribe_each = 2\n\n'
        + '[[stages]]\nname = "ramp"\nover = "1s"\nclients = 5\n\n' * 2
        + '[[thresholds]]\nmetric = "response.p99"\nlimit = "< 1s"\nstage = "hold"\n'
    )
    code, _, err = invoke(command, str(path))
    assert code == 2
    assert "line 5: messages.subscribe_each = 2" in said(err)
    assert "line 13, stage ramp: stages[1].name" in said(err)
    assert "line 20: thresholds[0].stage" in said(err)
    _, _, err = invoke(command, str(path), "--threshold", "connect.success > 1%", "--threshold", "response.p99 < 1s")
    assert "line 13, stage ramp: stages[1].name" in said(err) and "thresholds" not in said(err)
    path.write_text(path.read_text().replace("clients = 5", "clients = 0", 1))
    code, _, err = invoke(command, str(path), "--clients", "7")
    assert code == 2 and "line 13, stage ramp: stages[1].name" in said(err)


def test_a_missing_variable_is_named(tmp_path: Path) -> None:
    code, _, err = invoke("run", write(tmp_path, url="${NO_SUCH_VARIABLE_HERE}"))
    assert code == 2
    assert "NO_SUCH_VARIABLE_HERE" in said(err)
    assert "target.url" in said(err)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 13\r\n\r\ntoken expired",
            ["401", "token expired", "AUTH_TOKEN"],
        ),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", ["403", "not allowed"]),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ["404", "path"]),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", ["503", "health"]),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", ["did not answer the upgrade with HTTP"]),
        (b"HTTP/1.0 200 OK\r\n\r\n", ["did not answer the upgrade with HTTP/1.1"]),
        (b"", ["did not answer the upgrade with HTTP"]),
    ],
)
def test_a_refusal_at_the_handshake_says_what_to_do(tmp_path: Path, answer: bytes, words: list[str]) -> None:
    with answering(answer) as url:
        code, _, err = invoke("run", write(tmp_path, url=url), "--no-store")
    assert code == 3, err
    for word in words:
        assert word in said(err)


@pytest.mark.parametrize(
    ("scheme", "awaited", "fix"),
    [("ws", "upgrade", "is it a WebSocket server?"), ("wss", "TLS handshake", "does it want ws://?")],
)
def test_a_server_that_never_answers_is_named_in_time(tmp_path: Path, scheme: str, awaited: str, fix: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/ws"
        path = write(tmp_path, url=url, extra='connect_timeout = "500ms"')
        code, _, err = invoke("run", path, "--no-store")
    assert code == 3
    assert f"did not answer the {awaited} within 0.5 s" in said(err) and fix in said(err)


def test_a_reader_that_has_had_enough_is_no_failed_check() -> None:
    process = start("presets", "show", "quick")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    with process:
        assert process.stderr.read() == ""
    assert process.returncode == 141
