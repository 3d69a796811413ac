"""`--lock`: a second run against the same target waits, is refused, or goes on."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tests.cli.commands import invoke, start
from tests.servers.server import until
from wstui.cli.kept_suite import KeptSuite
from wstui.cli.options import RunOptions
from wstui.cli.target_lock import TargetLocks, file_name, lock_targets, targets_of
from wstui.execution.preflight.probe import Unreachable
from wstui.execution.run.commands import DrainRun
from wstui.fleet.transport import FleetError
from wstui.scenario.model import Scenario, Stage, Target

NOBODY = "ws://127.0.0.1:1/ws"
"""Nothing listens there: a run that begins ends at once, with status 3."""
HERE = f"localhost:1 on {socket.gethostname()}"
LOCKED = ("--no-store", "--lock", "wait", "--lock-folder")


def scenario(url: str, **sections: Any) -> Scenario:
    return Scenario(target=Target(url=url), stages=[Stage(name="up", over=1, clients=1)], **sections)


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[IO[str]]:
    """The lock of another run on the target."""
    with (tmp_path / file_name(HERE)).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("nightly on build-7, process 42")
        file.flush()
        yield file


def run(lock: IO[str], mode: str) -> tuple[str, ...]:
    folder = str(Path(lock.name).parent)
    return "run", "quick", "--url", NOBODY, "--no-store", "--no-control", "--lock-folder", folder, "--lock", mode


def test_a_second_run_is_refused_with_the_holder_named_or_goes_on(lock: IO[str]) -> None:
    status, _, told = invoke(*run(lock, "refuse"))
    assert status == 2
    assert f"another run loads {HERE}: nightly on build-7, process 42" in told and "--lock wait" in told
    assert invoke(*run(lock, "ignore"))[0] == 3


def test_a_second_run_waits_for_the_end_of_the_first(lock: IO[str]) -> None:
    with start(*run(lock, "wait")) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "another run" in line)
        assert "waiting for its end" in line and process.poll() is None
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert process.wait(60) == 3
    assert "quick on " in Path(lock.name).read_text()


def test_a_terminal_is_told_from_time_to_time_how_long_a_run_has_waited(
    lock: IO[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        if len(told) == 3:
            fcntl.flock(lock, fcntl.LOCK_UN)

    monkeypatch.setattr("wstui.cli.target_lock.tell", tell)
    monkeypatch.setattr("wstui.cli.target_lock.TELL_S", 0.0)
    lock_targets([scenario(NOBODY)], "wait", str(Path(lock.name).parent)).free()
    assert told[0].endswith("process 42; waiting for its end")
    assert [text.rpartition("; ")[2] for text in told[1:]] == ["waiting for 0 s", "waiting for 0 s"]
    assert re.search(r", since \d{4}-\d\d-\d\d \d\d:\d\d UTC$", Path(lock.name).read_text())


def test_a_target_is_its_host_and_port_whatever_the_path_and_the_user() -> None:
    one, other = (targets_of(scenario(url)) for url in ("ws://A.example/x?y={{client}}", "ws://u:p@a.example:80/"))
    assert one == other == ["a.example:80"]
    assert targets_of(scenario("wss://a.example/")) == ["a.example:443"]
    assert file_name("a.example:80") != file_name("a.example_80")


def test_a_target_on_loopback_is_that_of_the_machines_that_load_it() -> None:
    for host in ("localhost", "LOCALHOST.", "127.0.0.1", "[::1]", "0.0.0.0"):
        assert targets_of(scenario(f"ws://{host}:1/")) == [HERE]
    assert targets_of(scenario("ws://127.0.0.2:1/")) == [f"127.0.0.2:1 on {socket.gethostname()}"]
    assert targets_of(scenario("ws+unix:///run/x.sock:/")) == [f"/run/x.sock on {socket.gethostname()}"]
    there = scenario("ws://localhost:1/", fleet={"hosts": ["one:2", "me@two", "exec:nsenter -n wstui"]})
    assert targets_of(there) == [f"localhost:1 on {name}" for name in ("one", "two", "nsenter -n wstui")]
    assert file_name("localhost:1 on one").startswith("localhost_1-")
    assert file_name("localhost:1 on one") != file_name("localhost:1 on two")


def test_a_lock_is_free_when_its_run_has_ended_or_its_process_was_killed(tmp_path: Path) -> None:
    first = TargetLocks([scenario(NOBODY)], "wait", str(tmp_path))
    second = TargetLocks([scenario(NOBODY)], "wait", str(tmp_path))
    assert first.take() == "" and f"process {os.getpid()}" in second.take()
    first.free()
    assert second.take() == "" and second.take() == ""
    second.free()
    program = f"import fcntl, time; f = open({str(tmp_path / file_name(HERE))!r}, 'r+'); fcntl.flock(f, 2)"
    program += "; f.truncate(0); f.write('gone'); f.flush(); print('has it', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"has it\n"
    assert second.take() == "", "it has what it asked for"
    third = TargetLocks([scenario(NOBODY)], "wait", str(tmp_path))
    assert third.take() == f"another run loads {HERE}: gone"
    holder.kill()
    holder.wait()
    assert third.take() == ""
    third.free()


def test_whatever_another_run_wrote_into_its_lock_is_shown_as_text(lock: IO[str]) -> None:
    Path(lock.name).write_bytes(b"\xff\x1b[31m evil")
    status, _, told = invoke(*run(lock, "refuse"))
    assert status == 2 and "\x1b" not in told and "evil" in told


@pytest.mark.parametrize(
    ("place", "words"),
    [("file", "it is not a folder"), ("file/below", "it is not a folder"), ("linked", r"\S+\.lock is a link")],
)
def test_a_folder_that_cannot_be_used_is_told_with_its_fix(tmp_path: Path, place: str, words: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / file_name(HERE)).symlink_to(tmp_path / "elsewhere")
    folder = str(tmp_path / place)
    status, _, told = invoke("run", "quick", "--url", NOBODY, "--no-store", "--lock-folder", folder, "--lock", "wait")
    assert status == 2 and re.search(rf"locks can't be kept in \S+: {words}; name a folder .*--lock-folder", told), told
    assert not (tmp_path / "elsewhere").exists()


async def test_a_run_that_begins_in_the_terminal_ui_keeps_to_the_lock_as_well(lock: IO[str]) -> None:
    folder = str(Path(lock.name).parent)

    def made(mode: str) -> KeptSuite:
        options = RunOptions(no_store=True, no_control=True, lock=mode, lock_folder=folder)
        return KeptSuite(options, [], [scenario(NOBODY)])

    with pytest.raises(FleetError, match=r"another run loads localhost:1 on \S+: nightly on build-7.*--lock wait"):
        await made("refuse").run()
    waiting = made("wait")
    task = asyncio.create_task(waiting.run())
    told = r"waiting for [1-9]\d* s: another run loads localhost:1 on \S+: nightly on build-7"
    await until(lambda: re.match(told, waiting.status.note) is not None)
    waiting.send(DrainRun())
    with pytest.raises(FleetError, match="not begun: another run loads"):
        await task
    waiting = made("wait")
    task = asyncio.create_task(waiting.run())
    await until(lambda: "waiting" in waiting.status.note)
    fcntl.flock(lock, fcntl.LOCK_UN)
    with pytest.raises(Unreachable):
        await task
    free = TargetLocks([scenario(NOBODY)], "refuse", folder)
    assert free.take() == "", "it is over"
    free.free()


def test_the_wait_of_a_detached_run_is_shown_in_its_terminal(lock: IO[str]) -> None:
    folder = str(Path(lock.name).parent)
    with start("run", "quick", "--url", NOBODY, "--detach", *LOCKED, folder) as it:
        assert it.stderr is not None
        assert "waiting for its end" in next(line for line in it.stderr if "another run" in line)
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert it.wait(60) == 3
