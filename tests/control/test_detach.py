"""Runs that go on without a terminal: detached from by a key, or begun so."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from pathlib import Path

import psutil
import pytest

from tests.cli.commands import call, gone
from tests.control.test_attach import WSTUI
from tests.control.test_ctl import LOAD
from tests.servers.server import Server, until
from tests.terminal import TmuxWindow
from tests.tui.real_run import CLIENTS, real_run
from wstui.control import registry
from wstui.report.store.store import Store


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
async def test_a_run_is_left_its_terminal_closed_and_it_is_attached_to_again(tmp_path: Path) -> None:
    store = tmp_path / "runs.db"
    async with Server() as server:
        options = f"{' '.join(LOAD)} --store {store} --json {tmp_path / 'r.json'}"
        async with TmuxWindow(120, 40, f"{WSTUI} quick --url {server.url} {options}; echo status $?; sleep 99") as one:
            await one.until("10 / 10")
            one.press("C-d")
            await one.until("status 0")
            (entry,) = registry.entries()
            assert f"detached: the run goes on; wstui attach {entry.id}" in one.screen()
        process = psutil.Process(entry.pid)
        assert process.terminal() is None and len(server.live) == 10
        with Store(store) as opened:
            assert opened.run(1).state == "running"
        async with TmuxWindow(120, 40, f"{WSTUI} attach; echo status $?; sleep 99") as again:
            await again.until("⇄ ATTACHED")
            again.press("C-d")
            await again.until("detached: the run goes on")
        assert (await asyncio.to_thread(call, "ctl", "drain"))[0] == 0
        await until(lambda: gone([process]))
        assert server.ends == {"close 1000": 10}
    with Store(store) as opened:
        assert opened.run(1).state == "finished"
    assert (tmp_path / "r.json").exists()


async def test_a_signal_drains_a_run_that_was_left(tmp_path: Path) -> None:
    async with Server() as server, real_run(server, tmp_path) as at:
        at.press("\x04")
        await until(lambda: at.process.poll() is not None)
        assert at.process.returncode == 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(tmp_path))
            (entry,) = registry.entries()
        assert len(server.live) == CLIENTS
        os.kill(entry.pid, signal.SIGTERM)
        await until(lambda: server.ends["close 1000"] == CLIENTS)
    with Store(tmp_path / "runs.db") as store:
        await until(lambda: store.run(1).state == "finished")


async def test_without_a_control_socket_a_run_is_not_left_alone(tmp_path: Path) -> None:
    async with Server() as server, real_run(server, tmp_path, "--no-control") as at:
        at.press("\x04")
        await at.shows(rb"without a control socket")
        assert at.process.poll() is None


async def test_the_screen_ends_in_order_when_what_the_shell_waits_for_is_killed(tmp_path: Path) -> None:
    async with Server() as server, real_run(server, tmp_path) as at:
        (screen,) = psutil.Process(at.process.pid).children()
        at.process.kill()
        await until(lambda: server.ends["close 1000"] == CLIENTS and gone([screen]))


async def test_a_run_begins_without_a_terminal(tmp_path: Path) -> None:
    async with Server() as server:
        given = ("run", "quick", "--url", server.url, *LOAD, "--no-thresholds", "--no-store", "--detach")
        status, out, _ = await asyncio.to_thread(call, *given)
        (entry,) = registry.entries()
        assert status == 0 and f"wstui attach {entry.id}" in out
        process = psutil.Process(entry.pid)
        assert os.getsid(entry.pid) == entry.pid and process.is_running()
        await until(lambda: len(server.live) == 10)
        assert (await asyncio.to_thread(call, "ctl", entry.id, "drain"))[0] == 0
        await until(lambda: gone([process]))
        log = re.search(r"its output: (\S+)", out)
        assert log is not None and "ended early by" in Path(log[1]).read_text()


async def test_a_run_that_cannot_begin_says_why_and_has_its_status(tmp_path: Path) -> None:
    status, out, err = await asyncio.to_thread(
        call, "run", "quick", "--url", "ws://127.0.0.1:9/ws", "--detach", "--no-store"
    )
    assert status == 3 and out == "" and "127.0.0.1" in err
    status, _, err = await asyncio.to_thread(call, "run", "quick", "--detach", "--no-control")
    assert status == 2 and "you could not attach to the run again" in err
