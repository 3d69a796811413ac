"""The recipe for a pipeline, as a pipeline carries it out: real processes, an exit status, reports, nothing left."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from junitparser import JUnitXml

RECIPE = Path(__file__).with_name("pipeline.sh")
PROGRAMS = Path(sys.executable).parent


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])


def carried_out(folder: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """The recipe's end, and the secret that it used."""
    secret = secrets.token_hex(32)
    environ = {
        **os.environ,
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "JWT_SECRET": secret,
        "NATS_PORT": free_port(),
        "WS_PORT": free_port(),
        "LOG_LEVEL": "",
    }
    done = subprocess.run(
        ["bash", str(RECIPE), *options],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    ports = {int(environ["NATS_PORT"]), int(environ["WS_PORT"])}
    left = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr.port in ports]
    assert left == [], "everything that was started has ended"
    return done, secret


@pytest.mark.skipif(sys.platform == "win32", reason="the recipe is for bash")
def test_a_sound_server_passes_and_leaves_its_reports(tmp_path: Path) -> None:
    # How fast this machine is today is not what is tested.
    done, secret = carried_out(tmp_path, "--threshold", "response.mean < 5s", "--allow-limited")
    logs = "".join((tmp_path / f"{name}.log").read_text() for name in ("nats", "server", "publisher"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    assert "✗" not in done.stdout and "PASSED" in done.stdout
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["connections"]["ready"] == result["connections"]["attempted"] == 20
    assert result["target"]["state"] == "healthy"
    report = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    assert (report.failures, report.errors) == (0, 0) and report.tests >= 3
    assert (tmp_path / "summary.md").read_text().startswith("##")
    for text in (done.stdout, done.stderr, logs, *(path.read_text() for path in tmp_path.glob("*.*"))):
        assert secret not in text and "eyJ" not in text


@pytest.mark.skipif(sys.platform == "win32", reason="the recipe is for bash")
def test_a_broken_threshold_fails_the_pipeline_and_is_a_failed_test_case(tmp_path: Path) -> None:
    done, _ = carried_out(tmp_path, "--threshold", "response.mean < 1us")
    assert done.returncode == 1, done.stderr
    report = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    assert report.failures == 1
    (failed,) = [
        case.name for suite in report for case in suite if case.result and "was" in str(case.result[0].message)
    ]
    assert failed.startswith("response.mean")
