"""`wstui ctl` on real runs, as scripts use it: each command has its answer, its mark and its exit status."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import Popen

from click.testing import CliRunner

import wstui
from tests.cli.commands import call, start
from tests.control.served import SteeredSession, served
from tests.servers.server import Server, until
from tests.tui import fake
from wstui.cli import wstui as command_line
from wstui.control import registry
from wstui.control.remote_run import attach
from wstui.execution.run.commands import PauseRun

LOAD = ("--clients", "10", "--ramp", "100ms", "--hold", "100s", "--every", "100ms", "--health", "off", "--no-probe")


@asynccontextmanager
async def headless(server: Server, *options: str) -> AsyncIterator[tuple[Popen[str], registry.Entry]]:
    """A run in another process, which has its clients."""
    process = start("run", "quick", "--url", server.url, *LOAD, "--no-thresholds", "--allow-limited", *options)
    try:
        await until(lambda: len(server.live) == 10)
        (entry,) = [entry for entry in registry.entries() if entry.pid == process.pid]
        yield process, entry
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


async def ctl(*arguments: str) -> tuple[int, str, str]:
    """`wstui ctl ARGUMENTS` in this process, which is quicker: exit status, stdout, stderr."""
    done = await asyncio.to_thread(CliRunner().invoke, command_line, ["ctl", *arguments])
    return done.exit_code, done.stdout, done.stderr


async def test_a_run_is_steered_by_scripts_and_tells_who_did_it(tmp_path: Path) -> None:
    store = str(tmp_path / "runs.db")
    async with (
        Server() as server,
        headless(server, "--store", store, "--json", str(tmp_path / "r.json")) as (run, entry),
    ):
        status, out, _ = await asyncio.to_thread(call, "runs", "--store", store, "list")
        assert status == 0 and "attach to" in out and entry.id in out
        _, out, _ = await asyncio.to_thread(call, "runs", "--store", store, "list", "--json")
        assert json.loads(out)[0]["control"] == {"id": entry.id, "socket": entry.socket}
        both = await asyncio.gather(
            asyncio.to_thread(call, "ctl", entry.id, "ramp", "20", "--over", "100ms"),
            asyncio.to_thread(call, "ctl", "pause", "--name", "ci"),
        )
        assert [status for status, _, _ in both] == [0, 0]
        assert "10 → 20 clients over 100 ms" in both[0][1] and "paused: " in both[1][1]
        assert await ctl("last", "pause") == (1, "", "wstui: the run is paused already\n")
        assert (await ctl("quick", "resume"))[0] == 0
        assert (await ctl("1", "note", "--name", "deploy", "3 → 6 \x1b[31mpods"))[1] == "noted: 3 → 6 \\x1b[31mpods\n"
        status, out, _ = await ctl("wait", "--until", "messages.sent_per_second > 10/s", "--timeout", "60s")
        assert status == 0 and out.startswith("messages.sent_per_second is ")
        held = json.loads((await ctl("wait", "--until", "messages.sent_per_second > 1/s", "--json"))[1])
        assert held["until"] == "messages.sent_per_second > 1/s" and held["value"] > 1 and held["unit"] == "/s"
        status, out, err = await ctl("wait", "--until", "response.p99 > 100s", "--timeout", "100ms")
        assert (status, out) == (124, "") and "response.p99 > 100s" in err
        document = json.loads((await ctl("status", "--json"))[1])
        assert document["run"] == entry.id and document["counters"]["open"] >= 10
        assert "clients" in (await ctl("status"))[1]
        assert (await ctl("drain"))[0] == 0
        await until(lambda: run.poll() is not None)
        assert (await ctl("pause"))[0] == 2
    events = [(event["kind"], event["text"]) for event in json.loads((tmp_path / "r.json").read_text())["events"]]
    told = "\n".join(text for _, text in events)
    assert "(ctl, pid " in told and "(ci, pid " in told
    assert any(
        kind == "note" and text.startswith("3 → 6 \\x1b[31mpods (") and "(deploy, pid" in text for kind, text in events
    )
    assert any(kind == "operator" and text.startswith("ended early by ") for kind, text in events)


async def test_who_waits_for_the_end_gets_the_status_of_the_run() -> None:
    said = []
    for words in ((), ("--json",)):  # one after the other: both would write to the same standard output
        with served(run := SteeredSession(None, fake.result(passed=False))) as at:
            waiting = asyncio.create_task(ctl("wait", *words))
            await until(lambda at=at: len(at.clients) == 1)
            run.ended.set()
            run.execute()
            said.append(await waiting)
    why = "response.p99 was 312 ms, the limit is < 250 ms"
    plain, as_json = said
    assert plain == (1, f"{why}\n", "") and json.loads(as_json[1]) == {"passed": False, "reason": why}
    with served(run := SteeredSession()) as at:
        ending = asyncio.create_task(ctl("wait", "--until", "connections.dropped > 1000000"))
        await until(lambda: bool(at.clients))
        run.ended.set()
        run.execute()
        assert await ending == (1, "", "wstui: the run ended before connections.dropped > 1000000\n")


async def test_what_is_wrong_with_a_command_is_said_before_it_is_sent() -> None:
    async with Server() as server, headless(server, "--no-store") as (_, entry):
        for arguments, told in (
            (("ramp", "many"), "'many' is not a whole number"),
            (("pace", "5 parsecs"), "5 parsecs"),
            (("wait", "--until", "response.p98x > 1ms"), "is not a metric"),
            (("zzzz", "pause"), f"there is {entry.id} (quick)"),
            ((entry.id,), "Say what to do: pause, resume"),
        ):
            status, _, err = await ctl(*arguments)
            assert status == 2 and told in err, err


async def test_a_run_that_is_killed_is_a_lost_connection() -> None:
    async with Server() as server, headless(server, "--no-store") as (run, entry):
        one = await asyncio.to_thread(attach, "", "ci")
        run.send_signal(signal.SIGKILL)
        assert not await asyncio.to_thread(one.await_status, lambda _: False, 60.0)
        assert one.lost == f"the connection to run {entry.id} is lost: the process that runs it has gone"
        answer = one.send(PauseRun()).result(30)
        assert (answer.done, answer.text) == (False, one.lost)


async def test_without_control_there_is_no_socket() -> None:
    async with Server() as server:
        process = start("run", "quick", "--url", server.url, *LOAD, "--no-store", "--no-control")
        await until(lambda: len(server.live) == 10)
        assert all(entry.pid != process.pid for entry in registry.entries())
        process.terminate()
        await asyncio.to_thread(process.communicate)


async def test_a_program_steers_and_waits_with_and_without_a_loop() -> None:
    async with Server() as server, headless(server, "--no-store") as (_, entry):

        def steer() -> list[str]:
            with wstui.attach(entry.id, name="notebook") as run:
                told = [run.pause(), run.resume(), run.ramp(12, over="100ms"), run.pace(0.05), run.note("half way")]
                assert run.wait("messages.sent_per_second > 1/s", timeout="60s") and run.status.counters.open >= 10
                return told

        assert len(await asyncio.to_thread(steer)) == 5
        async with wstui.attach(entry.id) as run:
            assert "paused" in await run.pause()
            try:
                await run.pause()
            except Exception as error:
                assert str(error) == "the run is paused already"
            assert not await run.wait("response.p99 > 100s", timeout=0.1)
            await run.drain()
            result = await run.result()
            assert result.verdict.aborted
