"""Judges thresholds during the run and at its end."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from wstui.execution.run.result_sections import ThresholdOutcome, Verdict
from wstui.execution.run.timeline_recorder import TimelineRecorder
from wstui.execution.run.window import Window
from wstui.measure.failure import FailureGroup
from wstui.measure.format import grouped, limit_figure, limit_words
from wstui.measure.snapshot import Counters
from wstui.scenario.errors import BadValue
from wstui.scenario.model import Scenario, Threshold
from wstui.scenario.threshold import FIGURES, parse_limit, parse_metric
from wstui.scenario.units import format_duration

GROWING = frozenset(name for name, unit in FIGURES.items() if not unit)
"""Metrics that are counts since the beginning."""


def judged_by(scenario: Scenario) -> list[Threshold]:
    """Return a scenario's thresholds, or the default ones: every client connects and stays, every message is answered
    as expected. A search uses its own thresholds only.
    """
    if scenario.thresholds or scenario.breakpoint is not None:
        return list(scenario.thresholds)
    messages = scenario.messages
    defaults = [
        ("auth.correct" if scenario.auth.kind == "mix" else "connect.success", ">= 100%"),
        ("connections.dropped", "<= 0"),
    ]
    if not messages.is_one_way:
        defaults.append(("messages.timed_out", "<= 0"))
    defaults.append(("messages.invalid_texts", "<= 0"))
    if scenario.roles:
        defaults.append(("messages.broken_expectations", "<= 0"))
    return [Threshold(metric=metric, limit=limit) for metric, limit in defaults]


def judge(scenario: Scenario, recorder: TimelineRecorder, active_s: float, *, final: bool) -> list[ThresholdOutcome]:
    """Judge each threshold. Without a figure it is undecided, and at the end broken."""
    outcomes = []
    whole: Window | None = None
    default = not scenario.thresholds
    for threshold in judged_by(scenario):
        if threshold.stage:
            scope = recorder.named(threshold.stage, active_s)
        else:
            whole = scope = whole or recorder.whole(active_s)
        outcomes.append(outcome_of(threshold, scope, final=final, default=default))
    return outcomes


def undecided(scenario: Scenario) -> list[ThresholdOutcome]:
    """Return the thresholds before the start."""
    default = not scenario.thresholds
    return [outcome_of(threshold, None, final=False, default=default) for threshold in judged_by(scenario)]


def outcome_of(threshold: Threshold, scope: Window | None, *, final: bool, default: bool = False) -> ThresholdOutcome:
    """Judge a threshold in a window of the run."""
    metric = parse_metric(threshold.metric)
    limit = parse_limit(threshold.limit, threshold.metric)
    value = scope.figure(metric) if scope is not None else None
    passed: bool | None = limit.holds(value) if value is not None else False
    if not passed and not final and (value is None or (metric.name in GROWING and limit.op in (">", ">="))):
        passed = None  # a growing count may still reach it
    return ThresholdOutcome(
        threshold.metric,
        threshold.limit,
        value,
        passed,
        threshold.stage,
        limit.unit,
        None if value is None else limit.used(value),
        default,
    )


_ATTEMPTS = ("refused", "timed_out", "failed")


def found_no_target(counters: Counters, failures: Sequence[FailureGroup]) -> bool:
    """Return whether no client became ready because of what the target, or the way to it, did."""
    by_target = any(group.outcome in _ATTEMPTS and not group.local for group in failures)
    return counters.attempted > 0 and not counters.ready and by_target


def missing_load(scenario: Scenario, counters: Counters, failures: Sequence[FailureGroup], run_s: float) -> str:
    """Return why a run made no load, or less than can be judged; "" when it made some."""
    lasted = f"run {format_duration(round(run_s, 1 if run_s >= 0.1 else 3))}"
    if not counters.attempted:
        return f"no load was made: no client was started ({lasted})"
    if not counters.ready:
        if local := [group for group in failures if group.local and group.outcome in _ATTEMPTS]:
            causes = ", ".join(f"{grouped(group.count)} × {group.message}" for group in local)
            return f"no load was made: no client could connect from here: {causes}"
        target = scenario.target
        waited = f"settle {format_duration(target.settle)}" if target.ready == "open" else "no welcome yet"
        return f"no load was made: the run ended before any client could be ready ({waited}, {lasted})"
    if counters.sent or not sends(scenario):
        return ""
    if counters.dropped:
        return (
            f"no message was sent: {grouped(counters.dropped)} of {grouped(counters.ready)} ready clients were dropped"
        )
    settle = f"settle {format_duration(scenario.target.settle)}, " if scenario.target.ready == "open" else ""
    return f"no load was made: no message was sent ({settle}every {format_duration(scenario.messages.every)}, {lasted})"


def sends(scenario: Scenario) -> bool:
    """Return whether clients should send messages. A search may ask for connections alone."""
    messages = scenario.messages
    return not scenario.listens and messages.slow_readers < 1 and scenario.breakpoint is None


def conclude(
    outcomes: Sequence[ThresholdOutcome],
    *,
    limited_by: Sequence[str],
    ended_by: str,
    aborted: bool,
    drained: bool = False,
    unreachable: bool = False,
    lost: bool = False,
    script_failed: bool = False,
    missing: str = "",
    unreached: int = 0,
) -> Verdict:
    """Return the verdict of a run.

    `ended_by` says why it ended early, or "", `aborted` whether the operator did it, `drained` whether by a drain,
    `lost` whether all workers were lost, `script_failed` whether a script is wrong, `missing` why no load was made. A
    run with `unreached` planned clients never passes.
    """
    no_load = missing.startswith("no load") and not (unreachable or aborted or lost or script_failed)
    if no_load:  # limits that nothing could break were not kept
        outcomes = [msgspec.structs.replace(outcome, passed=None) for outcome in outcomes]
    broken = [o for o in outcomes if not o.passed]
    default = "default " if any(o.default for o in outcomes) else ""
    if unreachable and not script_failed:
        reason = "no client became ready: the target could not be loaded"
    elif ended_by:
        reason = ended_by
    elif missing:
        reason = missing
    elif broken or unreached:
        reasons = [explain(o) for o in broken] or [f"{unreached} planned clients were not connected by the end"]
        reason = "; ".join(reasons)
        if limited_by:
            reason += f"; but the generator was the limit: {', '.join(limited_by)}"
    elif limited_by:
        reason = f"all {default}thresholds kept, but the generator was the limit: {', '.join(limited_by)}"
    elif outcomes:
        reason = f"{all_of(len(outcomes))} {default}thresholds kept" if len(outcomes) > 1 else "the threshold was kept"
    else:
        reason = "no thresholds to judge by"  # a search judges its steps
    return Verdict(
        passed=not (broken or ended_by or unreachable or unreached or missing),
        reason=reason,
        generator_limited=bool(limited_by),
        aborted=aborted,
        unreachable=unreachable,
        thresholds=list(outcomes),
        generator_lost=lost,
        no_load=no_load,
        drained=drained,
        script_failed=script_failed,
    )


def all_of(number: int) -> str:
    """Return "both" or "all 3"."""
    return "both" if number == 2 else f"all {number}"


def kept_words(outcomes: Sequence[ThresholdOutcome]) -> str:
    """Return how many thresholds are kept; one without a figure is neither kept nor broken."""
    if not outcomes:
        return "none set"
    states = [outcome.passed for outcome in outcomes]
    kept, broken, open_ = states.count(True), states.count(False), states.count(None)
    if open_ == len(states):
        return f"{len(states)} set"
    if not open_:
        return f"{kept} of {len(states)} kept"
    return f"{kept} kept, {f'{broken} broken, ' if broken else ''}{open_} not measured yet"


def explain(outcome: ThresholdOutcome) -> str:
    """Return a broken threshold in words."""
    where = f" in {outcome.stage}" if outcome.stage else ""
    limit = limit_words(outcome.limit) + (", default" if outcome.default else "")
    if outcome.value is None:
        why = ": that takes a minute of steady load" if outcome.metric == "target.memory_growth" else ""
        return f"{outcome.metric}{where} was never measured{why} (limit {limit})"
    return f"{outcome.metric}{where} was {figure_of(outcome)} (limit {limit})"


def figure_of(outcome: ThresholdOutcome) -> str:
    """Return the figure of a threshold with its unit, in enough digits to tell it from the limit."""
    try:
        bound = parse_limit(outcome.limit).value
    except BadValue:  # stored by another version
        bound = None
    return limit_figure(outcome.value, outcome.unit, bound)
