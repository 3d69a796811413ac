"""The whole run in a few facts, for a terminal too small for anything else."""

from __future__ import annotations

from wstui.execution.run.limits import worst_threshold
from wstui.execution.run.status import Status
from wstui.execution.run.verdict import kept_words
from wstui.measure.format import clock
from wstui.measure.sanitize import sanitize
from wstui.tui.dashboard import tile_models
from wstui.tui.dashboard.status_line import badge
from wstui.tui.dashboard.thresholds import SIGNS
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
