"""What was measured survives a full disk, a store that fails and `kill -9`; what is said of it afterwards is true."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import select
import shlex
import signal
import sys
import time
from pathlib import Path

import msgspec
import pytest

from tests.cli.commands import call, invoke, start
from tests.execution.running import scenario
from tests.odin.target import SECRET, serving, url
from tests.report.disk import small_disk
from tests.servers.server import Server, until
from wstui.cli.kept_suite import KeptSuite
from wstui.cli.options import RunOptions
from wstui.cli.tui_services import launcher
from wstui.execution.run.result import Result
from wstui.report.store.store import Store

LOAD = (
    "--clients",
    "10",
    "--ramp",
    "200ms",
    "--every",
    "100ms",
    "--health",
    "off",
    "--no-probe",
    "--no-thresholds",
    "--allow-limited",
)


async def run(url: str, folder: Path, *arguments: str) -> tuple[int, str, str]:
    """`wstui run` for a moment, in a folder of its own."""
    given = ("run", "quick", "--url", url, *LOAD, "--hold", "2s", *arguments)
    return await asyncio.to_thread(call, *given, environ={"HOME": str(folder), "TMPDIR": str(folder)}, cwd=folder)


async def test_on_a_full_disk_the_result_is_saved_elsewhere_and_no_file_is_claimed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with small_disk(tmp_path / "disk", "64k") as disk:
        async with Server() as server:
            disk.fill()
            places = ("--store", str(disk.path / "runs.db"), "--html", str(disk.path / "report.html"))
            status, out, err = await run(server.url, elsewhere, *places)
    assert status == 2 and "Traceback" not in err
    assert "html report" not in out and "the html report was not written" in err
    assert "the disk is full; make room" in err and "kept as run" not in out
    (saved,) = elsewhere.glob("wstui-quick-*.json")
    assert str(saved) in err
    result = msgspec.json.decode(saved.read_bytes(), type=Result)
    assert result.connections.ready == 10


async def test_a_run_that_the_terminal_ui_began_is_saved_elsewhere_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    note = tmp_path / "runs.db"
    note.write_bytes(b"no database at all, just text" * 100)
    troubles: list[str] = []
    async with Server() as server:
        suite = KeptSuite(RunOptions(store_path=str(note)), troubles, [scenario(server.url, hold=0.3)])
        result = await asyncio.to_thread(suite.execute)
    (saved,) = tmp_path.glob("wstui-test-*.json")
    assert msgspec.json.decode(saved.read_bytes(), type=Result) == result
    assert len(troubles) == 2 and "is not a run store" in troubles[0] and str(saved) in troubles[1]


def test_two_outputs_with_one_name_are_refused_before_the_run(tmp_path: Path) -> None:
    same, link = tmp_path / "out.txt", tmp_path / "link.txt"
    link.symlink_to(same)
    for flags in (("--json", str(same), "--csv", str(link)), ("--html", str(same), "--events", str(same))):
        status, _, err = invoke("run", "quick", "--url", "ws://127.0.0.1:1/ws", "--no-store", *flags)
        assert status == 2
        assert f"{flags[0]} and {flags[2]} both name {flags[3]}: give each a file of its own" in err
    assert not same.exists()


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="needs a pipe that holds little")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_a_signal_does_not_lose_the_results_that_are_being_written(tmp_path: Path, number: int) -> None:
    pipe = tmp_path / "result.json"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    async with Server() as server:
        given = ("run", "quick", "--url", server.url, *LOAD, "--hold", "1s", "--no-store", "-q", "--json", str(pipe))
        process = start(*given, environ={"AUTH_TOKEN": "a.b.c"})
        written = await asyncio.to_thread(read_some, reader)
        process.send_signal(number)
        assert process.stderr is not None
        assert await asyncio.to_thread(process.stderr.readline) == "\n"
        assert "its results are being written" in await asyncio.to_thread(process.stderr.readline)
        while part := await asyncio.to_thread(read_some, reader):
            written += part
        await asyncio.to_thread(process.communicate)
    os.close(reader)
    assert process.returncode == 0
    assert msgspec.json.decode(written, type=Result).connections.ready == 10


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs SIGHUP")
async def test_a_run_that_was_told_to_survive_its_terminal_does(tmp_path: Path) -> None:
    async with Server() as server:
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", "trap '' HUP; exec \"$@\"", "nohup", sys.executable, "-m", "wstui", "run", "quick"),
            *("--url", server.url, *LOAD, "--hold", "2s", "--no-store", "-q", "--json", str(tmp_path / "result.json")),
            stderr=asyncio.subprocess.PIPE,
        )
        await until(lambda: len(server.live) == 10)
        process.send_signal(signal.SIGHUP)
        _, said = await process.communicate()
    assert (process.returncode, b"draining" in said) == (0, False), said
    assert not msgspec.json.decode((tmp_path / "result.json").read_bytes(), type=Result).verdict.aborted


def read_some(pipe: int) -> bytes:
    """What is in a pipe, as soon as there is something; nothing at its end."""
    select.select([pipe], [], [])
    return os.read(pipe, 4096)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
async def test_after_kill_nine_of_everything_the_run_is_there_up_to_its_last_second(tmp_path: Path) -> None:
    path, events = tmp_path / "runs.db", tmp_path / "events.jsonl"
    async with Server() as server:
        process = start(
            *("run", "quick", "--url", server.url, *LOAD, "--hold", "60s"),
            *("--store", str(path), "--events", str(events), "-q"),
            new_session=True,
        )
        try:
            rows: list[dict[str, object]] = []
            deadline = time.monotonic() + 90
            while len(rows) < 3:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
                lines = events.read_text().splitlines() if events.exists() else []
                rows = [line for line in map(json.loads, lines) if line["event"] == "row"]
            with Store(path) as store:
                while len(store.result(1).timeline) < len(rows):
                    assert time.monotonic() < deadline, "what was streamed is in the store as well"
                    await asyncio.sleep(0.05)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    with Store(path) as store:
        assert store.run(1).state == "interrupted"
        result = store.result(1)
    assert result.timeline[-1]["at_s"] >= rows[-1]["at_s"] and len(result.timeline) >= len(rows)
    assert result.connections.ready == 10 and result.messages.sent > 100
    assert {"response", "connect", "response@hold"} <= set(result.histograms)
    assert result.stages[-1].latency_ms.response.count > 50
    assert invoke("runs", "--store", str(path), "show", "last")[1].count("interrupted: wstui ended before the run did")


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
async def test_a_signal_to_the_whole_process_group_drains(tmp_path: Path, number: signal.Signals) -> None:
    events, result = tmp_path / "events.jsonl", tmp_path / "result.json"
    files = ("--events", str(events), "--json", str(result), "--store", str(tmp_path / "runs.db"))
    async with Server() as server:
        given = ("run", "quick", "--url", server.url, *LOAD, "--hold", "60s", *files, "-q")
        process = start(*given, new_session=True)
        try:
            await until(lambda: events.exists() and '"row"' in events.read_text())
            os.killpg(process.pid, number)
            _, said = await asyncio.to_thread(process.communicate)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        ends = dict(server.ends)
    found = msgspec.json.decode(result.read_bytes(), type=Result)
    assert process.returncode == 130 and ends == {"close 1000": 10}, said
    seen = found.messages
    assert seen.received == seen.sent + 10 > 10 and not seen.timed_out, "a welcome each, and all replies"
    assert found.generator.workers_lost == 0, said


async def test_a_run_that_the_terminal_ui_began_tells_how_it_is_shown_again(tmp_path: Path) -> None:
    store = tmp_path / "my runs.db"
    troubles: list[str] = []
    begun: list[KeptSuite] = []
    async with Server() as server:
        made = launcher(RunOptions(store_path=str(store)), troubles, begun)
        session = made.launch([scenario(server.url, hold=0.3)], "test", 0.0, True)
        result = await asyncio.to_thread(session.execute)
    (launched,) = begun
    assert launched.result is result and not troubles
    kept_as, _, command = launched.kept.partition(": ")
    assert (kept_as, command) == ("kept as run 1", f"wstui runs --store '{store}' show 1")
    assert made.runs is not None and made.runs.command(1) == command
    status, out, _ = await asyncio.to_thread(invoke, *shlex.split(command)[1:])
    assert status == 0 and "Run 1" in out


FLOOD = """
name = "flood"
thresholds = [{metric = "connections.rate_limited", limit = ">= 1"}]

[target]
url = "${WS_URL}"
ready = "welcome"
health = "auto"
health_every = "1s"

[auth]
kind = "mix"
secret = "${JWT_SECRET}"
mix = {good = 3, expired = 1, forged = 0, missing = 0, wrong_algorithm = 0}

[messages]
exchange = "odin"
every = "200ms"
timeout = "5s"
subscribe = ["BTC", "ETH"]
slow_readers = "50%"

[[stages]]
name = "ramp"
over = "1s"
clients = 40

[[stages]]
name = "hold"
over = "120s"
"""


def has_every_section(seen: Result) -> bool:
    return bool(
        seen.connections.rate_limited
        and seen.auth
        and seen.subscriptions
        and seen.subscriptions.acknowledged
        and seen.slow_readers
        and seen.target
        and seen.generator.cpu
        and seen.stages[-1].name == "hold"
    )


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
async def test_a_flood_after_kill_nine_keeps_every_section_of_its_result(tmp_path: Path) -> None:
    path, preset = tmp_path / "runs.db", tmp_path / "flood.toml"
    preset.write_text(FLOOD)
    async with serving(connect_rate=10.0) as server:
        given = ("run", str(preset), "--store", str(path), "--no-probe", "-q")
        process = start(*given, environ={"WS_URL": url(server), "JWT_SECRET": SECRET}, new_session=True)
        try:
            await until(path.exists)
            with Store(path) as store:
                await until(lambda: store.runs() and has_every_section(store.result(1)))
                before = store.result(1)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            _, said = await asyncio.to_thread(process.communicate)
    status, out, _ = await asyncio.to_thread(invoke, "runs", "--store", str(path), "show", "last", "--json")
    after = msgspec.json.decode(out, type=Result)
    assert status == 0 and has_every_section(after), said
    assert after.connections.rate_limited >= before.connections.rate_limited
    seen = after.connections
    decided = seen.ready + seen.refused + seen.timed_out + seen.failed
    assert seen.success_rate == pytest.approx(seen.ready / decided), (
        "what was under way has neither succeeded nor failed"
    )
    assert {row.kind: row.attempted >= row.ready + row.refused for row in after.auth} == {"good": True, "expired": True}
    assert [failure.kind for failure in after.failures if "429" in failure.kind]
    status, out, _ = await asyncio.to_thread(invoke, "runs", "--store", str(path), "show", "last")
    assert status == 0 and "interrupted: wstui ended before the run did" in out
    for words in ("429", "acknowledged", "Slow readers", "expired", "Target, by its own account", "Generator"):
        assert words in out, words
