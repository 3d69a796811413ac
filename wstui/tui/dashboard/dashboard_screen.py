"""The dashboard: a run while it goes on, on one screen, with every control on a key."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll

from wstui.execution.run.limits import generator_level, worst_threshold
from wstui.execution.run.status import State, Status
from wstui.execution.run.verdict import kept_words
from wstui.tui.dashboard import tile_models
from wstui.tui.dashboard.actions import Controls
from wstui.tui.dashboard.banner import Banner
from wstui.tui.dashboard.compact_facts import run_facts
from wstui.tui.dashboard.connections import ConnectionsPanel
from wstui.tui.dashboard.errors_panel import Errors, odd_replies
from wstui.tui.dashboard.events import Events
from wstui.tui.dashboard.fanout_panel import FanOutPanel
from wstui.tui.dashboard.generator import Generator
from wstui.tui.dashboard.hosts_panel import Hosts
from wstui.tui.dashboard.latency import LatencyPanel
from wstui.tui.dashboard.latency_histogram import Spread
from wstui.tui.dashboard.phase_bar import PhaseBar
from wstui.tui.dashboard.status_line import StatusLine
from wstui.tui.dashboard.target import TargetPanel, target_trouble
from wstui.tui.dashboard.thresholds import SIGNS, ThresholdsPanel, limit_ms
from wstui.tui.dashboard.throughput import Throughput
from wstui.tui.dashboard.tile import Tile
from wstui.tui.kit.breakpoint_chart import SearchCurve
from wstui.tui.kit.compact_view import CompactView
from wstui.tui.kit.key_row import KeyRow
from wstui.tui.kit.row_widget import Line
from wstui.tui.run_thread import Runner

REDRAW_S = 0.25
"""How often the figures are drawn, in seconds; charts follow when a new second was measured."""

_TILES = {
    "tile-connections": tile_models.connections,
    "tile-messages": tile_models.messages,
    "tile-latency": tile_models.latency,
    "tile-errors": tile_models.errors,
    "tile-generator": tile_models.generator,
}


class Dashboard(Controls):
    """Draws `Status` as it comes; holds no state of the run itself."""

    VERTICAL_BREAKPOINTS = [(0, "-flat"), (16, "-low"), (20, "-short"), (32, "-tall")]  # noqa: RUF012
    AUTO_FOCUS = "Errors"

    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        self._shown: Status | None = None
        self._drawn: State | None = None
        self._offered: State | None = None

    def compose(self) -> ComposeResult:
        """Top to bottom as an operator reads: state, plan, figures, courses, errors, keys."""
        yield StatusLine(id="status")
        yield PhaseBar(id="phase")
        with Horizontal(id="tiles"):
            for name in _TILES:
                yield Tile(id=name)
        yield Banner(id="banner")
        yield Hosts(id="hosts")
        with Horizontal(id="body"):
            with Vertical(id="charts"):
                yield LatencyPanel()
                yield SearchCurve()
                yield Throughput()
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
        yield CompactView(self._in_short)
        yield KeyRow()

    def on_mount(self) -> None:
        """Start to follow the run."""
        self.poll(charts=True)
        self.set_interval(REDRAW_S, self.poll)

    def on_screen_resume(self) -> None:
        """A result that came meanwhile is shown now."""
        self.call_after_refresh(self.owner.show_result_once)

    def on_resize(self) -> None:
        """Another width has other panels."""
        self.call_after_refresh(self.redraw_charts)

    def poll(self, *, charts: bool = False) -> None:
        """Draw the latest picture; charts only when there is something new in them."""
        status = self.session.status
        self.owner.close_moot(status)
        if status.state is not self._offered:  # other keys work now
            self._offered = status.state
            self.refresh_bindings()
        self.query_one(StatusLine).show(
            status, self.owner.clock(), frozen=self.view.frozen, verdict=self.owner.verdict_badge
        )
        if self.view.frozen and self._shown is not None:
            return
        self._shown = status
        fresh = self.history.feed(status.rows, status.started)
        paused = "warn" if status.state is State.PAUSED else "rule"
        self.set_class(bool(status.generator.limited_by), "-limited")
        self.query_one(Banner).show(status.generator.limited_by)
        self.set_class(bool(status.generator.hosts), "-hosts")
        if self.query_one(Hosts).show(status.generator, paused):
            self.refresh_bindings()
        self.query_one(PhaseBar).show(status)
        for name, face in _TILES.items():
            self.query_one(f"#{name}", Tile).show(face(status, self.history))
        limit = tile_models.latency_limit(status)
        self.query_one(ThresholdsPanel).show(status.thresholds, paused)
        self.query_one(ConnectionsPanel).show(status.counters, paused)
        self.query_one(TargetPanel).show(status.target, status.url, paused)
        self.query_one(Generator).show(status.generator, paused)
        self.set_class(status.scenario.messages.exchange == "listen", "-listens")
        self.set_class(status.fanout is not None, "-broadcasts")
        self.set_class(status.breakpoint is not None, "-searches")
        self.query_one(FanOutPanel).show(status.fanout, paused)
        self.query_one(Spread).show(status.spread, limit_ms(limit[1]) if limit else None, paused)
        self.query_one(Events).show(status.marks, paused)
        self.query_one(Errors).show(
            [*status.failures, *odd_replies(status.counters)],
            status.elapsed_s,
            self.view.pattern,
            paused,
        )
        self.query_one(CompactView).redraw()
        if fresh or charts or not status.rows or status.state is not self._drawn:
            self._drawn = status.state
            self.redraw_charts()

    def redraw_charts(self) -> None:
        """Draw the charts again."""
        status = self._shown
        if status is None:
            return
        paused = "warn" if status.state is State.PAUSED else "rule"
        side = self.query_one("#side")
        right = None if side.display and not side.max_scroll_y else self._short_health(status)
        self.query_one(LatencyPanel).show(status, self.history, self.view, paused)
        self.query_one(SearchCurve).show(status, self.history, self.view, paused)
        self.query_one(Throughput).show(status, self.history, self.view, paused, right)

    def _in_short(self, width: int) -> list[Line]:
        return run_facts(self._shown, self.history) if self._shown is not None else []

    @staticmethod
    def _short_health(status: Status) -> Line:
        """What the side panels say, in a few words, where there is no room for them."""
        verdict = worst_threshold(status.thresholds)
        glyph, meaning = SIGNS[verdict]
        line: Line = [(f" limits {kept_words(status.thresholds)} ", "muted"), (glyph, meaning)]
        own = status.generator
        if own.workers:
            mark = generator_level(own)
            glyph, meaning = SIGNS[mark]
            line += [
                (f"  generator {' '.join(tile_models.generator_cause(own)).strip()} ", "muted"),
                (f"{glyph} ", meaning),
            ]
        return [*line, *target_trouble(status.target)]
