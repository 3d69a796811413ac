from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.terminal import on_pty, read_until
from tests.tui import fake
from wstui.execution.run.result_figures import failures

# in a real terminal


def terminal(*arguments: str) -> AbstractContextManager[tuple[subprocess.Popen[bytes], int]]:
    """The program of `terminal_program` on a pseudo-terminal."""
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    return on_pty([sys.executable, "-m", "tests.tui.terminal_program", *arguments], env=environment)


LEFT = rb"\x1b\[\?1049l.*OUTCOME.*\n"
"""The alternate screen was left before the outcome was told."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_drains_restores_the_terminal_and_keeps_the_results(number: signal.Signals) -> None:
    with terminal() as (process, master):
        read_until(master, b"palette")
        process.send_signal(number)
        seen = read_until(master, LEFT)
        assert b"commands=[('drain',)]" in seen and b"verdict='every threshold was kept'" in seen
        assert process.wait(60) == 0


def test_a_widget_that_fails_restores_the_terminal_and_keeps_the_results() -> None:
    with terminal("broken") as (process, master):
        seen = read_until(master, LEFT)
        assert b"fault='ZeroDivisionError: a widget failed, 11'" in seen
        assert b"verdict='every threshold was kept'" in seen
        assert b"do-not-show" not in seen.replace(b'secret = "do-not-show"', b"")
        process.wait(60)


def test_a_slow_drain_is_waited_for_on_the_normal_screen_and_ctrl_c_drops_it() -> None:
    with terminal("slow") as (process, master):
        read_until(master, b"palette")
        process.send_signal(signal.SIGTERM)
        seen = read_until(master, rb"\x1b\[\?1049l.*ctrl\+c drops them")
        assert b"OUTCOME" not in seen
        process.send_signal(signal.SIGINT)
        seen = read_until(master, rb"OUTCOME.*\n")
        assert b"('abort',)" in seen


def test_a_terminal_that_stalls_does_not_hold_up_the_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with terminal("beating", str(trace)) as (process, master):
        read_until(master, b"palette")
        # nobody reads from here on: the screen blocks as soon as the buffer of the terminal is full
        before = trace.stat().st_size
        end = time.monotonic() + 60
        while trace.stat().st_size < before + 100:
            assert time.monotonic() < end
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        read_until(master, LEFT)


def test_the_whole_way_with_keys() -> None:
    with terminal() as (process, master):
        read_until(master, b"palette")
        os.write(master, b" ")
        read_until(master, b"PAUSED")
        os.write(master, b"q")
        read_until(master, b"Keep running")
        os.write(master, b"d")
        seen = read_until(master, LEFT)
        assert b"commands=[('pause',), ('drain',)]" in seen
        assert process.wait(60) == 0


def test_fakes_agree_with_the_pictures() -> None:
    assert failures(fake.status().result) == sum(group.count for group in fake.FAILURES)
