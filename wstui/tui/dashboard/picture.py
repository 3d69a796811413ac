"""A run as one picture: state, plan, figures, courses and errors, top to bottom as an operator reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll

from wstui.execution.run.limits import generator_level, worst_threshold
from wstui.execution.run.state import State
from wstui.execution.run.status import RunView, Status
from wstui.execution.run.verdict import kept_words
from wstui.measure.format import clock
from wstui.measure.sanitize import sanitize
from wstui.tui.dashboard import tile_models
from wstui.tui.dashboard.charts import LatencyPanel, SearchCurve, Throughput
from wstui.tui.dashboard.errors_panel import Errors, odd_replies
from wstui.tui.dashboard.generator import Generator, Hosts
from wstui.tui.dashboard.panel import ChartPanel, Panel, View, accent_of
from wstui.tui.dashboard.phase_bar import PhaseBar
from wstui.tui.dashboard.side_panels import ConnectionsPanel, Events, FanOutPanel, Spread, TargetPanel, target_trouble
from wstui.tui.dashboard.status_line import Banner, StatusLine, badge
from wstui.tui.dashboard.steps_panel import StepsPanel
from wstui.tui.dashboard.thresholds import SIGNS, ThresholdsPanel, kept_in
from wstui.tui.dashboard.tile_models import Tile
from wstui.tui.kit.row_widget import Line
from wstui.tui.time_series import TimeSeries


def run_facts(status: Status, history: TimeSeries) -> list[Line]:
    """State, time, clients, messages, latency, errors and limits, one a row."""
    word, meaning = badge(status)
    left = status.plan_total_s - status.plan_s
    time = clock(status.elapsed_s) + (
        f" · {clock(left)} left" if status.plan_total_s > 0 and not status.state.ended else ""
    )
    lines: list[Line] = [[(f" {word} ", meaning), (f" {sanitize(status.scenario.name)}", "strong")], [(time, "text")]]
    for read in (tile_models.connections, tile_models.messages, tile_models.latency, tile_models.errors):
        face = read(status, history)
        glyph, mark = SIGNS[face.sign]
        unit = f"{face.unit} · {face.details[-1]}" if face.judges_detail else face.unit
        lines.append(
            [(f"{face.title} ", "muted"), (face.figure, "strong"), (f" {unit} ", "muted"), (glyph.strip(), mark)]
        )
    glyph, mark = SIGNS[worst_threshold(status.thresholds)]
    return [*lines, [("limits ", "muted"), (f"{kept_words(status.thresholds)} ", "text"), (glyph.strip(), mark)]]


_TILES = {
    "tile-connections": tile_models.connections,
    "tile-messages": tile_models.messages,
    "tile-latency": tile_models.latency,
    "tile-errors": tile_models.errors,
    "tile-generator": tile_models.generator,
}
TRAITS: Mapping[str, Callable[[Status], bool]] = {
    "-limited": lambda status: bool(status.generator.limited_by),
    "-hosts": lambda status: bool(status.generator.hosts),
    "-listens": lambda status: status.scenario.messages.exchange == "listen",
    "-broadcasts": lambda status: status.result.fanout is not None,
    "-searches": lambda status: status.breakpoint is not None,
    "-roles": lambda status: bool(status.scenario.roles or status.scenario.login),
}
"""What decides which panels a screen shows, by the class that it has then."""


class Picture(Vertical):
    """Draws `Status` as it comes; holds no state of the run itself."""

    def __init__(self, session: RunView, view: View) -> None:
        super().__init__()
        self.session, self.view = session, view
        self.history = TimeSeries()
        self.shown: Status | None = None
        self._drawn: State | None = None

    def compose(self) -> ComposeResult:
        yield StatusLine(id="status")
        yield PhaseBar(id="phase")
        with Horizontal(id="tiles"):
            for name in _TILES:
                yield Tile(id=name)
        yield Banner(id="banner")
        yield Hosts(id="hosts")
        with Horizontal(id="body"):
            with Vertical(id="charts"):
                yield LatencyPanel(self.history, self.view)
                yield StepsPanel(self.history)
                yield SearchCurve(self.history, self.view)
                yield Throughput(self.history, self.view)
            with VerticalScroll(id="side", can_focus=False):
                yield ThresholdsPanel()
                yield FanOutPanel()
                yield ConnectionsPanel()
                yield TargetPanel()
                yield Generator()
                yield Spread()
        with Horizontal(id="lower"):
            yield Errors()
            yield Events()

    def show_head(self, status: Status, now: datetime, mode: str, verdict: tuple[str, str] | None) -> None:
        self.query_one(StatusLine).show(status, now, mode=mode, verdict=verdict)

    def show(self, status: Status, *, charts: bool) -> None:
        """Draw a status; charts only if there is something new in them, or they are asked for."""
        self.shown = status
        fresh = self.history.feed(status.rows, status.started)
        self.query_one(Banner).show(status)
        self.query_one(PhaseBar).show(status)
        for name, model in _TILES.items():
            self.query_one(f"#{name}", Tile).show(model(status, self.history))
        for panel in self.query(Panel):
            panel.show(status)
        groups = [*status.result.failures, *odd_replies(status.counters)]
        self.query_one(Errors).show(groups, status.elapsed_s, self.view.pattern, accent_of(status))
        self.show_steps()
        if fresh or charts or not status.rows or status.state is not self._drawn:
            self._drawn = status.state
            self.redraw_charts()

    def show_steps(self) -> None:
        if self.shown is not None:
            self.query_one(StepsPanel).show(self.shown, self.view.step, accent_of(self.shown))

    def redraw_charts(self) -> None:
        status = self.shown
        if status is None:
            return
        self.query_one(Throughput).aside = self._short_health(status)
        for panel in self.query(ChartPanel):
            panel.show(status)

    def compact(self, width: int) -> list[Line]:
        """Return what matters most, for a terminal that is too small for the panels."""
        return run_facts(self.shown, self.history) if self.shown is not None else []

    def _short_health(self, status: Status) -> list[Line]:
        """Return what those side panels show that are out of sight, in a few words each."""
        parts: list[Line] = []
        if self._is_out_of_sight(ThresholdsPanel):
            glyph, meaning = SIGNS[worst_threshold(status.thresholds)]
            parts.append([(f" limits {kept_in(0, status.thresholds)} ", "muted"), (glyph, meaning)])
        own = status.generator
        if own.workers and self._is_out_of_sight(Generator) and not self.query_one("#tile-generator").display:
            glyph, meaning = SIGNS[generator_level(own)]
            cause = " ".join(tile_models.generator_cause(own)).strip()
            parts.append([(f"  generator {cause} ", "muted"), (f"{glyph} ", meaning)])
        trouble = target_trouble(status.target) if self._is_out_of_sight(TargetPanel) else []
        return [*parts, trouble] if trouble else parts

    def _is_out_of_sight(self, kind: type[Panel]) -> bool:
        """Return whether a side panel has no room on this terminal, or begins below what is scrolled to."""
        side, panel = self.query_one("#side"), self.query_one(kind)
        return not side.display or not panel.display or panel.virtual_region.y >= side.size.height
