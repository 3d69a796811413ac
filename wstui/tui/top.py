"""All runs of this machine, a line each, live; enter chooses one."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import on
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from wstui.control.client import ConnectionLost, RemoteRun, local
from wstui.control.registry import entries
from wstui.measure.sanitize import sanitize
from wstui.report.live.progress_line import live_line
from wstui.tui.bindings import key
from wstui.tui.theme import DARK

LOOK_S = 1.0
NOTHING = "no run is going on; wstui run PRESET starts one"
_KEYS = "enter attaches   q quits"


class Watched:
    """The runs that can be steered, each watched through a connection of its own. Blocks: for a thread."""

    def __init__(self) -> None:
        self._runs: dict[str, RemoteRun] = {}

    def lines(self) -> dict[str, str]:
        """Return a line for each run, by its id."""
        there = {entry.id: entry for entry in entries()}
        for gone in [id for id, run in self._runs.items() if id not in there or run.ended]:
            self._runs.pop(gone).close()
        for id, entry in there.items():
            if id not in self._runs:
                try:
                    self._runs[id] = RemoteRun(local(entry), "top", read_only=True)
                except ConnectionLost:
                    continue  # it has ended, or is of another version
        return {
            id: f"{id}  {sanitize(run.name, 24):<24}  {sanitize(live_line(run.status))}"
            for id, run in self._runs.items()
        }

    def close(self) -> None:
        for run in self._runs.values():
            run.close()


class TopApp(App[str]):
    """The list; its outcome is the id of the run that was chosen."""

    CSS = "#about { height: 1; background: $panel; } OptionList { height: 1fr; border: none; }"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [key("q,escape,ctrl+c", "quit", "Quit", "top.quit", "Quit")]

    def __init__(self) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name
        self._watched = Watched()

    def compose(self) -> ComposeResult:
        yield OptionList()
        yield Static(NOTHING, id="about")

    async def on_mount(self) -> None:
        await self.look()
        self.set_interval(LOOK_S, self.look)

    async def look(self) -> None:
        """Show the runs as they are now."""
        lines = await asyncio.to_thread(self._watched.lines)
        rows = self.query_one(OptionList)
        if [option.id for option in rows.options] == list(lines):
            for index, line in enumerate(lines.values()):
                rows.replace_option_prompt_at_index(index, Content(line))
            return
        rows.clear_options()
        rows.add_options(Option(Content(line), id=id) for id, line in lines.items())
        if lines:
            rows.highlighted = 0
        self.query_one("#about", Static).update(_KEYS if lines else NOTHING)

    @on(OptionList.OptionSelected)
    def _choose(self, chosen: OptionList.OptionSelected) -> None:
        self.exit(chosen.option_id)

    def on_unmount(self) -> None:
        self._watched.close()
