"""The job of the manual, as a pipeline carries it out: real processes, an exit status, reports, nothing left."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from junitparser import Failure, JUnitXml

from tests.leaked_tokens import holds_token
from tests.manual.examples import block

PROGRAMS = Path(sys.executable).parent
SHORT = "--scale 0.2 --ramp 1s --hold 3s --no-store"
RUN = "wstui run quick "


pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "openssl", "timeout", "grep"))), reason="the recipe takes a runner's programs"
)


def recipe() -> tuple[dict[str, str], str]:
    """The environment and the commands of the job in the manual."""
    job = block("pipeline")
    environment = re.search(r"^    env:\n((?:      .*\n)+)", job, re.MULTILINE)
    commands = re.search(r"^      - run: \|\n((?:          .*\n)+)", job, re.MULTILINE)
    assert environment and commands
    pairs = (line.strip().partition(": ") for line in environment[1].splitlines())
    return {name: value for name, _, value in pairs}, commands[1].replace(" " * 10, "")


def free_port() -> str:
    """One that the system gives to nobody by itself, before it is used here."""
    for port in random.sample(range(12_000, 32_000), 100):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return str(port)
    raise AssertionError("no port is free")


def carried_out(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The job as a runner does it, on ports that are free here, and with a shorter run."""
    environment, commands = recipe()
    ports = {"4222": free_port(), "3001": free_port()}

    def here(text: str) -> str:
        # A machine that others use as well may take longer to start what is to be there.
        text = text.replace("timeout 30 ", "timeout 120 ")
        return re.sub("|".join(ports), lambda found: ports[found[0]], text)

    assert commands.count(RUN) == 1
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail"],
        cwd=folder,
        env={
            **os.environ,
            **{name: here(value) for name, value in environment.items()},
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "LOG_LEVEL": "",
            "GITHUB_ACTIONS": "true",
            # What jobs set to have colours in their log.
            **dict.fromkeys(("FORCE_COLOR", "CLICOLOR_FORCE", "PY_COLORS"), "1"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        },
        input=here(commands).replace(RUN, " ".join((RUN, SHORT, *options, ""))),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    listening = {c.laddr.port for c in psutil.net_connections("tcp") if c.laddr and c.status == psutil.CONN_LISTEN}
    assert not listening & set(map(int, ports.values())), "everything that was started has ended"
    return done


def test_a_sound_server_passes_and_leaves_its_reports(tmp_path: Path) -> None:
    # How fast this machine is today is not what is tested.
    done = carried_out(tmp_path, "--threshold", "'response.mean < 5s'")
    logs = "".join((tmp_path / f"{name}.log").read_text() for name in ("nats", "server", "publisher"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    assert "✗" not in done.stdout and ("PASSED" in done.stdout or "LIMITED" in done.stdout)
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["connections"]["ready"] == result["connections"]["attempted"] == 20
    assert result["target"]["state"] == "healthy"
    report = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    assert (report.failures, report.errors) == (0, 0) and report.tests >= 3
    assert (tmp_path / "summary.md").read_text().startswith("##")
    assert "::group::" in done.stdout and "::error" not in done.stdout
    for text in (done.stdout, done.stderr, logs, *(path.read_text() for path in tmp_path.glob("*.*"))):
        assert not holds_token(text) and "\x1b" not in text


def test_a_broken_threshold_fails_the_pipeline_and_is_a_failed_test_case(tmp_path: Path) -> None:
    done = carried_out(tmp_path, "--threshold", "'response.mean < 1us'")
    assert done.returncode == 1, done.stderr
    report = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    assert report.failures == 1
    (failed,) = [case.name for suite in report for case in suite if case.result and isinstance(case.result[0], Failure)]
    assert failed.startswith("response.mean")
