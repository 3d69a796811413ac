"""What holds without the parts that only Linux has, and on a machine without uvloop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.server import Server, serving
from tests.terminal import on_pty, read_until
from tests.without_linux import without_linux


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """The environment of a process without those parts."""
    return {**without_linux(tmp_path), "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}


def test_a_run_measures_every_client_and_reply(elsewhere: dict[str, str], tmp_path: Path) -> None:
    load = "--ramp 1s --hold 2s --every 200ms --clients 30 --no-thresholds --allow-limited --json result.json"
    command = [sys.executable, "-m", "wstui", "demo", "--headless", *load.split()]
    done = subprocess.run(command, cwd=tmp_path, env=elsewhere, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["connections"]["ready"] == 30 and result["failures"] == []
    sent = result["messages"]["sent"] - result["messages"]["no_reply_expected"]
    assert result["latency_ms"]["response"]["count"] == sent - result["messages"]["abandoned"] > 100


def test_the_doctor_says_what_is_missing(elsewhere: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wstui", "doctor"], env=elsewhere, capture_output=True, text=True, timeout=60, check=True
    )
    assert "open files" in done.stdout and "(all usable)" in done.stdout and "port range" not in done.stdout


def test_check_proves_one_client_and_leaves_out_what_cannot_be_known(elsewhere: dict[str, str], tmp_path: Path) -> None:
    server = Server()
    with serving(server):
        options = ["--url", server.url, "--auth", "none", "--exchange", "echo", "--ready", "open", "--json"]
        command = [sys.executable, "-m", "wstui", "check", "quick", *options]
        done = subprocess.run(
            command, cwd=tmp_path, env=elsewhere, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)


def test_the_terminal_ui_opens_and_ends(elsewhere: dict[str, str], tmp_path: Path) -> None:
    environment = {**elsewhere, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    command = [sys.executable, "-m", "wstui"]
    with on_pty(command, size=(100, 30), cwd=tmp_path, env=environment) as (process, terminal):
        read_until(terminal, b"progressive")
        os.write(terminal, b"q")
        assert process.wait(60) == 0


def test_the_parts_are_really_off(elsewhere: dict[str, str]) -> None:
    code = (
        "import asyncio, select; from pathlib import Path\n"
        "from wstui.load.timer_queue import PreciseTimer; from wstui.servers.event_loop import run\n"
        "async def main():\n"
        "    loop = asyncio.get_running_loop(); rung = loop.create_future()\n"
        "    timer = PreciseTimer(loop, lambda: rung.set_result(None)); timer.at(0); await rung\n"
        "    return type(loop).__module__, timer._fd, hasattr(select, 'epoll'), Path('/proc/self/statm').exists()\n"
        "print(run(main()))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=elsewhere, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "('asyncio.unix_events', -1, False, False)"
