"""What the search for a limit found, in figures and in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.execution.excuse import LOAD
from wstui.execution.result import BreakpointStep, BreakpointSummary, ThresholdOutcome
from wstui.execution.search import Search
from wstui.scenario.breakpoint import Breakpoint


def answer(
    asked: Breakpoint, search: Search, steps: Sequence[BreakpointStep], limited_by: Sequence[str], ended: str
) -> BreakpointSummary:
    """The summary of a search. `ended` says why it ended before the answer was as precise as wanted, "" otherwise."""
    low, high = search.low, search.high
    broke = breaking(steps, high)
    parts = [_held(low, high, search.next() is None, asked.unit)]
    if broke is not None:
        parts.append(_broke(broke))
    sentence = ", ".join(parts)
    if limited_by:
        at = next((step.load for step in reversed(steps) if step.held is None), 0)
        sentence += f"; at {at:,} this generator was the limit: {', '.join(limited_by)}"
    elif ended:
        sentence += f"; {ended}"
    return BreakpointSummary(
        of=asked.of,
        unit=asked.unit,
        low=low,
        high=high,
        broken_on=broke.broken_on if broke is not None else "",
        sentence=sentence,
        limited_by=list(limited_by),
        steps=list(steps),
    )


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


def _held(low: int | None, high: int | None, known: bool, unit: str) -> str:
    if low is None:
        return f"held no load of those that were tried ({unit})" if high is not None else f"no load was judged ({unit})"
    if high is not None:
        return f"holds {low:,} {unit}"
    return f"holds {low:,} {unit}, the most that was tried" if known else f"holds {low:,} {unit} or more"


def _broke(step: BreakpointStep) -> str:
    if step.broken_on == LOAD:
        return f"breaks at {step.load:,}: {step.why}"
    first = next((o for o in step.thresholds if o.metric == step.broken_on and o.passed is False), None)
    figure = f" ({first.value:.4g}{first.unit}, limit {first.limit})" if first and first.value is not None else ""
    return f"breaks on {step.broken_on} at {step.load:,}{figure}"
