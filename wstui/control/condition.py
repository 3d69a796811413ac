"""A condition such as "response.p99 > 200ms", judged over the last seconds of a run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from wstui.execution.run.result_figures import figure
from wstui.execution.run.status import Status
from wstui.execution.run.window import Window
from wstui.measure.histogram import Distribution
from wstui.measure.snapshot import Totals
from wstui.measure.steps import StepCounts, StepData, Steps
from wstui.scenario.threshold import parse_condition, parse_limit, parse_metric

_OF_THE_RUN = ("fanout.", "target.")
"""Families that are followed over the whole run only."""
_DISTRIBUTIONS = ("connect", "response", "round_trip", "reconnect")


class WaitCondition:
    """Judges each picture; `value` is the figure of the last one, None while nothing was measured."""

    def __init__(self, text: str, window_s: float) -> None:
        """`window_s` 0 judges the whole run. Raises BadValue."""
        name, limit = parse_condition(text)
        self.metric, self.limit = parse_metric(name), parse_limit(limit, name)
        self.value: float | None = None
        self._window_s = window_s
        self._past: deque[tuple[float, Totals]] = deque()

    def is_met(self, status: Status) -> bool:
        self.value = self._figure(status)
        return self.value is not None and self.limit.is_kept_by(self.value)

    def _figure(self, status: Status) -> float | None:
        if not self._window_s or self.metric.family.startswith(_OF_THE_RUN) or self.metric.family == "delivery":
            return figure(status.result, self.metric.name)
        now_s, past = status.elapsed_s, self._past
        if past and now_s < past[-1][0]:
            past.clear()  # the next run of a suite
        if not past and now_s <= self._window_s:
            past.append((0.0, Totals()))
        past.append((now_s, _totals(status)))
        while len(past) > 2 and past[1][0] <= now_s - self._window_s:
            past.popleft()
        (since_s, before), (_, now) = past[0], past[-1]
        return Window(now - before, now_s - since_s).figure(self.metric) if now_s > since_s else None


def _totals(status: Status) -> Totals:
    connect, response, trip, again = (status.histograms.get(name, Distribution()) for name in _DISTRIBUTIONS)
    at_ns = round(status.elapsed_s * 1e9)
    return Totals(at_ns, status.counters, connect, response, trip, reconnect=again, steps=Steps(list(_steps(status))))


def _steps(status: Status) -> Iterator[StepData]:
    for step in status.result.steps:
        counts = StepCounts(step.begun, step.done, step.lost, step.abandoned, step.failed, step.late, step.duplicates)
        response = status.histograms.get(step.histogram, Distribution())
        yield StepData(step.role, step.name, step.kind, counts, response)
