"""The load as it was driven, as stages of a scenario: what an operator found by hand can be run again. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wstui.execution.run.state import State
from wstui.execution.run.status import RampEvent, Status
from wstui.scenario.model import Scenario, Stage

_LEAST_S = 0.05
"""Segments that are shorter are left out: durations are kept to a tenth of a second."""
_STEP_S = 2.0
"""Ramps of the operator that the next one follows within this time are one: a key that is pressed several times."""


@dataclass(slots=True)
class _Segment:
    stage: int
    over_s: float
    clients: int | None  # None: as many as before
    every_s: float | None = None
    change: int = 0  # of the clients
    is_step: bool = False  # of the operator, and the next one followed before it was there


def was_steered(status: Status) -> bool:
    """Whether the operator has led the load elsewhere than the plan: clients, pace, or stages that were skipped."""
    skipped = any(stage.done and stage.elapsed_s < stage.planned_s - _LEAST_S for stage in status.stages)
    return (
        skipped
        or any(turn.by_operator for turn in status.turns)
        or (_has_ended(status) and any(not stage.done for stage in status.stages))
    ) and status.scenario.breakpoint is None


def to_scenario(status: Status) -> Scenario:
    """The scenario with stages that follow what was done so far and, while the run goes on, what is still planned.

    A stage says how often clients send where that was changed. Limits on a stage that is not in it are left out.
    """
    scenario = status.scenario
    if not was_steered(status):
        return scenario
    stages = _stages(status)
    names = {stage.name for stage in stages}
    kept = [limit for limit in scenario.thresholds if not limit.stage or limit.stage in names]
    return scenario.model_copy(update={"stages": stages, "thresholds": kept})


def _has_ended(status: Status) -> bool:
    return status.state.ended or status.state is State.DRAINING


def _stages(status: Status) -> list[Stage]:
    turns, end_s = _whole_course(status)
    segments = _merged(_segments(turns, end_s))
    planned = status.scenario.stages
    seen: dict[int, int] = {}
    stages = []
    every_s = status.scenario.messages.every
    for segment in segments:
        stage = planned[min(segment.stage, len(planned) - 1)]
        number = seen[segment.stage] = seen.get(segment.stage, 0) + 1
        name = stage.name if number == 1 else f"{stage.name} {number}"
        over_s = round(segment.over_s, 1)
        pace = segment.every_s if segment.every_s not in (None, every_s) else None
        every_s = every_s if pace is None else pace
        stages.append(
            stage.model_copy(update={"name": name, "over": over_s, "clients": segment.clients, "every": pace})
        )
    return stages


def _whole_course(status: Status) -> tuple[list[RampEvent], float]:
    """The turns that were taken and those that the plan will still take, and when the last one ends."""
    turns = list(status.turns)
    if _has_ended(status):
        return turns, status.plan_s
    end_s = status.plan_s
    for index, stage in enumerate(status.stages):
        if stage.done:
            continue
        if not stage.current:
            turns.append(_planned(turns, index, end_s, status.scenario.stages[index]))
        end_s += max(0.0, stage.planned_s - stage.elapsed_s)
    return turns, end_s


def _planned(turns: Sequence[RampEvent], index: int, at_s: float, stage: Stage) -> RampEvent:
    last = turns[-1] if turns else RampEvent(0.0, 0, 0, 0, 0.0)
    origin = _clients(last, at_s)
    every_s = last.every_s if stage.every is None else stage.every
    if stage.clients is not None:
        return RampEvent(at_s, index, origin, stage.clients, stage.over, every_s=every_s)
    return RampEvent(at_s, index, origin, last.to, max(0.0, last.at_s + last.over_s - at_s), every_s=every_s)


def _clients(turn: RampEvent, at_s: float) -> int:
    done = min(1.0, max(0.0, at_s - turn.at_s) / turn.over_s) if turn.over_s > 0 else 1.0
    return turn.origin + round((turn.to - turn.origin) * done)


def _segments(turns: Sequence[RampEvent], end_s: float) -> Iterator[_Segment]:
    """Each turn as its way, and the segment after it in which nothing changes."""
    ends = [turn.at_s for turn in turns[1:]] + [end_s]
    for turn, until_s in zip(turns, ends, strict=True):
        length_s = max(0.0, until_s - turn.at_s)
        way_s = min(turn.over_s, length_s) if turn.to != turn.origin else 0.0
        if turn.to != turn.origin and (way_s > 0 or turn.over_s == 0):
            clients = _clients(turn, turn.at_s + way_s)
            is_step = turn.by_operator and way_s < turn.over_s and way_s <= _STEP_S
            yield _Segment(turn.stage, way_s, clients, turn.every_s, turn.to - turn.origin, is_step)
        yield _Segment(turn.stage, length_s - way_s, None, turn.every_s)


def _merged(segments: Iterator[_Segment]) -> list[_Segment]:
    """Without segments too short to matter, quiet ones of a stage as one, and steps one after the other as one."""
    merged: list[_Segment] = []
    for segment in segments:
        if segment.over_s < _LEAST_S and segment.clients is None:
            continue
        last = merged[-1] if merged else None
        alike = last is not None and (last.stage, last.every_s) == (segment.stage, segment.every_s)
        if last is not None and alike and last.clients is None and segment.clients is None:
            last.over_s += segment.over_s
        elif last is not None and alike and last.is_step and last.change * segment.change > 0:
            last.over_s += segment.over_s
            last.clients, last.is_step = segment.clients, segment.is_step
        else:
            merged.append(segment)
    return merged
