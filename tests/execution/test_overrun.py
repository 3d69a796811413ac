"""What is sent after the end of a run was asked for: rated over the time that it took."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from wstui.execution.run.sampler import NS, Sampler
from wstui.execution.run.timeline_recorder import TimelineRecorder
from wstui.fleet.fleet import WorkerFleet
from wstui.fleet.totals import FleetTotals
from wstui.measure.fanout import FanOut
from wstui.measure.snapshot import Counters, Snapshot, Totals
from wstui.scenario.model import Stage


def seconds_with(*sent: tuple[float, int]) -> tuple[Sampler, TimelineRecorder, FleetTotals]:
    """The sampler of a run whose only worker has counted so many messages at these seconds."""
    totals, recorder = FleetTotals(), TimelineRecorder(FanOut())
    for sequence, (at_s, count) in enumerate(sent):
        totals.take(0, Snapshot(0, sequence, Totals(round(at_s * NS), Counters(sent=count))))
    fleet: Any = SimpleNamespace(totals=totals, reached=lambda _at_ns: True)
    return Sampler(recorder, cast(WorkerFleet, fleet)), recorder, totals


@pytest.mark.parametrize(
    ("sent", "overrun_s"),
    [([(1.0, 100), (2.2, 190), (3.0, 190)], 0.0), ([(1.0, 100), (6.0, 600), (8.0, 600)], 4.0)],
)
def test_sends_after_the_end_lengthen_the_last_stage(sent: list[tuple[float, int]], overrun_s: float) -> None:
    seconds, _, _ = seconds_with(*sent)
    assert seconds.overrun_s(2.0) == overrun_s


def test_a_stage_is_rated_over_the_seconds_of_its_counts() -> None:
    seconds, recorder, totals = seconds_with((1.2, 120))
    for name in ("ramp", "hold"):
        seconds.enter(Stage(name=name, over=1.0, clients=1), float(len(recorder.stages)))
        seconds.cut_stages()
    recorder.end_stage(3.0, totals.sum(), 3.0)
    first = recorder.stages[0].window(recorder.latest, 3.0)
    assert first.totals.counters.sent == 120
    # It was cut at 0 s of this run's clock with what had been counted until 1.2 s; the plan's clock stood at 1 s.
    assert first.active_s == pytest.approx(1.0 + 1.2)
