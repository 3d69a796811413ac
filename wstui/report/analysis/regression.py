"""Conditions on the change between two runs, for CI: "response.p99 > +10%"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wstui.measure import format
from wstui.report.analysis.compare import Change
from wstui.scenario.errors import BadValue
from wstui.scenario.threshold import parse_metric

_CONDITION = re.compile(r"\s*([\w.]+)\s*([<>])\s*([+-]?)\s*(\d+(?:\.\d+)?)\s*(%|ms|s|/s|)\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class ChangeCondition:
    """A condition on a change that is not accepted.

    `relative` compares the change as a share of what was before; otherwise it is the difference, in the metric's unit
    (percentage points for metrics that are shares themselves).
    """

    text: str
    metric: str
    above: bool
    amount: float
    relative: bool

    def is_met(self, change: Change) -> bool | None:
        """Return whether the change is one that is not accepted; None if a figure is missing."""
        if change.before is None or change.after is None:
            return None
        difference = change.after - change.before
        if self.relative:
            if change.before == 0:
                # From nothing to something is beyond any percentage.
                return difference > 0 if self.above else False
            difference = difference / abs(change.before) * 100
        return difference > self.amount if self.above else difference < self.amount

    def explain(self, change: Change) -> str:
        """The condition with what was measured, in words."""
        was, is_now = (format.limit_figure(value, change.unit) for value in (change.before, change.after))
        if change.before is None or change.after is None:
            return f"{self.text}: cannot be judged, {self.metric} was {was} and is {is_now}"
        return f"{self.text}: {self.metric} was {was} and is {is_now}{percentage(change)}"


def parse(text: str) -> ChangeCondition:
    """The condition in "response.p99 > +10%". Raises BadValue, which says what to write."""
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise BadValue('is not a condition: write "response.p99 > +10%" or "connect.success < -1%"')
    name, operator, sign, number, unit = match.groups()
    metric = parse_metric(name)
    amount = float(number) * (-1 if sign == "-" else 1)
    if unit == "s" and metric.unit == "ms":
        unit, amount = "ms", amount * 1000
    relative = unit == "%" and metric.unit != "%"
    if not relative and unit != metric.unit:
        wanted = f' or "{number}{metric.unit}"' if metric.unit else f' or a plain "{number}"'
        raise BadValue(f'{name} does not change by "{number}{unit}": write "{number}%"{wanted}')
    return ChangeCondition(text.strip(), name, operator == ">", amount, relative)


def percentage(change: Change) -> str:
    """The relative change in brackets, or "" if there is none or the metric is a share itself."""
    if change.ratio is None or change.unit == "%":
        return ""
    return f" ({change.ratio * 100:+.1f} %)"
