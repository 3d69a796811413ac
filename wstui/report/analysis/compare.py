"""Two runs side by side: what changed, whether that is more than noise, and whether they can be compared at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from wstui.execution.run.metrics import FAMILIES, decided, family_of, steps_of
from wstui.execution.run.result import BreakpointSummary, Result
from wstui.execution.run.result_figures import counters_in, distribution_in, failures, figure
from wstui.measure import format
from wstui.measure.histogram import RELATIVE_ERROR
from wstui.measure.timeline import step_columns
from wstui.report.analysis.scenario_differences import differences
from wstui.report.analysis.significance import ALPHA, batch_means, holm, rank_test, share_test
from wstui.report.model.intervals import NotedInterval, active_rows, column, interval_result, noted_intervals
from wstui.report.model.labels import name_of, url_of
from wstui.scenario.threshold import Metric, parse_metric, step_of

SMALLEST_CHANGE = 0.02
"""A relative change below this is not worth a word, however certain it is."""

_METRICS = (
    "connect.success",
    "connect.p95",
    "response.mean",
    "response.p50",
    "response.p90",
    "response.p95",
    "response.p99",
    "response.p99.9",
    "response.max",
    "roundtrip.p50",
    "roundtrip.p99",
    "messages.sent_per_second",
    "messages.received_per_second",
    "messages.timed_out",
    "connections.dropped",
    "failures.rate",
    "fanout.completeness",
    "fanout.spread.p99",
    "delivery.p99",
    "generator.late_sends",
)
# The column of the timeline in which a metric can be followed second by second.
_SERIES = {
    "response.mean": "response_mean_ms",
    "response.p50": "response_p50_ms",
    "response.p95": "response_p95_ms",
    "response.p99": "response_p99_ms",
    "response.max": "response_max_ms",
    "roundtrip.p50": "round_trip_p50_ms",
    "roundtrip.p99": "round_trip_p99_ms",
    "messages.sent_per_second": "sent_per_s",
    "messages.received_per_second": "received_per_s",
}
_MORE_IS_BETTER = {
    "connect.success",
    "messages.sent_per_second",
    "messages.received_per_second",
    "fanout.completeness",
}


@dataclass(frozen=True, slots=True)
class Change:
    """A metric in both runs. `p_value` is corrected for the number of metrics; None when it could not be tested.

    `ratio` is after ÷ before − 1, None where before is 0 or a figure is missing.
    """

    metric: str
    unit: str
    before: float | None
    after: float | None
    ratio: float | None
    p_value: float | None

    @property
    def significant(self) -> bool:
        """Return whether it is a change rather than noise, and large enough to matter."""
        if self.p_value is None or self.p_value >= ALPHA or self.before is None or self.after is None:
            return False
        if self.unit == "%":
            return self.before != self.after
        return self.ratio is None or abs(self.ratio) >= max(SMALLEST_CHANGE, RELATIVE_ERROR)

    @property
    def better(self) -> bool | None:
        """Return whether the change is for the better; None when there is none."""
        if self.before is None or self.after is None or self.before == self.after:
            return None
        return (self.after > self.before) == (self.metric in _MORE_IS_BETTER)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The changes from one run to another, and what speaks against comparing them."""

    before: str
    after: str
    changes: list[Change]
    warnings: list[str]
    limits: str = ""
    """How much the target carried in both, where both looked for that."""
    notes: tuple[str, ...] = ()
    """The notes and spans of both, each with its run and its time."""

    def change(self, metric: str) -> Change | None:
        """The change of one metric, None when it is not in the table."""
        return next((change for change in self.changes if change.metric == metric), None)


def compare(
    before: Result,
    after: Result,
    *,
    names: tuple[str, str] = ("A", "B"),
    environments: tuple[dict[str, Any], dict[str, Any]] = ({}, {}),
    further: Sequence[str] = (),
) -> Comparison:
    """Compare two results metric by metric; `further` are metrics beyond the usual ones. Raises BadValue for those."""
    metrics = [*_METRICS, *_step_metrics(before, after)]
    if before.sequence is not None or after.sequence is not None:
        metrics += ["sequence.gaps", "sequence.repeats", "sequence.disorder"]
    metrics += [metric for metric in dict.fromkeys(further) if metric not in metrics]
    p_values = holm([_p_value(metric, before, after) for metric in metrics])
    changes = []
    for metric, p_value in zip(metrics, p_values, strict=True):
        was, is_now = figure(before, metric), figure(after, metric)
        ratio = is_now / was - 1 if was and is_now is not None else None
        changes.append(Change(metric, parse_metric(metric).unit, was, is_now, ratio, p_value))
    warnings = _warnings(before, after, environments)
    if why := incomparable(before, after):
        warnings.insert(0, f"these runs cannot be compared: {why}")
    notes = tuple(
        f"{'span' if each.is_span else 'note'} in {name} at {format.clock(each.at_s)}: {each.text}"
        for name, result in zip(names, (before, after), strict=True)
        for each in noted_intervals(result.events, result.duration_s)
    )
    return Comparison(names[0], names[1], changes, warnings, _limits(before, after), notes)


def _step_metrics(before: Result, after: Result) -> list[str]:
    """The metrics of the steps that either run has."""
    families = dict.fromkeys(family_of(step) for result in (before, after) for step in result.steps)
    return [f"{family}.{statistic}" for family in families for statistic in ("p50", "p99", "lost")]


_OF_STRETCHES = {*_SERIES, "failures.rate", "generator.late_sends"}


def compare_around(run: Result, rows: Sequence[dict[str, Any]], what: NotedInterval) -> Comparison:
    """Compare the interval before a note or span with the one after it, as two runs are compared."""
    before, after = (interval_result(run, rows, *part) for part in (what.before, what.after))
    found = compare(before, after, names=("before", "after"))
    return replace(found, changes=[change for change in found.changes if change.metric in _OF_STRETCHES], notes=())


def is_empty(result: Result) -> bool:
    """Return whether nothing at all was measured: it ended before its first second, and before its first client."""
    return not result.connections.attempted and not result.timeline


def incomparable(before: Result, after: Result) -> str:
    """Return why a table of changes would say nothing; "" when it would."""
    for which, result in (("first", before), ("second", after)):
        if is_empty(result):
            return f"the {which} has no data ({result.verdict.reason})"
    searches = before.breakpoint, after.breakpoint
    if (searches[0] is None) != (searches[1] is None):
        return "only one of them looked for a limit, and its figures are those of many loads"
    if searches[0] is not None and searches[1] is not None and searches[0].of != searches[1].of:
        return f"one looked for the limit of {searches[0].of}, the other of {searches[1].of}"
    return ""


def _limits(before: Result, after: Result) -> str:
    one, other = before.breakpoint, after.breakpoint
    if one is None or other is None or one.of != other.of:
        return ""
    told = f"limit: {_range(one)} → {_range(other)} {one.unit}"
    if None in (one.low, one.high, other.low, other.high):
        return told
    apart = _confirmed_low(one) >= (other.high or 0) or _confirmed_low(other) >= (one.high or 0)
    return told + (": the ranges are apart, it is another one" if apart else ": the ranges overlap, it may be the same")


def _range(found: BreakpointSummary) -> str:
    if found.low is None:
        return "none held" if found.high is not None else "unknown"
    return (
        f"{format.count(found.low)} ({format.count(_confirmed_low(found))}–{format.count(found.high)})"
        if found.high is not None
        else f"{format.count(found.low)} or more"
    )


def _confirmed_low(found: BreakpointSummary) -> int:
    return found.low or 0 if found.confirmed_low is None else found.confirmed_low


def steady(result: Result, name: str) -> list[float]:
    """A column of the timeline where the load was steady, or of the whole run if it almost never was."""
    active = active_rows(result)
    still = [row for earlier, row in pairwise(active) if row.get("wanted") == earlier.get("wanted")]
    values = column(still, name)
    return values if len(values) * 3 >= len(active) else column(active, name)


def _p_value(metric: str, before: Result, after: Result) -> float | None:
    if metric in _SERIES:
        series = _SERIES[metric]
        return rank_test(batch_means(steady(before, series)), batch_means(steady(after, series)))
    counted = _SHARES.get(metric)
    if counted is not None:
        return share_test(*counted(before), *counted(after))
    parsed = parse_metric(metric)
    if step_of(metric):
        return _step_p_value(parsed.family, parsed.statistic, before, after)
    if parsed.quantile is None or parsed.family not in FAMILIES:
        return None
    p_value = _quantile_test(parsed, before, after)
    if parsed.family not in ("response", "roundtrip") or p_value is None:
        return p_value
    # Replies are not independent observations, so the second-by-second test of a neighbour has to agree: both must
    # reject, as in an intersection-union test (Berger, Technometrics 24, 1982).
    neighbour = f"{parsed.family}.p99" if parsed.quantile > 0.95 else f"{parsed.family}.p50"
    neighbouring = _p_value(neighbour, before, after)
    return None if neighbouring is None else max(p_value, neighbouring)


def _step_p_value(family: str, statistic: str, before: Result, after: Result) -> float | None:
    found = [steps_of(family, result.steps) for result in (before, after)]
    if not all(found):
        return None
    if statistic == "lost":
        (lost, of), (lost_after, of_after) = (
            (sum(row.lost for row in rows), sum(row.done + row.lost for row in rows)) for rows in found
        )
        return share_test(lost, of, lost_after, of_after)
    if any(len(rows) > 1 for rows in found):
        return None  # the seconds of several roles cannot be put together
    if statistic not in ("p50", "p99"):
        return None
    series = []
    for result, (row, *_) in zip((before, after), found, strict=True):
        _, _, p50, p99 = step_columns(row.role, row.name)
        series.append(batch_means(steady(result, p50 if statistic == "p50" else p99)))
    return rank_test(*series)


def _quantile_test(metric: Metric, before: Result, after: Result) -> float | None:
    """Mood's median test at another quantile: do as many values lie above the common quantile in both runs?"""
    first, second = (distribution_in(result, metric.family) for result in (before, after))
    if first is None or second is None or metric.quantile is None:
        return None
    common = (first + second).quantile(metric.quantile)
    if common is None:
        return None
    counted = []
    for histogram, result in ((first, before), (second, after)):
        above, count = histogram.above(common), histogram.count
        if metric.family in ("fanout.spread", "delivery") and result.fanout is not None:
            # All receipts of one broadcast share its fate: there are no more trials than broadcasts.
            above, count = round(above * result.fanout.messages / count) if count else 0, result.fanout.messages
        counted += [above, count]
    return share_test(*counted)


_SHARES: dict[str, Callable[[Result], tuple[int, int]]] = {
    "connect.success": lambda r: (r.connections.ready, decided(counters_in(r))),
    "messages.timed_out": lambda r: (r.messages.timed_out, max(r.messages.sent, r.messages.timed_out)),
    "connections.dropped": lambda r: (r.connections.dropped, max(r.connections.ready, r.connections.dropped)),
    "failures.rate": lambda r: (failures(r), max(r.connections.attempted + r.messages.sent, failures(r))),
    "generator.late_sends": lambda r: (r.generator.late_sends, max(r.messages.sent, r.generator.late_sends)),
}


def _warnings(before: Result, after: Result, environments: tuple[dict[str, Any], dict[str, Any]]) -> list[str]:
    warnings = []
    if url_of(before) != url_of(after):
        warnings.append(f"the targets differ: {url_of(before)} and {url_of(after)}")
    differing = differences(_comparable(before.scenario), _comparable(after.scenario))
    if differing:
        names = {name_of(before), name_of(after)}
        which = " and ".join(sorted(names)) if len(names) > 1 else f"of {names.pop()}"
        warnings.append(f"the scenarios differ ({which}): {', '.join(differing)}")
    first, second = environments
    for key, words in (
        ("host", "the generators"),
        ("processors", "the numbers of processors"),
        ("python", "the Pythons"),
    ):
        if first.get(key) != second.get(key) and first and second:
            warnings.append(f"{words} differ: {first.get(key)} and {second.get(key)}")
    versions = first.get("versions", {}).get("wstui"), second.get("versions", {}).get("wstui")
    if None not in versions and versions[0] != versions[1]:
        warnings.append(f"the versions of wstui differ: {versions[0]} and {versions[1]}")
    for letter, result, other in (("first", before, after), ("second", after, before)):
        others = {family_of(step) for step in other.steps}
        if alone := [step.name for step in result.steps if family_of(step) not in others]:
            warnings.append(f"only the {letter} run has the step{'s' * (len(alone) > 1)} {', '.join(alone)}")
        if result.verdict.aborted:
            warnings.append(f"the {letter} run was cut short after {result.duration_s:.0f} s: {result.verdict.reason}")
    limited = [result.verdict.generator_limited or bool(result.generator.limited_by) for result in (before, after)]
    if all(limited):
        warnings.append("both runs were limited by their generators: they say little about the server")
    elif any(limited):
        letter = "first" if limited[0] else "second"
        warnings.append(f"the {letter} run was limited by its generator: it says little about the server")
    return warnings


def _comparable(scenario: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of a scenario that shape the load: not its name, its limits or its target."""
    kept = {key: value for key, value in scenario.items() if key not in ("name", "description", "thresholds")}
    target = kept.get("target")
    if isinstance(target, dict):
        kept["target"] = {key: value for key, value in target.items() if key != "url"}
    return kept
