"""Where stdout leads nowhere: nothing measured is lost, and the exit status tells."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.commands import WAIT_S, call, start
from tests.servers.server import Server
from wstui.cli.tui import require_terminal
from wstui.report.store.store import Store

FULL = Path("/dev/full")
SHORT = (
    "--clients",
    "5",
    "--ramp",
    "100ms",
    "--hold",
    "300ms",
    "--every",
    "100ms",
    "--allow-limited",
    "--no-thresholds",
)


@contextmanager
def nobody_reads() -> Iterator[int]:
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextmanager
def full_disk() -> Iterator[int]:
    """A device that takes nothing."""
    full = os.open(FULL, os.O_WRONLY)
    yield full
    os.close(full)


def ended(*arguments: str, stdout: int, environ: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit status and stderr of a command whose stdout is this file number."""
    process = start(*arguments, stdout=stdout, environ=environ)
    _, err = process.communicate(timeout=WAIT_S * 2)
    return process.returncode, err


@pytest.mark.parametrize(
    "arguments", [("--help",), ("run", "--help"), ("presets", "list"), ("--version",)], ids=" ".join
)
def test_a_reader_that_has_gone_ends_a_command_as_sigpipe_does(arguments: tuple[str, ...]) -> None:
    with nobody_reads() as writer:
        assert ended(*arguments, stdout=writer) == (141, "")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [("--help",), ("presets", "list")], ids=" ".join)
def test_a_full_disk_behind_stdout_is_said_and_is_no_success(arguments: tuple[str, ...]) -> None:
    with full_disk() as full:
        status, err = ended(*arguments, stdout=full)
    assert status == 2 and "the output can't be written" in err and len(err.splitlines()) == 1


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("extra", [(), ("--json", "-"), ("--events", "-")], ids=["summary", "json", "events"])
async def test_a_run_whose_output_is_lost_is_kept_and_tells_so(tmp_path: Path, extra: tuple[str, ...]) -> None:
    store = tmp_path / "runs.db"

    def of(server: Server, stdout: int) -> tuple[int, str]:
        return ended("run", "quick", "--url", server.url, "--store", str(store), *SHORT, *extra, stdout=stdout)

    async with Server() as server:
        with full_disk() as full:
            status, err = await asyncio.to_thread(of, server, full)
        assert status == 2 and err.count("can't be written") + err.count("was not written") == 1
        with nobody_reads() as writer:
            status, err = await asyncio.to_thread(of, server, writer)
        assert status == 141 and "Traceback" not in err
    with Store(store) as kept:
        assert [run.state for run in kept.runs()] == ["finished", "finished"]


def test_a_terminal_without_our_signs_gets_a_question_mark_and_programs_get_all(tmp_path: Path) -> None:
    file = tmp_path / "übung.toml"
    file.write_text(
        'name = "übung"\n[target]\nurl = "ws://127.0.0.1:9/ws"\n[[stages]]\nname = "ramp"\nover = "1s"\nclients = 1\n'
        '[messages]\nevery = "100ms"\n'
    )
    status, out, err = call("check", str(file), environ={"LC_ALL": "C", "PYTHONIOENCODING": "ascii"})
    assert (status, err) == (1, "") and "✓ resolve" in out
    latin = {"PYTHONIOENCODING": "latin-1"}
    status, out, err = call("check", str(file), environ=latin)
    assert (status, err) == (1, "") and "? resolve" in out
    process = subprocess.run(
        [sys.executable, "-m", "wstui", "check", str(file), "--json"],
        env={**os.environ, **latin},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert json.loads(process.stdout.decode("utf-8"))["presets"] == ["übung"]


def closed(*arguments: str, streams: str = ">&-") -> tuple[int, str]:
    """Exit status and stderr of a command whose shell closed its stdout."""
    command = ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-m", "wstui", *arguments]
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=WAIT_S, check=False
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    "arguments",
    ["--help", "--version", "token", "presets list", "presets show quick", "runs list", "check quick --no-probe"],
)
def test_a_closed_stdout_is_said_and_is_no_success(arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WS_URL", "ws://127.0.0.1:9/ws")
    monkeypatch.setenv("JWT_SECRET", "a secret of more than 32 bytes, really")
    status, err = closed(*arguments.split())
    assert status == 2 and err.count("the output can't be written: stdout is closed") == 1, err
    assert "Traceback" not in err and "Exception ignored" not in err


async def test_a_run_with_a_closed_stdout_is_kept_and_tells_so(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    async with Server() as server:
        run = ("run", "quick", "--url", server.url, "--store", str(store), *SHORT)
        status, err = await asyncio.to_thread(closed, *run)
        assert (status, err.count("stdout is closed")) == (2, 1), err
        status, err = await asyncio.to_thread(closed, *run, "--json", str(tmp_path / "r.json"), "-q")
        assert (status, err.count("stdout is closed")) == (2, 1) and json.loads((tmp_path / "r.json").read_text())
        status, _ = await asyncio.to_thread(closed, *run, streams="<&- >&- 2>&-")
        assert status == 2
    with Store(store) as kept:
        assert [run.state for run in kept.runs()] == ["finished"] * 3


def test_a_closed_stdin_is_no_terminal() -> None:
    status, err = closed("quick", streams="<&- >/dev/null")
    assert status == 2 and "needs a terminal" in err


def test_a_terminal_that_draws_no_screens_is_told_what_to_use_instead(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    with pytest.raises(SystemExit) as ended:
        require_terminal("wstui run PRESET")
    assert ended.value.code == 2
    assert "TERM=dumb" in (told := capsys.readouterr().err) and "wstui run PRESET" in told
    monkeypatch.setenv("TERM", "xterm-256color")
    require_terminal("wstui run PRESET")
