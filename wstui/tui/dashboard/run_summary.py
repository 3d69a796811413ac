"""The state of a run as a few lines of text, for a clipboard, a chat or a ticket."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import platformdirs
from textual.screen import Screen

from wstui.execution.run.result_figures import failure_rate, failures
from wstui.execution.run.result_sections import FailureSummary
from wstui.execution.run.status import Status
from wstui.measure.format import clock, count, ms, percent, rate
from wstui.measure.sanitize import sanitize
from wstui.report.formats.atomic_write import write_new
from wstui.report.model.cell_text import tilde
from wstui.tui.dashboard.status_line import badge
from wstui.tui.dashboard.thresholds import threshold_fact


def summary(status: Status) -> str:
    """State, load, latency, thresholds and errors; secrets are masked in the status already."""
    c = status.counters
    row = status.rows[-1] if status.rows else None
    latency = status.result.latency_ms.response
    lines = [
        f"{badge(status)[0]}  {sanitize(status.scenario.name)} → {sanitize(status.url)}  from {sanitize(status.host)}",
        f"time         {clock(status.elapsed_s)}"
        + (f" of {clock(status.plan_total_s)}" if status.plan_total_s else "")
        + (f", started {status.started.isoformat(timespec='seconds')}" if status.started else ""),
        f"connections  {count(c.open)} open of {count(status.target_clients)}, {count(c.attempted)} attempted,"
        f" {count(c.refused)} refused, {count(c.timed_out)} timed out, {count(c.failed)} failed,"
        f" {count(c.dropped)} dropped",
        f"messages     {count(c.sent)} sent, {count(c.received)} received"
        + (f"; now {rate(row.sent_per_s)}/s and {rate(row.received_per_s)}/s" if row else ""),
        f"latency ms   p50 {ms(latency.p50)}  p95 {ms(latency.p95)}  p99 {ms(latency.p99)}"
        f"  max {ms(latency.max)}  (response time, whole run)",
        f"errors       {count(failures(status.result))}  ({percent(failure_rate(status.result))} %)",
    ]
    lines += [f"  {threshold_fact(outcome)}" for outcome in status.thresholds]
    lines += [f"  {count(g.count):>8}  {sanitize(g.kind)}: {sanitize(g.message)}" for g in status.result.failures[:10]]
    if status.generator.limited_by:
        lines.append(f"generator    was the limit: {', '.join(status.generator.limited_by)}")
    if status.note:
        lines.append(f"note         {sanitize(status.note)}")
    return "\n".join(lines) + "\n"


def error_lines(groups: Sequence[FailureSummary]) -> str:
    """The groups as JSON lines, one group a line, times in seconds since the start."""
    return "".join(
        json.dumps(
            {
                "kind": group.kind,
                "message": group.message,
                "count": group.count,
                "first_s": round(group.first_s, 3),
                "last_s": round(group.last_s, 3),
                "local": group.local,
                "outcome": group.outcome,
                "samples": [{"at_s": round(s.at_s, 3), "client": s.client, "detail": s.detail} for s in group.samples],
            },
            ensure_ascii=False,
        )
        + "\n"
        for group in groups
    )


def write_beside(name: str, text: str) -> Path:
    """Write a file that only its owner can read, here or in the operator's state folder where that is not allowed.

    An older file of the same name is kept: the new one gets a number. OSError says why neither place works.
    """
    places = [Path.cwd(), Path(platformdirs.user_state_dir("wstui")) / "exports"]
    for index, folder in enumerate(places):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return _write_new(folder / name, text)
        except OSError:
            if index == len(places) - 1:
                raise
    raise AssertionError("unreachable")


def write_told(screen: Screen[Any], now: datetime, name: str, text: str, what: str = "") -> None:
    """Write a file named `wstui-NAME` with the time in it, and tell where; `what` begins the sentence."""
    kind, _, suffix = name.partition(".")
    try:
        path = write_beside(f"wstui-{kind}-{now:%Y%m%d-%H%M%S}.{suffix}", text)
    except OSError as error:
        screen.notify(f"cannot be written: {error.strerror or error}", severity="error")
        return
    screen.notify(f"{what}written to {tilde(path)}")


def _write_new(path: Path, text: str) -> Path:
    for number in range(1, 10_000):
        place = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        try:
            write_new(place, text)
        except FileExistsError:
            continue
        return place
    raise FileExistsError(f"{path} and 9 998 numbered ones exist")
