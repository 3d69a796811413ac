"""All runs of this machine and of hosts, a line each, live; enter chooses one."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Sequence
from typing import ClassVar

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from wstui.control.control_messages import PROTOCOL
from wstui.control.link import ConnectionLost, Link, local, speaks, ssh
from wstui.control.registry import Entry, entries
from wstui.control.remote_run import RemoteRun
from wstui.measure.sanitize import sanitize
from wstui.report.live.progress_line import live_line
from wstui.report.model.cell_text import width_of
from wstui.scenario.presets import own_folder
from wstui.tui.bindings import key
from wstui.tui.kit.key_row import KeyRow
from wstui.tui.kit.title_bar import TitleBar
from wstui.tui.services import utc_now
from wstui.tui.settings import read_settings
from wstui.tui.theme import ThemedApp, usual_theme

LOOK_S = 1.0
AGAIN_S = 10.0
"""How long after its end a host is asked again."""
_LONGEST = 1 << 20
NOTHING = "no run is going on; wstui run PRESET starts one"


_WORTH = (r"\d.* failed$", r"\d.* clients$", r"[✗▲]", "p99 ", "(?!ETA |out )", "ETA ")
"""The parts of a line by how they begin, the most important first: where there is too little room, the last ones go."""


def fitted(line: str, width: int) -> str:
    """Return the line of a run without what it can spare where it has no room, rather than cut within a figure."""
    if width_of(line) > width:
        line = re.sub(" {3,}", "  ", line)
    head, *parts = line.split(" · ")
    kept: set[int] = set()
    for index in sorted(range(len(parts)), key=lambda index: (_worth(parts[index]), index)):
        if width_of(_joined(head, parts, kept | {index})) <= width:
            kept.add(index)
    return _joined(head, parts, kept)


def _joined(head: str, parts: Sequence[str], kept: set[int]) -> str:
    return " · ".join([head, *(parts[index] for index in sorted(kept))])


def _worth(part: str) -> int:
    return next((rank for rank, begin in enumerate(_WORTH) if re.match(begin, part)), len(_WORTH))


class HostRuns:
    """The runs of another machine, whose own `wstui top --stream` tells of them; asked again when it has ended."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.lines: dict[str, str] = {}
        self.problem = ""
        self.heard = threading.Event()
        self._link: Link | None = None
        self._closed = threading.Event()
        threading.Thread(target=self._follow, name=f"wstui-top-{host}", daemon=True).start()

    def _follow(self) -> None:
        while not self._closed.is_set():
            try:
                self._link = link = ssh(self.host, "wstui top --stream", "-oBatchMode=yes")
                while received := link.reader.readline(_LONGEST):
                    told = msgspec.json.decode(received, type=dict[str, str])
                    self.lines = {sanitize(id, 40): sanitize(line, 300) for id, line in told.items()}
                    self.problem = ""
                    self.heard.set()
                self.problem = link.close() or "the connection has ended"
            except (ConnectionLost, OSError, ValueError) as error:
                self.problem = sanitize(str(error), 200)
            self.lines = {}
            self.heard.set()
            self._closed.wait(AGAIN_S)

    def close(self) -> None:
        self._closed.set()
        if self._link is not None:
            self._link.close()


def other_version(entry: Entry) -> str:
    """Return what a run speaks that this version does not, or ""."""
    return "" if entry.protocol == PROTOCOL else sanitize(speaks(entry.wstui, entry.protocol), 200)


class WatchedRuns:
    """The runs that can be steered, each watched through a connection of its own. Blocks: for a thread."""

    def __init__(self, hosts: Sequence[str] = ()) -> None:
        self._runs: dict[str, RemoteRun] = {}
        self.hosts = [HostRuns(host) for host in hosts]

    def all_lines(self) -> dict[str, str]:
        """Return a line for each run, by what attaches to it; of a host that can't be asked, why."""
        found = self.lines()
        for host in self.hosts:
            found |= {f"{host.host}:{id}": f"{sanitize(host.host, 24)}  {line}" for id, line in host.lines.items()}
            if host.problem:
                found[f"{host.host}:"] = f"{sanitize(host.host, 24)}  ✗ {host.problem}"
        return found

    def lines(self) -> dict[str, str]:
        there = {entry.id: entry for entry in entries()}
        for gone in [id for id, run in self._runs.items() if id not in there or run.ended]:
            self._runs.pop(gone).close()
        found = {}
        for id, entry in there.items():
            if told := other_version(entry):
                told = f"✗ {told}"
            elif id not in self._runs:
                try:
                    self._runs[id] = RemoteRun(local(entry), "top", read_only=True)
                except ConnectionLost:
                    continue  # it has ended
            found[id] = f"{id}  {sanitize(entry.name, 24):<24}  {told or sanitize(live_line(self._runs[id].status))}"
        return found

    def close(self) -> None:
        for run in self._runs.values():
            run.close()
        for host in self.hosts:
            host.close()


class RunLines(OptionList):
    BINDINGS: ClassVar[list[BindingType]] = [
        key("enter", "select", "Attach", "top.attach", "Open the dashboard of this run", shown=True),
        key("down,j", "cursor_down", "Down", "top.down", "The next run"),
        key("up,k", "cursor_up", "Up", "top.up", "The run before"),
    ]


class TopApp(ThemedApp[str]):
    """Shows the list; its outcome is the id of the run that was chosen."""

    CSS = """
    Screen { background: $background; }
    #about { padding: 0 1; color: $text-muted; }
    RunLines { height: 1fr; border: none; background: $background; padding: 0 1; }
    RunLines { text-wrap: nowrap; text-overflow: ellipsis; }
    RunLines:focus { background-tint: $foreground 0%; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        key("q,escape,ctrl+c", "quit", "Quit", "top.quit", "Quit", shown=True, display="q")
    ]

    def __init__(self, hosts: Sequence[str] = ()) -> None:
        super().__init__()
        own = read_settings(own_folder().with_name("config.toml"), (), self.available_themes)
        self.theme = own.theme or usual_theme()
        self._watched = WatchedRuns(hosts)

    def compose(self) -> ComposeResult:
        yield TitleBar(utc_now, "running now")
        yield Static(NOTHING, id="about")
        yield RunLines()
        yield KeyRow()

    async def on_mount(self) -> None:
        await self.look()
        self.set_interval(LOOK_S, self.look)

    async def look(self) -> None:
        """Show the runs as they are now."""
        lines = await asyncio.to_thread(self._watched.all_lines)
        rows = self.query_one(RunLines)
        lines = {id: fitted(line, self.size.width - 2) for id, line in lines.items()}
        if [option.id for option in rows.options] == list(lines):
            for index, line in enumerate(lines.values()):
                rows.replace_option_prompt_at_index(index, Content(line))
            return
        rows.clear_options()
        rows.add_options(Option(Content(line), id=id) for id, line in lines.items())
        if lines:
            rows.highlighted = 0
        self.query_one("#about").display = not lines

    @on(OptionList.OptionSelected)
    def _choose(self, chosen: OptionList.OptionSelected) -> None:
        if chosen.option_id and not chosen.option_id.endswith(":"):
            self.exit(chosen.option_id)

    def on_unmount(self) -> None:
        self._watched.close()
