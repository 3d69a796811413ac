"""A search, a suite, thirty kept runs, two windows on one store, and a window that is shut."""

from __future__ import annotations

from tests.cli.commands import gone
from tests.report.example import good
from tests.report.test_store import record
from tests.servers.server import Server, until
from tests.tui.walks.conftest import Home
from tests.tui.walks.walk import ALL_KEPT, HELD, STATUS, Walk
from wstui.execution.calibrate.sink.sink import Sink
from wstui.report.store.store import Store


async def test_a_search_tells_how_many_hold_and_leads_back(home: Home, sink: tuple[Sink, str]) -> None:
    home.write("find", sink[1])
    async with await Walk.begin(home.path) as at:
        await at.choose("find")
        assert "looks for the most clients that hold, 2 to 4" in at.screen()
        at.press("Enter")
        await at.until("✓ PASSED", "holds 4 clients, the most that was tried", "latency ms against clients")
        at.press("Escape")
        await at.until("ended after", "esc Back")
        at.press("Escape")
        await at.until("─presets", "› find .*✓ passed")
        at.press("q")
        await at.until(r"status 0")


async def test_the_cooldown_of_a_suite_is_skipped_and_both_runs_are_judged(home: Home, sink: tuple[Sink, str]) -> None:
    home.write("mine", sink[1])
    (home.presets / "two.toml").write_text('description = "walk two"\nsuite = ["mine", "mine"]\ncooldown = "10m"\n')
    async with await Walk.begin(home.path) as at:
        await at.choose("two")
        at.press("Enter")
        await at.until("COOLDOWN", r"\] skips", "run 1 of 2")
        at.press("]")
        await at.until("run 2 of 2", "both runs passed")
        at.press("q")
        await at.until(STATUS, "kept as runs? 1")
    with Store(home.store) as store:
        assert [run.state for run in store.runs()] == ["finished"] * 2


async def test_among_thirty_runs_two_are_compared_and_one_is_deleted(home: Home) -> None:
    home.store.parent.mkdir(parents=True)
    record(home.store, *(good("checkout" if number % 3 else "soak", seed=number) for number in range(30)))
    async with await Walk.begin(home.path) as at:
        at.press("h")
        await at.until("run history", r"›.* 30 ", "checkout", "soak")
        at.press("/")
        await at.until("Show runs that contain")
        at.type("soak")
        await at.until("10 shown")
        at.press("Enter")
        await at.until(r"›.* 28 .*soak", without="Show runs")
        assert "checkout" not in at.screen()
        at.press("Space", "Down", "Space")
        await at.until(r" B +28 ", r"›.* A +25 ")
        at.press("c")
        await at.until("B against A", r"p99 ms +\d")
        at.press("Down")
        await at.until(r"›.* 22 ")
        at.press("DC")
        await at.until("Delete this run", "Run 22")
        at.press("y")
        await at.until(r"›.* 19 ", without=" 22 1")
        at.press("Escape")
        await at.until(r"›.* 19 ", "checkout", r" A +25 ")
        at.press("Escape")
        await at.until("space marks two runs")
        at.press("Escape")
        await at.until("─presets", without="run history")
        at.press("q")
        await at.until(r"status 0")
    with Store(home.store) as store:
        assert sorted(run.id for run in store.runs()) == [number for number in range(1, 31) if number != 22]


async def test_two_windows_on_one_store_see_and_keep_each_others_runs(home: Home, sink: tuple[Sink, str]) -> None:
    home.write("mine", sink[1])
    home.write("long", sink[1])
    async with await Walk.begin(home.path) as one, await Walk.begin(home.path) as other:
        await one.choose("long")
        one.press("Enter")
        await one.until("RUNNING", "4 / 4")
        await other.choose("mine")
        other.press("Enter")
        await other.until(HELD, ALL_KEPT)
        other.press("h")
        await other.until(r"mine .*(passed|limited)", r"long .*running")
        one.press("a")
        await one.until("Keep running")
        one.press("d")
        await one.until("DRAINED", "ended early by the operator")
        await other.until(r"long .*drained", without="running")
        other.press("q")
        one.press("q")
        await one.until(r"status 130")
    with Store(home.store) as store:
        assert {run.name: run.state for run in store.runs()} == {"mine": "finished", "long": "finished"}


async def test_a_shut_window_closes_every_client_properly_and_keeps_the_run(home: Home) -> None:
    async with Server() as server:
        home.write("long", server.url)
        async with await Walk.begin(home.path) as at:
            await at.choose("long")
            at.press("Enter")
            await at.until("RUNNING", "4 / 4")
            await until(lambda: server.messages["ping"] > 4)
            processes = at.processes()
            at.close()
            await until(lambda: gone(processes))
        assert server.ends.keys() == {"close 1000"} and not server.live
    with Store(home.store) as store:
        (run,) = store.runs()
        assert (run.name, run.state) == ("long", "finished")
        assert run.summary.verdict.aborted and run.summary.messages.received > 4
