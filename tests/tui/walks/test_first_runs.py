"""A newcomer's first run, a scenario of one's own, and servers that do not carry it."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from tests.servers.server import Connection, Server, until
from tests.tui.walks.conftest import Home
from tests.tui.walks.walk import ALL_KEPT, HELD, STATUS, Walk
from wstui.execution.calibrate.sink.sink import Sink
from wstui.report.store.store import Store


async def leave(at: Walk) -> None:
    """Quit, and look at how it ended."""
    at.press("q")
    await at.until(r"status 0")


async def test_a_newcomer_runs_a_preset_and_reads_what_came_of_it(home: Home, sink: tuple[Sink, str]) -> None:
    home.write("mine", sink[1])
    async with await Walk.begin(home.path) as at:
        assert "first steps" in at.screen()
        await at.choose("mine")
        at.press("Enter")
        await at.until(HELD, ALL_KEPT, "4 clients")
        at.press("Escape")
        await at.until("ended after", "esc Back")
        at.press("Escape")
        await at.until("─presets", "› mine .*[✓▲]", without="first steps")
        await leave(at)
        assert "kept as run 1: wstui runs show 1" in at.screen()
    assert sink[0].open_total >= 4


async def test_the_first_run_without_true_colour_and_in_a_large_window(home: Home, sink: tuple[Sink, str]) -> None:
    home.write("mine", sink[1])
    async with await Walk.begin(home.path, size=(120, 40), colours={"TERM": "xterm-256color"}) as at:
        seen = at.screen(colours=True)
        assert re.search(r"\x1b\[[\d;]*38;5;\d+", seen) and not re.search(r"[34]8[:;]2[:;]", seen)
        await at.choose("mine")
        at.press("Enter")
        await at.until(HELD, ALL_KEPT, "─stages")
        at.press("q")
        await at.until(STATUS)


async def test_a_scenario_of_ones_own_is_written_saved_and_run_twice(home: Home, sink: tuple[Sink, str]) -> None:
    async with await Walk.begin(home.path) as at:
        at.press("n")
        await at.until("A scenario for which server")
        at.press("Enter")  # none is named yet
        await at.until("my-scenario", r"\^s Save")
        at.press("C-u")
        at.type("shop")
        await at.until("shop  ● unsaved")
        at.press("Down", "Down", "C-u")
        at.type(sink[1])
        await at.until(f"→ {sink[1]}")
        at.press("C-s")
        await at.until("Save this scenario as a preset", r"shop\.toml")
        at.press("Enter")
        await until((home.presets / "shop.toml").exists)
        await at.until(r"shop →")
        assert "unsaved" not in at.screen()
        at.press("C-r")
        await at.until("RUNNING", "shop →")
        shorten(home.presets / "shop.toml")
        at.press("a")
        await at.until("Keep running")
        at.press("d")
        await at.until("DRAINED", "ended early by the operator")
        at.press("Escape")
        await at.until("ended after")
        at.press("Escape")
        await at.until("─presets", "› shop .*■ drained")
        at.press("Enter")
        await at.until(HELD, "(both|all) thresholds kept")
        await leave(at)
    with Store(home.store) as store:
        assert [(run.name, run.state) for run in store.runs()] == [("shop", "finished")] * 2


def shorten(path: Path) -> None:
    """Let a preset end soon, whatever else the machine does, as its owner may in an editor of text."""
    text = re.sub(r'over = "\d+s"', 'over = "200ms"', path.read_text())
    text = re.sub(r"(?m)^every = .*", 'every = "50ms"', text).replace("clients = 100", "clients = 4")
    path.write_text(text.replace("< 50ms", "< 50s"))


class Half(Server):
    """Turns every second client away."""

    async def answer(self, client: Connection, key: bytes) -> bool:
        """101 or 503."""
        if client.number % 2 == 0:
            return await super().answer(client, key)
        client.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        return False


async def test_a_server_that_refuses_half_is_named_and_the_way_back_leads_to_the_start(home: Home) -> None:
    async with Half() as server:
        home.write("mine", server.url)
        async with await Walk.begin(home.path) as at:
            await at.choose("mine")
            at.press("Enter")
            await at.until("✗ FAILED", "connected")
            at.press("Escape")
            await at.until("ended after", "503")
            at.press("Escape")
            await at.until("─presets", "› mine .*✗")
            at.press("q")
            await at.until(r"status 1")


async def test_nobody_listening_is_said_with_what_to_do_and_the_way_back_leads_to_the_start(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}/ws"
    home.write("mine", url)
    async with await Walk.begin(home.path) as at:
        await at.choose("mine")
        at.press("Enter")
        await at.until("nothing listens on", "start the server")
        at.press("Escape")
        await at.until("─presets", "› mine ", without="COULD NOT BE CARRIED OUT")
        at.press("q")
        await at.until(r"status 3")
