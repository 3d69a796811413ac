from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tui import fake
from tests.tui.driving import running, shown, until
from wstui.execution.result import SuiteResult, Verdict
from wstui.tui.screens.dashboard import Dashboard
from wstui.tui.screens.result import ResultScreen
from wstui.tui.screens.stop import StopDialog


async def test_the_verdict_comes_first_and_the_dashboard_stays_reachable() -> None:
    async with running(outcome=fake.result(passed=False), size=(120, 40)) as (app, pilot, session):
        session.ended.set()
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        await until(lambda: "p99.9" in shown(app), pilot)
        text = shown(app)
        for part in (
            "✗ FAILED", "response.p99 was 312 ms, the limit is < 250 ms", "✗ p99 < 250 ms", "312", "✓ errors",
            "response time", "round trip", "12 105 ready of 12 126", "347 by kind", "was not the limit",
        ):  # fmt: skip
            assert part in text, part
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, Dashboard), pilot)
        assert "✗ FAILED" in shown(app) and "48.2k msg/s" in shown(app) and "ended after" in shown(app)
        await pilot.press("r")
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        await pilot.press("q")
        await pilot.pause()
        assert app.return_value is not None and app.return_value.result is session.outcome


async def test_an_aborted_run_says_so() -> None:
    async with running() as (app, pilot, _):
        await pilot.press("a", "a")
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        await until(lambda: "aborted by the operator" in shown(app), pilot)
        assert shown(app).count("■ ABORTED") == 2


async def test_a_generator_that_was_the_limit_is_said_under_the_verdict() -> None:
    async with running(outcome=fake.result(limited=True), size=(80, 24)) as (app, pilot, session):
        session.ended.set()
        await until(lambda: "generator-limited: these figures are not the server's limit" in shown(app), pilot)


async def test_a_run_that_could_not_be_carried_out_says_why() -> None:
    async with running(outcome=RuntimeError("no process can be started: EMFILE\nraise the limit")) as (app, pilot, s):
        s.ended.set()
        await until(lambda: "THE RUN COULD NOT BE CARRIED OUT" in shown(app), pilot)
        assert "no process can be started: EMFILE" in shown(app) and "raise the limit" in shown(app)
        assert "✗ ERROR" in shown(app)
        await pilot.press("q")
        await pilot.pause()
        assert app.return_value is not None and "EMFILE" in app.return_value.error


async def test_a_suite_shows_every_run_under_the_combined_verdict() -> None:
    runs = [fake.result(name="quick"), fake.result(name="medium", passed=False)]
    suite = SuiteResult(
        name="progressive", started="", finished="", runs=runs,
        verdict=Verdict(False, "1 of 2 runs failed: medium"),
    )  # fmt: skip
    async with running(outcome=suite, size=(120, 80)) as (app, pilot, session):  # type: ignore[arg-type]
        session.ended.set()
        await until(lambda: "1 of 2 runs failed: medium" in shown(app), pilot)
        text = shown(app)
        assert "progressive" in text and "✓ PASSED   quick" in text and "✗ FAILED   medium" in text


async def test_the_end_closes_a_dialog_that_steers_but_not_one_that_is_read() -> None:
    async with running() as (app, pilot, session):
        await pilot.press("a")
        await until(lambda: isinstance(app.screen, StopDialog), pilot)
        session.ended.set()
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
    async with running() as (app, pilot, session):
        await pilot.press("enter")
        await pilot.pause()
        session.ended.set()
        await until(lambda: app.verdict_badge is not None, pilot)
        assert "esc closes" in shown(app)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)


async def test_a_result_scrolls_on_a_small_terminal() -> None:
    async with running(size=(80, 24)) as (app, pilot, session):
        session.ended.set()
        await until(lambda: isinstance(app.screen, ResultScreen), pilot)
        await until(lambda: "thresholds" in shown(app), pilot)
        assert "by kind" not in shown(app)
        await pilot.press("pagedown", "pagedown")
        await until(lambda: "token expired" in shown(app), pilot)


async def test_an_empty_result_has_no_invented_figures() -> None:
    from wstui.execution.result import Connections, GeneratorSummary, LatencySet, Messages, Result

    empty = Result(
        scenario={"name": "x"}, started="", finished="", duration_s=0.0, verdict=Verdict(False, "nothing was measured"),
        connections=Connections(), messages=Messages(), latency_ms=LatencySet(), generator=GeneratorSummary(),
    )  # fmt: skip
    async with running(outcome=empty) as (app, pilot, session):
        session.ended.set()
        await until(lambda: "nothing was measured" in shown(app), pilot)
        assert "n/a" in shown(app) and "none set" in shown(app)


# in a real terminal


@contextmanager
def terminal(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The program of `terminal_program` on a pseudo-terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.tui.terminal_program", *arguments],
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"},
    )  # fmt: skip
    os.close(slave)
    try:
        yield process, master
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)


def read_until(master: int, pattern: bytes, timeout_s: float = 20.0) -> bytes:
    """Everything the terminal got, up to a pattern."""
    seen = b""
    end = time.monotonic() + timeout_s
    while not re.search(pattern, seen, re.DOTALL):
        if time.monotonic() > end or not select.select([master], [], [], end - time.monotonic())[0]:
            raise AssertionError(f"{pattern!r} never came: {seen[-3000:]!r}")
        try:
            seen += os.read(master, 65536)
        except OSError:
            raise AssertionError(f"{pattern!r} never came: {seen[-3000:]!r}") from None
    return seen


LEFT = rb"\x1b\[\?1049l.*OUTCOME.*\n"
"""The alternate screen was left before the outcome was told."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_drains_restores_the_terminal_and_keeps_the_results(number: signal.Signals) -> None:
    with terminal() as (process, master):
        read_until(master, b"palette")
        process.send_signal(number)
        seen = read_until(master, LEFT)
        assert b"commands=[('drain',)]" in seen and b"verdict='every threshold was kept'" in seen
        assert process.wait(10) == 0


def test_a_widget_that_fails_restores_the_terminal_and_keeps_the_results() -> None:
    with terminal("broken") as (process, master):
        seen = read_until(master, LEFT)
        assert b"fault='ZeroDivisionError: a widget failed, 11'" in seen
        assert b"verdict='every threshold was kept'" in seen
        assert b"do-not-show" not in seen.replace(b'secret = "do-not-show"', b"")
        process.wait(10)


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
        end = time.monotonic() + 20
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
        assert process.wait(10) == 0


def test_fakes_agree_with_the_pictures() -> None:
    assert replace(fake.status(), rows=()).failures_total == sum(group.count for group in fake.FAILURES)
