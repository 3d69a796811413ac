"""`--lock`: a second run against the same target waits, is refused, or goes on."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.cli.commands import invoke, start
from wstui.cli.target_lock import file_name, target_of
from wstui.scenario.model import Scenario, Stage, Target

NOBODY = "ws://127.0.0.1:1/ws"
"""Nothing listens there: a run that begins ends at once, with status 3."""


def scenario(url: str) -> Scenario:
    return Scenario(target=Target(url=url), stages=[Stage(name="up", over=1, clients=1)])


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[IO[str]]:
    """The lock of another run on the target."""
    with (tmp_path / file_name(target_of(scenario(NOBODY)))).open("w") as file:
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
    assert "another run loads 127.0.0.1:1: nightly on build-7, process 42" in told and "--lock wait" in told
    assert invoke(*run(lock, "ignore"))[0] == 3


def test_a_second_run_waits_for_the_end_of_the_first(lock: IO[str]) -> None:
    with start(*run(lock, "wait")) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "another run" in line)
        assert "waiting for its end" in line and process.poll() is None
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert process.wait(60) == 3
    assert "quick on " in Path(lock.name).read_text()


def test_a_target_is_its_host_and_port_whatever_the_path_and_the_user() -> None:
    one, other = (target_of(scenario(url)) for url in ("ws://A.example/x?y={{client}}", "ws://u:p@a.example:80/"))
    assert one == other == "a.example:80"
    assert target_of(scenario("wss://a.example/")) == "a.example:443"
    assert file_name("a.example:80") != file_name("a.example_80")
