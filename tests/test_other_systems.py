"""What holds without the parts that only Linux has: epoll, timerfd, and a machine without uvloop.

The standard library must believe in its own system, so the parts are switched off rather than the name of the system
changed: in every process of a run, by a `sitecustomize` that all of them import.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
import ctypes, select, sys

for name in [name for name in vars(select) if name.lower().startswith("epoll")]:
    delattr(select, name)
sys.modules["uvloop"] = None

class CDLL(ctypes.CDLL):
    def __getattr__(self, name):
        if name.startswith("timerfd"):
            raise AttributeError(name)
        return super().__getattr__(name)

ctypes.CDLL = CDLL
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """The environment of a process without those parts."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT)
    return {**os.environ, "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}


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
    assert "wstui" in done.stdout


def test_the_parts_are_really_off(elsewhere: dict[str, str]) -> None:
    code = (
        "import asyncio, select; from wstui.load.pacer import PreciseTimer; from wstui.servers.event_loop import run\n"
        "async def main():\n"
        "    loop = asyncio.get_running_loop(); rung = loop.create_future()\n"
        "    timer = PreciseTimer(loop, lambda: rung.set_result(None)); timer.at(0); await rung\n"
        "    return type(loop).__module__, timer._fd, hasattr(select, 'epoll')\n"
        "print(run(main()))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=elsewhere, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "('asyncio.unix_events', -1, False)"
