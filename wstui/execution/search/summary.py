"""The result of the search for a limit, in figures and in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.execution.run.result import BreakpointStep, BreakpointSummary
from wstui.execution.run.result_sections import ThresholdOutcome
from wstui.execution.run.status import BreakpointStatus
from wstui.execution.run.verdict import threshold_words
from wstui.execution.search.bisect import Bisection
from wstui.measure.format import grouped
from wstui.scenario.breakpoint import Breakpoint


def summary_of(
    asked: Breakpoint, search: Bisection, steps: Sequence[BreakpointStep], limited_by: Sequence[str], ended: str
) -> BreakpointSummary:
    """The summary of a search. `ended` says why it ended before the answer was as precise as wanted, "" otherwise."""
    low, high = search.low, search.high
    sentence = _found(steps, low, high, search.next() is None, asked.unit)
    if limited_by:
        at = next((step.load for step in reversed(steps) if step.held is None), 0)
        sentence += f"; at {grouped(at)} this generator was the limit: {', '.join(limited_by)}"
    elif ended:
        sentence += f"; {ended}"
    return _summary(asked.of, asked.unit, low, high, sentence, steps, limited_by)


def summary_so_far(search: BreakpointStatus) -> BreakpointSummary | None:
    """Return the summary as if the search ended now; None before its first answer."""
    if not search.steps:
        return None
    sentence = _found(search.steps, search.low, search.high, False, search.unit) + "; it was cut short"
    return _summary(search.of, search.unit, search.low, search.high, sentence, search.steps, ())


def _summary(
    of: str,
    unit: str,
    low: int | None,
    high: int | None,
    sentence: str,
    steps: Sequence[BreakpointStep],
    limited_by: Sequence[str],
) -> BreakpointSummary:
    broke = breaking(steps, high)
    return BreakpointSummary(
        of=of,
        unit=unit,
        low=low,
        high=high,
        confirmed_low=confirmed_low(steps, low),
        broken_on=broke.broken_on if broke is not None else "",
        sentence=sentence,
        limited_by=list(limited_by),
        steps=list(steps),
    )


def confirmed_low(steps: Sequence[BreakpointStep], low: int | None) -> int | None:
    """The largest load that held and at or below which nothing ever broke; else `low`.

    A load that broke once and held when it was tried again may be just at the limit, so that the limit lies between
    this and the smallest load that broke for good.
    """
    lowest_broken = min((step.load for step in steps if step.held is False), default=None)
    undoubted = [step.load for step in steps if step.held and (lowest_broken is None or step.load < lowest_broken)]
    return max(undoubted, default=low)


def breaking(steps: Sequence[BreakpointStep], high: int | None) -> BreakpointStep | None:
    """The last step that broke at the load `high`."""
    return next((step for step in reversed(steps) if step.load == high and step.held is False), None)


def deciding(steps: Sequence[BreakpointStep], low: int | None) -> list[ThresholdOutcome]:
    """The thresholds as they stood at the largest load that held; at the smallest that broke when none held."""
    judged = [step for step in steps if step.held is not None]
    if low is None:
        step = min(judged, key=lambda step: step.load, default=None)
    else:
        step = next((step for step in reversed(judged) if step.load == low and step.held), None)
    return list(step.thresholds) if step is not None else []


def _found(steps: Sequence[BreakpointStep], low: int | None, high: int | None, known: bool, unit: str) -> str:
    broke = breaking(steps, high)
    held = _held(low, high, confirmed_low(steps, low), known, unit)
    return f"{held}, {_broke(broke)}" if broke is not None else held


def _held(low: int | None, high: int | None, confirmed: int | None, known: bool, unit: str) -> str:
    if low is None:
        return f"held no load of those that were tried ({unit})" if high is not None else f"no load was judged ({unit})"
    if high is not None:
        return f"holds {grouped(low)} {unit} ({grouped(low if confirmed is None else confirmed)}–{grouped(high)})"
    return f"holds {grouped(low)} {unit}, the most that was tried" if known else f"holds {grouped(low)} {unit} or more"


def _broke(step: BreakpointStep) -> str:
    first = next((o for o in step.thresholds if o.metric == step.broken_on and o.passed is False), None)
    return f"breaks at {grouped(step.load)}: {threshold_words(first) if first is not None else step.why}"
