"""Where the run stands in its plan: the stages in proportion, how far the current one is, and when all is over."""

from __future__ import annotations

from wstui.execution.run.state import State
from wstui.execution.run.status import StageStatus, Status
from wstui.measure.format import clock, count
from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import clip, width_of
from wstui.tui.kit.row_widget import Line, RowWidget, cells, spread

_LEAST = 6
"""Columns that a stage takes at least: with fewer their names tell nothing."""


class PhaseBar(RowWidget):
    """Two rows: the names of the stages, and their progress with percentage and ETA."""

    DEFAULT_CSS = "PhaseBar { height: 2; padding: 0 1; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._status: Status | None = None

    def show(self, status: Status) -> None:
        self._status = status
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        status = self._status
        if status is None:
            return []
        summary = _summary(status)
        suite = _suite(status) or _search(status) or _note(status, width // 2)
        room = width - max(cells(summary), cells(suite)) - 3
        names: Line = []
        bars: Line = []
        if status.state is State.COOLDOWN and status.suite is not None:
            whole, left = status.suite.cooldown_s, status.suite.cooldown_left_s
            names, bars = _stage(StageStatus("cooldown", whole, max(0.0, whole - left), current=True), room, "accent")
        elif status.stages:
            meaning = "warn" if status.state in (State.PAUSED, State.DRAINING) else "ok"
            stages = status.stages if len(status.stages) * _LEAST <= room else _gathered(status.stages)
            for stage, columns in zip(stages, _widths(stages, room), strict=True):
                name, bar = _stage(stage, columns - 1, meaning)
                names += [*name, (" ", "text")]
                bars += [*bar, (" ", "text")]
        elif room > 0:
            names = [(clip("no plan: runs until it is stopped", room), "muted")]
            bars = [("─" * room, "track")]
        return [spread(names, suite, width), spread(bars, summary, width)]


def _summary(status: Status) -> Line:
    if status.state is State.STARTING:
        return [(clip(sanitize(status.note) or "starting", 40), "muted")]
    if status.state.ended:
        return [(f"ended after {clock(status.elapsed_s)}", "strong")]
    if status.state is State.DRAINING:
        return [(status.awaited or "closing connections", "strong-warn")]
    if status.state is State.COOLDOWN:
        left = status.suite.cooldown_left_s if status.suite else 0.0
        return [(f"next run in {clock(left + 0.99)}", "strong"), ("  ] skips", "muted")]
    if status.plan_total_s <= 0:
        return [(f"{clock(status.elapsed_s)} so far", "strong")]
    share = min(1.0, max(0.0, status.plan_s / status.plan_total_s))
    tail = "clock held" if status.state is State.PAUSED else f"ETA {clock(status.plan_total_s - status.plan_s)}"
    return [(f"{int(share * 100):>2} %  {tail}", "strong")]


def _note(status: Status, room: int) -> Line:
    return [(clip(sanitize(status.note), room), "muted")] if status.state.ended and status.note else []


def _search(status: Status) -> Line:
    """Where the search for a limit stands: what is tried, what holds, what breaks."""
    search = status.breakpoint
    if search is None or status.state.ended:
        return []
    line: Line = [(f"{count(search.load)} {search.unit}", "strong")] if search.load else []
    if search.low is not None:
        line += [("  ✓", "ok"), (f" {count(search.low)} holds", "text")]
    if search.high is not None:
        line += [("  ✗", "bad"), (f" {count(search.high)} breaks", "text")]
    return line


def _suite(status: Status) -> Line:
    suite = status.suite
    if suite is None:
        return []
    line: Line = []
    for index, (name, passed) in enumerate(zip(suite.names, suite.passed, strict=False)):
        glyph, meaning = {True: ("✓", "ok"), False: ("✗", "bad")}.get(passed, ("·", "muted"))  # type: ignore[arg-type]
        if passed is None and index == suite.index:
            glyph, meaning = ("▶", "accent")
        line += [(f" {clip(sanitize(name), 14)} ", "text" if index == suite.index else "muted"), (glyph, meaning)]
    return line


def _stage(stage: StageStatus, columns: int, meaning: str) -> tuple[Line, Line]:
    """The name and the progress of one stage, each exactly `columns` wide."""
    columns = max(1, columns)
    if stage.current:
        times = f" {clock(stage.elapsed_s)} / {clock(stage.planned_s)}"
        text = sanitize(stage.name).upper()
        if width_of(text) + len(times) <= columns:
            text += times
        elif width_of(text) + len(clock(stage.elapsed_s)) < columns:
            text += f" {clock(stage.elapsed_s)}"
        style = f"strong-{meaning}"
    else:
        text, style = sanitize(stage.name), "muted"
        if stage.done:
            text = f"{clip(text, columns - 2)} ✓" if columns > 3 else "✓"
    text = clip(text, columns)
    name: Line = [(text + " " * (columns - width_of(text)), style)]
    if stage.done:
        return name, [("━" * columns, "muted")]
    share = stage.elapsed_s / stage.planned_s if stage.planned_s > 0 else float(stage.elapsed_s > 0)
    full = min(columns, max(0, round(share * columns))) if stage.current else 0
    return name, [("━" * full, meaning), ("─" * (columns - full), "track")]


def _gathered(stages: tuple[StageStatus, ...]) -> tuple[StageStatus, ...]:
    """Merge the stages that are over, and those to come, around the current one, if they do not all fit."""
    over = [stage for stage in stages if stage.done]
    now = [stage for stage in stages if stage.current and not stage.done]
    later = [stage for stage in stages if not stage.done and not stage.current]
    made = list(now)
    if over:
        spent = sum(stage.planned_s for stage in over)
        made.insert(0, StageStatus(f"{len(over)} stages", spent, spent, done=True))
    if later:
        made.append(
            StageStatus(
                f"{len(later)} more stages" if made else f"{len(later)} stages", sum(s.planned_s for s in later)
            )
        )
    return tuple(made)


def _wanted(stage: StageStatus) -> int:
    """The columns that tell a stage: its name, and of the current one its times."""
    wide = width_of(sanitize(stage.name))
    return max(22, min(36, wide + 15)) if stage.current else min(12, wide + 3)


def _widths(stages: tuple[StageStatus, ...], room: int) -> list[int]:
    """Columns in proportion to the planned time, but never too few for the name, if there is room."""
    if room < 2 * len(stages):
        return [max(1, room // len(stages))] * len(stages)
    wanted = [_wanted(stage) for stage in stages]
    while sum(wanted) > room and max(wanted) > 3:
        wanted[wanted.index(max(wanted))] -= 1
    total = sum(stage.planned_s for stage in stages) or 1.0
    ideal = [stage.planned_s / total * room for stage in stages]
    widths = [max(least, round(share)) for least, share in zip(wanted, ideal, strict=True)]
    while sum(widths) > room:
        spare = [width - least for width, least in zip(widths, wanted, strict=True)]
        index = spare.index(max(spare))
        if spare[index] <= 0:
            break
        widths[index] -= 1
    widths[max(range(len(widths)), key=lambda i: ideal[i])] += max(0, room - sum(widths))
    return widths
