"""Judges thresholds, while the run goes and at its end."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.execution.figures import Scope
from wstui.execution.record import Recorder
from wstui.execution.result import ThresholdOutcome, Verdict
from wstui.scenario.model import Scenario, Threshold
from wstui.scenario.threshold import FIGURES, parse_limit, parse_metric

GROWING = frozenset(name for name, unit in FIGURES.items() if not unit)
"""Metrics that are counts since the beginning."""
NEAR = 0.8
"""Above this share of its limit a figure is near it."""


def judge(scenario: Scenario, recorder: Recorder, active_s: float, *, final: bool) -> list[ThresholdOutcome]:
    """Each threshold against its figure. What was never measured is undecided, and at the end it is not kept."""
    outcomes = []
    whole: Scope | None = None
    for threshold in scenario.thresholds:
        if threshold.stage:
            scope = recorder.named(threshold.stage, active_s)
        else:
            whole = scope = whole or recorder.whole(active_s)
        outcomes.append(outcome_of(threshold, scope, final=final))
    return outcomes


def undecided(scenario: Scenario) -> list[ThresholdOutcome]:
    """The thresholds before anything was measured."""
    return [outcome_of(threshold, None, final=False) for threshold in scenario.thresholds]


def outcome_of(threshold: Threshold, scope: Scope | None, *, final: bool) -> ThresholdOutcome:
    """One threshold against its figure in a stretch of the run."""
    metric = parse_metric(threshold.metric)
    limit = parse_limit(threshold.limit, threshold.metric)
    value = scope.figure(metric) if scope is not None else None
    passed: bool | None = limit.holds(value) if value is not None else False
    if not passed and not final and (value is None or (metric.name in GROWING and limit.op in (">", ">="))):
        passed = None  # what only grows may still reach it
    return ThresholdOutcome(
        threshold.metric,
        threshold.limit,
        value,
        passed,
        threshold.stage,
        limit.unit,
        None if value is None else limit.used(value),
    )


def conclude(
    outcomes: Sequence[ThresholdOutcome],
    *,
    limited_by: Sequence[str],
    ended_by: str,
    aborted: bool,
    unreachable: bool = False,
    lost: bool = False,
    unreached: int = 0,
) -> Verdict:
    """The verdict of a run. `ended_by` says why it ended before its plan did ("" when it did not), `aborted`
    whether that was the operator's wish, `lost` whether no load process was left. A run is never passed in which
    `unreached` planned clients did not connect."""
    broken = [o for o in outcomes if not o.passed]
    if unreachable:
        reason = "no client became ready: the target could not be loaded"
    elif ended_by:
        reason = ended_by
    elif broken or unreached:
        reasons = [explain(o) for o in broken] or [f"{unreached} planned clients were not connected by the end"]
        reason = "; ".join(reasons)
        if limited_by:
            reason += f"; but the generator was the limit: {', '.join(limited_by)}"
    elif limited_by:
        reason = f"all thresholds kept, but the generator was the limit: {', '.join(limited_by)}"
    elif outcomes:
        reason = f"all {len(outcomes)} thresholds kept" if len(outcomes) > 1 else "the threshold was kept"
    else:
        reason = "no thresholds to judge by"
    return Verdict(
        passed=not broken and not ended_by and not unreachable and not unreached,
        reason=reason,
        generator_limited=bool(limited_by),
        aborted=aborted,
        unreachable=unreachable,
        thresholds=list(outcomes),
        generator_lost=lost,
    )


def explain(outcome: ThresholdOutcome) -> str:
    """One broken threshold in words."""
    where = f" in {outcome.stage}" if outcome.stage else ""
    if outcome.value is None:
        why = ": that takes a minute of steady load" if outcome.metric == "target.memory_growth" else ""
        return f"{outcome.metric}{where} was never measured{why} (limit {outcome.limit})"
    figure = written(outcome.value, parse_limit(outcome.limit).value)
    return f"{outcome.metric}{where} was {figure}{outcome.unit} (limit {outcome.limit})"


def written(value: float, bound: float) -> str:
    """A figure in four digits, and in more where it would look like its bound: 99.998 is not 100."""
    texts = [f"{value:.{digits}g}" for digits in (4, 6, 9, 17)]
    text = next((text for text in texts if float(text) != bound), texts[0])
    return f"{value:.0f}" if "e+" in text else text
