"""The checklist before a run: each line passes, warns or fails with its fix, as soon as it is known."""

from __future__ import annotations

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen

from wstui.execution.preflight.checklist import Check, CheckMark
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import shown_url
from wstui.tui import requests
from wstui.tui.bindings import key
from wstui.tui.checklist.lines import Checks
from wstui.tui.kit.compact_view import CompactView
from wstui.tui.kit.key_row import KeyRow
from wstui.tui.kit.title_bar import TitleBar
from wstui.tui.services import Services

_TURN_S = 0.12


class ChecklistScreen(Screen[None]):
    """Looks at everything that a run needs, and goes on to the run."""

    manual_topic = "start"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        key("enter,ctrl+r", "run", "Run", "check.run", "Go on to the run", shown=True),
        key("r,f5", "again", "Check again", "check.again", "Look at everything once more", shown=True),
        key("escape", "back", "Back", "check.back", "Back to where you came from", shown=True),
        key("q", "app.leave", "Quit", "check.quit", "Quit", shown=True),
        key("up,k", "scroll(-1)", "Up", "check.up", "One row up"),
        key("down,j", "scroll(1)", "Down", "check.down", "One row down"),
        key("pageup", "scroll(-10)", "Page up", "check.page_up", "Ten rows up"),
        key("pagedown", "scroll(10)", "Page down", "check.page_down", "Ten rows down"),
    ]

    def __init__(self, services: Services, scenarios: list[Scenario], name: str, cooldown_s: float) -> None:
        super().__init__()
        self.services = services
        self._scenarios, self._name_shown, self._cooldown_s = scenarios, name, cooldown_s

    @property
    def checks(self) -> Checks:
        return self.query_one(Checks)

    def compose(self) -> ComposeResult:
        """Compose the title, the lines and the keys."""
        yield TitleBar(self.services.clock, "checklist")
        with VerticalScroll(id="checks", can_focus=False):
            yield Checks(self._name_shown, shown_url(self._scenarios[0]))
        yield KeyRow()
        yield CompactView(lambda width: self.checks.compact(width))

    def on_mount(self) -> None:
        self.set_interval(_TURN_S, self.checks.turn)
        self.action_again()

    def action_again(self) -> None:
        self._look()

    @work(exclusive=True, group="checklist")
    async def _look(self) -> None:
        launcher, checks = self.services.launcher, self.checks
        if launcher is None or launcher.preflight is None:
            return
        checks.begin()
        pauses_s = (len(self._scenarios) - 1) * self._cooldown_s
        try:
            async for check in launcher.preflight(self._scenarios, pauses_s):
                checks.add(check)
        except Exception as error:
            fix = "look again; if it stays, wstui check says more"
            checks.add(Check("checklist", CheckMark.FAIL, f"ended early: {error or type(error).__name__}", fix))
        checks.end()

    def action_run(self) -> None:
        """Go on to the run: what failed does not forbid it, it was said."""
        self.app.pop_screen()
        self.app.post_message(requests.Launch(self._scenarios, self._name_shown, self._cooldown_s))

    def action_back(self) -> None:
        self.app.pop_screen()

    def action_scroll(self, rows: int) -> None:
        self.query_one("#checks").scroll_relative(y=rows, animate=False)
