"""The machines that made the load as cells of a table, and what can't be said across them."""

from __future__ import annotations

from wstui.execution.run.result import FanOutSummary, Result
from wstui.report.model import format
from wstui.report.model.labels import Tone, shown
from wstui.report.model.terminal import Paint
from wstui.report.model.text_table import table, wrap

HEAD = ("box", "shards", "ready", "sent", "clients", "CPU max", "loop lag max", "away")


def box_rows(run: Result) -> list[list[str]]:
    """A row a machine; none where the load was made by the operator's."""
    return [
        [
            f"✗ {shown(box.name, 40)}" if box.lost else shown(box.name, 40),
            f"{box.shards}" + (f", {box.shards_lost} lost" if box.shards_lost else ""),
            format.count(box.ready),
            format.count(box.sent),
            format.count(box.clients_max),
            format.percent(box.cpu_max),
            format.milliseconds(box.loop_lag_max_ms),
            format.milliseconds(box.round_trip_ms),
        ]
        for box in run.generator.boxes
    ]


def lost_boxes(run: Result) -> list[str]:
    """Why machines were lost, a sentence each."""
    return [f"{shown(box.name, 40)} was lost: {shown(box.lost, 200)}" for box in run.generator.boxes if box.lost]


def box_lines(run: Result, width: int, paint: Paint) -> list[str]:
    """The same as a table for a terminal."""
    rows = box_rows(run)
    if not rows:
        return []
    lines = table([HEAD, *rows], width=width)
    for sentence in lost_boxes(run):
        told = wrap(sentence, width=width, indent="    ", first="  ▲ ")
        lines += [paint.tone(line, Tone.BAD) for line in told]
    return lines


def spread_name(seen: FanOutSummary) -> str:
    """What a spread is the distance from: nothing is measured from one machine's clock to another's."""
    return "spread on a box" if seen.spread_within == "box" else "spread"


def first_receipt(seen: FanOutSummary) -> str:
    """The same in a sentence."""
    return "on the same box: clocks of several are not compared" if seen.spread_within == "box" else "anywhere"


def offset_name(seen: FanOutSummary) -> str:
    """Whose clock offset is told."""
    return "worst clock offset" if seen.spread_within == "box" else "clock offset"
