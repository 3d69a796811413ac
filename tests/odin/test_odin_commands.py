"""`wstui token`, `server` and `publisher` as commands: what they print, and what they refuse."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner

from tests.odin.target import SECRET
from wstui.cli import odin as commands
from wstui.odin.nats_server import NatsServerNotFound, find_nats_server
from wstui.odin.token import DEVELOPMENT_SECRET, Verifier

pytestmark = pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")


def test_stdout_is_the_token_and_nothing_else() -> None:
    result = CliRunner(env={"JWT_SECRET": SECRET}).invoke(commands.token, ["--user", "ann"])
    assert result.stderr == ""
    assert result.stdout == result.stdout.strip() + "\n"
    claims = jwt.decode(result.stdout.strip(), SECRET, algorithms=["HS256"])
    assert claims["userId"] == "ann"
    assert claims["exp"] - claims["iat"] == 24 * 3600


def test_without_a_secret_the_development_secret_signs_and_stderr_says_so() -> None:
    result = CliRunner(env={"JWT_SECRET": ""}).invoke(commands.token, ["--ttl", "60"])
    assert "development secret" in result.stderr
    assert Verifier.by_secret(DEVELOPMENT_SECRET).verify(result.stdout.strip()) == "load-test"


def test_a_file_holds_the_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    result = CliRunner().invoke(commands.token, ["--secret-file", str(tmp_path / "secret")])
    assert Verifier.by_secret(SECRET).verify(result.stdout.strip())


def test_an_empty_file_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n")
    result = CliRunner().invoke(commands.token, ["--secret-file", str(tmp_path / "secret")])
    assert result.exit_code == 2
    assert "secret" in result.stderr


@pytest.mark.parametrize("option", ["--public-key", "--secret-file"])
@pytest.mark.parametrize("content", [b"", b"\x30\x82\xff"], ids=["empty", "binary"])
def test_a_file_without_a_key_is_named_and_no_other_secret_takes_its_place(
    option: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "key").write_bytes(content)
    result = CliRunner(env={"JWT_SECRET": SECRET}).invoke(commands.server, [option, str(tmp_path / "key")])
    assert result.exit_code == 2
    assert f"{option} {tmp_path / 'key'}" in result.stderr


@pytest.mark.parametrize("secret", ["", DEVELOPMENT_SECRET])
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_the_development_secret_is_not_offered_to_the_network(secret: str, host: str) -> None:
    result = CliRunner(env={"JWT_SECRET": secret}).invoke(commands.server, ["--host", host, "--port", "0"])
    assert result.exit_code == 2
    assert "set JWT_SECRET" in result.stderr


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--fault", "explode"], "explode"),
        (["--public-key", __file__], "not a public key"),
        (["--auth", "maybe"], "maybe"),
        (["--port", "99999"], "99999"),
        (["--nats-url", "http://me:password@odin"], "'http://odin' is not a NATS URL"),
        (["--nats-url", "nats://odin:many"], "'nats://odin:many' is not a NATS URL"),
        (["--nats-url", "nats://odin:99999"], "'nats://odin:99999' is not a NATS URL"),
    ],
)
def test_what_is_wrong_is_named(options: list[str], word: str) -> None:
    result = CliRunner().invoke(commands.server, options)
    assert result.exit_code == 2
    assert word in result.stderr
    assert "Traceback" not in result.stderr


def test_tokens_without_a_name_are_refused() -> None:
    result = CliRunner().invoke(commands.publisher, ["--tokens", "BTC,*"])
    assert result.exit_code == 2
    assert "BTC,*" in result.stderr


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner(env={"JWT_SECRET": SECRET}).invoke(commands.server, ["--port", port])
    assert result.exit_code == 1
    assert "in use" in result.stderr


def test_a_nats_server_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(NatsServerNotFound, match="not a program"):
        find_nats_server({"NATS_SERVER": str(tmp_path)})


@pytest.mark.parametrize(
    ("given", "environment", "level"),
    [(None, "", "info"), ("debug", "error", "debug"), (None, "WARN", "warning"), (None, "verbose", "info")],
)
def test_a_log_level_of_other_programs_making_stops_no_server_and_is_told(
    given: str | None,
    environment: str,
    level: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LOG_LEVEL", environment)
    commands._begin(given, False, False)
    assert logging.getLevelName(logging.getLogger("wstui.odin").level) == level.upper()
    assert ("LOG_LEVEL=verbose is not a level" in capsys.readouterr().err) is (environment == "verbose")
