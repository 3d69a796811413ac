"""The log file: what happened, a few clients by name, no secrets, and nothing where somebody looks at a screen."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest

from tests.cli.commands import invoke
from tests.leaked_tokens import holds_token
from tests.report.stand_in import StandIn, status
from tests.servers.server import Connection, Server
from wstui.cli.param_types import wanted_level
from wstui.cli.run_log import FILES_KEPT, FILES_OF_A_RUN, RunLog
from wstui.odin.token import sign
from wstui.report.live.observer import ExportError

SECRET = "a secret that is long enough to sign with"


class Grumpy(Server):
    """Refuses every second client, and tells what it was given, with something that a terminal would obey."""

    async def answer(self, client: Connection, key: bytes) -> bool:
        if client.number % 2 == 0:
            return await super().answer(client, key)
        body = b"\x1b[2Jno\nentry for " + client.path
        client.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return False


async def run(home: Path, url: str, *arguments: str, clients: int = 40, **environ: str) -> tuple[int, str, str]:
    token = sign("tester", SECRET)
    return await asyncio.to_thread(
        invoke,
        "run",
        "quick",
        *("--url", url, "--health", "off", "--no-store", "--no-probe"),
        *("--clients", str(clients), "--ramp", "300ms", "--hold", "1500ms", "--every", "200ms", "--no-thresholds"),
        *arguments,
        environ={"XDG_STATE_HOME": str(home), "AUTH_TOKEN": token, "LOG_LEVEL": "", **environ},
    )


def logs(home: Path) -> list[Path]:
    return sorted((home / "wstui").rglob("*.log"))


async def test_debug_tells_states_marks_and_some_clients_and_no_secret(tmp_path: Path) -> None:
    async with Grumpy() as server:
        status, out, err = await run(tmp_path, server.url, clients=400, LOG_LEVEL="debug")
    assert status == 1, err  # every second client was refused
    (path,) = logs(tmp_path)
    assert f"log: {path}" in err and "log:" not in out
    text = path.read_text()
    for words in (
        "INFO    quick: up to 400 clients",
        ": running",
        "stage: hold",
        "quick: failed: ",
        "× http 403",
    ):
        assert words in text
    named = [line for line in text.splitlines() if ": client " in line]
    assert 0 < len(named) < 40, "a few of two hundred are named"
    assert "\\x1b[2Jno\\nentry for /ws?token=***" in text and "\x1b" not in text
    assert not holds_token(text) and SECRET not in text
    assert path.stat().st_mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0


async def test_the_flag_goes_before_the_environment_and_info_says_less(tmp_path: Path) -> None:
    async with Server() as server:
        _, _, err = await run(tmp_path, server.url, "--log-level", "INFO", LOG_LEVEL="debug")
    (path,) = logs(tmp_path)
    assert str(path) in err
    assert "stage: hold" in path.read_text() and "DEBUG" not in path.read_text()


async def test_nobody_asked_nothing_written(tmp_path: Path) -> None:
    async with Server() as server:
        _, _, err = await run(tmp_path, server.url, LOG_LEVEL="")
        assert "log:" not in err and "LOG_LEVEL" not in err
        status, _, err = await run(tmp_path, server.url, LOG_LEVEL="loud")
    assert status in (0, 4) and "log:" not in err
    assert err.count("LOG_LEVEL=loud is not a level and is ignored: write debug, info, warning or error") == 1
    assert logs(tmp_path) == []


async def test_a_log_that_cannot_be_written_costs_no_run(tmp_path: Path) -> None:
    (tmp_path / "wstui").write_text("no folder")
    async with Server() as server:
        status, _, err = await run(tmp_path, server.url, LOG_LEVEL="debug")
    assert status in (0, 4)
    assert "no log is written" in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("given", "environment", "level"),
    [(None, " ", ""), (None, "WARN", "warning"), ("debug", "loud", "debug"), (None, "Debug", "debug"), (None, "5", "")],
)
def test_levels(given: str | None, environment: str, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", environment)
    told: list[str] = []
    assert wanted_level(given, told.append) == level
    assert bool(told) == (environment == "5")


def test_old_files_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wstui.cli.run_log.folder", lambda: tmp_path)
    for number in range(FILES_KEPT + 5):
        path = tmp_path / f"wstui-{number}.log"
        path.write_text("")
        os.utime(path, (number, number))
    (tmp_path / "mine.txt").write_text("")
    log = RunLog(StandIn(status(5)), "debug")
    log.release()
    kept = {path.name for path in tmp_path.iterdir()}
    assert len(kept) == FILES_KEPT + 1
    assert log.path.name in kept and "mine.txt" in kept and "wstui-5.log" not in kept


def test_a_folder_that_is_none_is_a_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("wstui.cli.run_log.folder", lambda: tmp_path / "file")
    with pytest.raises(ExportError, match="no log is written"):
        RunLog(StandIn(status(5)), "debug")


def test_a_log_that_grows_goes_on_in_a_new_file_and_the_oldest_lines_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wstui.cli.run_log.folder", lambda: tmp_path)
    monkeypatch.setattr("wstui.cli.run_log.FILE_BYTES", 4000)
    log = RunLog(StandIn(status(5)), "debug")
    for number in range(5000):
        logging.getLogger("wstui.run").debug("client %d: http 429", number)
    log.release()
    files = list(tmp_path.iterdir())
    assert len(files) == FILES_OF_A_RUN
    assert all(path.stat().st_size <= 4000 for path in files)
    assert log.path.read_text().endswith("client 4999: http 429\n")


def test_a_full_disk_ends_the_log_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("wstui.cli.run_log.folder", lambda: tmp_path)
    told: list[str] = []
    log = RunLog(StandIn(status(5), status(9)), "debug", every_s=0.01, on_problem=told.append)
    log._handler.setStream(Path("/dev/full").open("w"))  # noqa: SIM115
    log.start()
    log.close(None)
    assert told == [f"the log is cut short: {log.path}: No space left on device"]
    assert capsys.readouterr().err == ""
