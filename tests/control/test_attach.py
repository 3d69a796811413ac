"""`wstui attach`: the dashboard of a run that goes on elsewhere, in true terminals and in this process."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.cli.commands import call
from tests.control.served import SteeredSession, served
from tests.control.test_ctl import headless
from tests.servers.server import Server
from tests.servers.server import until as come
from tests.terminal import TmuxWindow
from tests.tui import fake
from tests.tui.driving import shown, until
from wstui.control.link import ConnectionLost
from wstui.control.remote_run import attach
from wstui.tui.app import WstuiApp

WSTUI = f"{sys.executable} -m wstui"


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
async def test_two_attach_one_is_killed_and_one_leaves_and_the_run_goes_on() -> None:
    async with (
        Server() as server,
        headless(server, "--no-store") as (run, entry),
        TmuxWindow(200, 50, f"{WSTUI} attach {entry.id}; echo status $?") as one,
        TmuxWindow(200, 50, f"{WSTUI} attach {entry.id} --read-only; echo status $?") as guest,
    ):
        await one.until("▶ RUNNING  ⇄ ATTACHED  quick")
        await guest.until("▶ RUNNING  ⇄ READ-ONLY  quick")
        assert "Pause" in one.screen() and "Pause" not in guest.screen()
        guest.press("Space")
        one.press("+")
        assert (await asyncio.to_thread(call, "ctl", "pause", "--name", "script"))[0] == 0
        for at in (one, guest):
            await at.until("‖ PAUSED")
            await at.until(r"‖ paused by \w+ \(script, pid \d+")
        await guest.until(r"\+ \w+ \(attach, pid \d+\): 10")
        (attached,) = [p for p in one.processes() if "attach" in p.cmdline()]
        attached.kill()
        await one.until("status 137")
        one.close()
        guest.press("q")
        await guest.until(f"detached: the run goes on; wstui attach {entry.id}")
        await guest.until("status 0")
        assert run.poll() is None and (await asyncio.to_thread(call, "ctl", "resume"))[0] == 0
        await come(lambda: len(server.live) == 11)


async def test_a_key_steers_and_closing_ends_nothing() -> None:
    run = SteeredSession()
    with served(run):
        remote = await asyncio.to_thread(attach, "", "wstui attach")
        app = WstuiApp(remote, clock=lambda: fake.NOW)
        async with app.run_test(size=(120, 40)) as pilot:
            await until(lambda: "⇄ ATTACHED" in shown(app), pilot)
            await pilot.press("space")
            await until(lambda: "‖ PAUSED" in shown(app) and "paused: " in shown(app), pilot)
            await pilot.press("q")
        assert run.commands == [("pause",)] and not run.ended.is_set()
        remote.close()


async def test_nothing_can_be_steered_by_who_only_watches() -> None:
    run = SteeredSession()
    with served(run):
        remote = await asyncio.to_thread(lambda: attach("", "guest", read_only=True))
        app = WstuiApp(remote, clock=lambda: fake.NOW)
        async with app.run_test(size=(120, 40)) as pilot:
            await until(lambda: "⇄ READ-ONLY" in shown(app), pilot)
            await pilot.press("space", "plus", "t", "a", "p", "right_square_bracket", "R")
            await pilot.pause()
            assert len(app.screen_stack) == 2 and "Pause" not in shown(app)
            app.signalled(15)
            await until(lambda: not app.is_running, pilot)
        assert run.senders == []
        remote.close()


async def test_a_run_that_ends_shows_its_result_and_one_that_is_lost_says_so() -> None:
    run = SteeredSession()
    with served(run):
        remote = await asyncio.to_thread(attach, "", "wstui attach")
        app = WstuiApp(remote, clock=lambda: fake.NOW)
        async with app.run_test(size=(120, 40)) as pilot:
            run.ended.set()
            run.execute()
            await until(lambda: "every threshold was kept" in shown(app), pilot)
    with served() as at:
        remote = await asyncio.to_thread(attach, "", "wstui attach")
        app = WstuiApp(remote, clock=lambda: fake.NOW)
        async with app.run_test(size=(120, 40)) as pilot:
            for client in list(at.clients):
                at.loop.call_soon_threadsafe(client.cancel)
            await until(lambda: "the connection to run" in shown(app), pilot)


async def test_another_machine_is_reached_through_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\necho "$2" >> "$0.log"\nexec sh -c "$3"\n')
    ssh.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    run = SteeredSession()
    with served(run) as at:
        remote = await asyncio.to_thread(attach, f"ada@load-1:{at.entry.id}", "wstui attach")
        assert remote.name == "checkout-soak" and remote.status.state == "running"
        remote.close()
        with pytest.raises(ConnectionLost, match=f"no run 'zzzz' is going on: there is {at.entry.id}"):
            await asyncio.to_thread(attach, "load-1:zzzz", "wstui attach")
    assert (tmp_path / "ssh.log").read_text() == "ada@load-1\nload-1\n"
