"""Judges thresholds during the run and at its end."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from wstui.execution.run.limits import COMPLETE
from wstui.execution.run.result_sections import ThresholdOutcome, Verdict
from wstui.execution.run.timeline_recorder import TimelineRecorder
from wstui.execution.run.window import Window
from wstui.measure.failure import FailureGroup
from wstui.measure.format import grouped, limit_figure, limit_words
from wstui.measure.snapshot import Counters
from wstui.scenario.errors import BadValue
from wstui.scenario.model import Scenario, Threshold
from wstui.scenario.role_inputs import steps_of
from wstui.scenario.threshold import FIGURES, parse_limit, parse_metric
from wstui.scenario.units import format_duration

GROWING = frozenset(name for name, unit in FIGURES.items() if not unit)
"""Metrics that are counts since the beginning."""


def judged_by(scenario: Scenario) -> list[Threshold]:
    """Return a scenario's thresholds, or the default ones: every client connects and stays, every message is answered
    once and as expected, and nothing is lost of what the scenario follows. A search uses its own thresholds only.
    """
    if scenario.thresholds or scenario.breakpoint is not None:
        return list(scenario.thresholds)
    messages, roles = scenario.messages, scenario.roles
    asks = not messages.is_one_way
    numbered = any(role.sequence for role in roles)
    zero = {
        "connections.dropped": True,
        "connections.unanswered_pings": scenario.target.ping_every is not None and not messages.slow_readers,
        "messages.timed_out": asks,
        "messages.duplicates": asks,
        # Pong frames may come unasked (RFC 6455 5.5.3), and roles hear what is meant for others.
        "messages.unmatched": asks and not roles and messages.exchange != "ping",
        "messages.invalid_texts": True,
        "messages.broken_expectations": bool(roles),
        "messages.failed_steps": bool(roles),
        "subscribe.leaks": bool(messages.subscribe),
        "sequence.gaps": numbered,
        "sequence.repeats": numbered,
        "sequence.disorder": numbered,
        "fanout.duplicates": messages.fanout == "on",
    }
    every = {
        "auth.correct" if scenario.auth.kind == "mix" else "connect.success": True,
        "subscribe.acks": bool(messages.subscribe),
    }
    defaults = [(metric, ">= 100%") for metric, applies in every.items() if applies]
    defaults += [(metric, "<= 0") for metric, applies in zero.items() if applies]
    if messages.fanout == "on":
        defaults.append(("fanout.completeness", f">= {COMPLETE * 100:g}%"))
    return [Threshold(metric=metric, limit=limit) for metric, limit in defaults]


def judge(
    scenario: Scenario,
    thresholds: Sequence[Threshold],
    recorder: TimelineRecorder,
    active_s: float,
    *,
    final: bool,
) -> list[ThresholdOutcome]:
    """Judge the thresholds of `judged_by`. Without a figure one is undecided, and at the end broken."""
    outcomes = []
    whole: Window | None = None
    default = not scenario.thresholds
    for threshold in thresholds:
        if threshold.stage:
            window = recorder.named(threshold.stage, active_s)
        else:
            whole = window = whole or recorder.whole(active_s)
        outcomes.append(outcome_of(threshold, window, final=final, default=default))
    return outcomes


def undecided(scenario: Scenario) -> list[ThresholdOutcome]:
    """Return the thresholds before the start."""
    default = not scenario.thresholds
    return [outcome_of(threshold, None, final=False, default=default) for threshold in judged_by(scenario)]


def outcome_of(threshold: Threshold, window: Window | None, *, final: bool, default: bool = False) -> ThresholdOutcome:
    """Judge a threshold in a window of the run."""
    metric = parse_metric(threshold.metric)
    limit = parse_limit(threshold.limit, threshold.metric)
    value = window.figure(metric) if window is not None else None
    passed: bool | None = limit.is_kept_by(value) if value is not None else False
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
    # A script may send nothing, and only listen.
    listened = counters.received and any(role.script for role in scenario.roles)
    if counters.sent or listened or not sends(scenario):
        return ""
    if counters.dropped:
        return (
            f"no message was sent: {grouped(counters.dropped)} of {grouped(counters.ready)} ready clients were dropped"
        )
    settle = f"settle {format_duration(scenario.target.settle)}, " if scenario.target.ready == "open" else ""
    return f"no load was made: no message was sent ({settle}every {format_duration(scenario.messages.every)}, {lasted})"


def sends(scenario: Scenario) -> bool:
    """Return whether clients should send messages. A search may ask for connections alone."""
    if scenario.breakpoint is not None or scenario.messages.slow_readers >= 1:
        return False
    # Steps may also wait for pushes, or make HTTP requests. A protocol has keys of its own for what it sends.
    return not scenario.listens and (
        not scenario.roles
        or any(role.script for role in scenario.roles)
        or any(
            step.sources or step.model_extra
            for role in scenario.roles
            for key, step in steps_of(role)
            if key[0] == "loop"
        )
    )


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
    invalid: str = "",
    unreached: int = 0,
) -> Verdict:
    """Return the verdict of a run.

    `ended_by` says why it ended early, or "", `aborted` whether the operator did it, `drained` whether by a drain,
    `lost` whether all workers were lost, `script_failed` whether a script is wrong, `missing` why no load was made,
    `invalid` why the response times are not true. A run with `unreached` planned clients never passes.
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
    elif invalid:
        reason = f"the response times are not true: {invalid}, and hear replies to others"
    elif broken or unreached:
        reasons = [threshold_words(o) for o in broken] or [f"{unreached} planned clients were not connected by the end"]
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
        passed=not (broken or ended_by or unreachable or unreached or missing or invalid),
        reason=reason,
        generator_limited=bool(limited_by),
        aborted=aborted,
        unreachable=unreachable,
        thresholds=list(outcomes),
        generator_lost=lost,
        no_load=no_load,
        drained=drained,
        script_failed=script_failed,
        invalid=bool(invalid) and not (ended_by or unreachable or missing),
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


def threshold_words(outcome: ThresholdOutcome) -> str:
    """Return a threshold with its figure: "response.p99 in hold was 31 ms (limit < 20 ms)"."""
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
