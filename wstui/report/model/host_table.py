"""The machines that made the load as cells of a table, and what can't be said across them."""

from __future__ import annotations

from wstui.execution.run.result import FanOutSummary, Result
from wstui.measure.sanitize import visible
from wstui.report.model import format
from wstui.report.model.labels import Tone
from wstui.report.model.terminal import Paint
from wstui.report.model.text import paragraph, table

HEAD = ("host", "workers", "ready", "sent", "clients", "CPU max", "loop lag max", "away")


def host_rows(run: Result) -> list[list[str]]:
    """A row a machine; none where the load was made by the operator's."""
    return [
        [
            f"✗ {visible(host.name, 40)}" if host.lost else visible(host.name, 40),
            f"{host.workers}" + (f", {host.workers_lost} lost" if host.workers_lost else ""),
            format.count(host.ready),
            format.count(host.sent),
            format.count(host.clients_max),
            format.percentage(host.cpu_max),
            format.milliseconds(host.loop_lag_max_ms),
            format.milliseconds(host.round_trip_ms),
        ]
        for host in run.generator.hosts
    ]


def lost_hosts(run: Result) -> list[str]:
    """Why machines were lost, a sentence each."""
    return [
        f"{visible(host.name, 40)} was lost: {visible(host.lost, 200)}" for host in run.generator.hosts if host.lost
    ]


def host_lines(run: Result, width: int, paint: Paint) -> list[str]:
    """The same as a table for a terminal."""
    rows = host_rows(run)
    if not rows:
        return []
    lines = table([HEAD, *rows], width=width)
    for sentence in lost_hosts(run):
        told = paragraph(sentence, width=width, indent="    ", first="  ▲ ")
        lines += [paint.tone(line, Tone.BAD) for line in told]
    return lines


def spread_name(seen: FanOutSummary) -> str:
    """What a spread is the distance from: nothing is measured from one machine's clock to another's."""
    return "spread on a host" if seen.spread_within == "host" else "spread"


def first_receipt(seen: FanOutSummary) -> str:
    """The same in a sentence."""
    return "on the same host: clocks of several are not compared" if seen.spread_within == "host" else "anywhere"


def offset_name(seen: FanOutSummary) -> str:
    """Whose clock offset is told."""
    return "worst clock offset" if seen.spread_within == "host" else "clock offset"
