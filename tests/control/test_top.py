"""`wstui top`: every run of this machine on a line, live."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.cli.commands import invoke
from tests.control.served import SteeredSession, served
from tests.servers.server import until
from tests.tui.driving import shown
from wstui.control import registry
from wstui.tui.top import NOTHING, TopApp, WatchedRuns, fitted


async def test_runs_come_move_and_go_and_enter_chooses_one() -> None:
    app = TopApp()
    async with app.run_test(size=(160, 10)) as pilot:
        await until(lambda: NOTHING in shown(app))
        run = SteeredSession()
        with served(run) as one, served(SteeredSession()) as other:
            await until(lambda: one.entry.id in shown(app) and other.entry.id in shown(app))
            assert "checkout-soak" in shown(app) and "11 987/12 000 clients" in shown(app)
            run.picture = replace(run.picture, counters=msgspec.structs.replace(run.picture.counters, open=7))
            await until(lambda: "7/12 000 clients" in shown(app))
            await pilot.resize_terminal(70, 10)
            await until(lambda: "11 987" in shown(app) and "…" in shown(app))
            rows = [row.split()[0] for row in shown(app).splitlines()[1:4] if row.strip()]
            assert rows == [other.entry.id, one.entry.id], "a line each"
            newest = other.entry.id
            await pilot.press("enter")
            await until(lambda: app.return_value is not None)
            assert app.return_value == newest
    assert run.senders == []


def test_a_run_that_has_ended_is_no_longer_listed() -> None:
    watched = WatchedRuns()
    with served() as at:
        assert list(watched.lines()) == [at.entry.id]
    assert watched.lines() == {}
    watched.close()


def test_a_run_that_speaks_another_protocol_is_named() -> None:
    with served() as at:
        at.entry.protocol, at.entry.wstui = 2, "9.9\x1b"
        registry.write(at.entry)
        status, out, _ = invoke("top")
        told = "of wstui 9.9\\x1b and speaks protocol 2, this one ("
        assert status == 0 and out.startswith(f"{at.entry.id}  checkout-soak") and f"✗ {told}" in out
        (run,) = json.loads(invoke("top", "--json")[1])
        assert run["run"] == at.entry.id and run["problem"].startswith(told)


def test_without_a_terminal_the_lines_are_printed_once() -> None:
    with served() as at:
        status, out, _ = invoke("top")
        assert status == 0 and out.startswith(f"{at.entry.id}  checkout-soak")
    assert invoke("top") == (0, NOTHING + "\n", "")


def test_the_runs_are_listed_as_json() -> None:
    with served() as at:
        status, out, _ = invoke("top", "--json")
        (run,) = json.loads(out)
        assert status == 0 and run["run"] == at.entry.id and run["counters"]["open"] == 11_987
    assert invoke("top", "--json")[:2] == (0, "[]\n")


async def test_the_runs_of_hosts_stand_beside_those_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(
        '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\n'
        '[ "$2" = nowhere ] && { echo "no route to \033[31mhost" >&2; exit 255; }\nexec sh -c "$3"\n'
    )
    ssh.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    with served(SteeredSession()) as at:
        app = TopApp(("ada@load-1", "nowhere"))
        async with app.run_test(size=(160, 10)) as pilot:
            await until(lambda: "ada@load-1  " + at.entry.id in shown(app) and "✗ no route" in shown(app))
            assert "\x1b" not in shown(app)
            await pilot.press("end", "enter")
            await pilot.pause()
            assert app.is_running
            await pilot.press("up", "enter")
            await until(lambda: app.return_value is not None)
            assert app.return_value == f"ada@load-1:{at.entry.id}"
        status, out, _ = await asyncio.to_thread(invoke, "top", "--host", "load-2")
        assert status == 0 and out.count(at.entry.id) == 2 and "load-2  " in out


def test_a_line_without_room_leaves_out_whole_figures_and_keeps_the_failures() -> None:
    told = "4:12/13:00 hold · 11 987/12 000 clients · out 24 100/s in 24 100/s · p99 118 ms · 9 failed"
    line = f"bmrd  {'checkout':<24}  {told} · ETA 8:48"
    assert fitted(line, 200) == line
    assert fitted(line, 80) == "bmrd  checkout  4:12/13:00 hold · 11 987/12 000 clients · p99 118 ms · 9 failed"
    assert fitted(line, 72) == "bmrd  checkout  4:12/13:00 hold · 11 987/12 000 clients · 9 failed"
    assert fitted(line, 50) == "bmrd  checkout  4:12/13:00 hold · 9 failed"
    host = line + " · ✗ load-2 lost"
    assert fitted(host, 85).endswith(" clients · 9 failed · ✗ load-2 lost")
    longest = f"bmrd  {'x' * 24}  {told}"
    assert fitted(longest, 80).endswith(" hold · p99 118 ms · 9 failed")
