"""Findings in words: what limited the run, since when, in which stages, and where to look next.

Each finding names the figures that it rests on. A run in which all is well has none: nothing is said for the sake of
saying something.
"""

from __future__ import annotations

from collections.abc import Callable

from wstui.execution.run.limits import SILENT_S, SLOW_RAMP
from wstui.execution.run.result import Result
from wstui.load.lease import SILENCE
from wstui.measure import format
from wstui.report.analysis.connection_rules import drops, network, on_entry, proxy, refusals, slow_accept, unreached
from wstui.report.analysis.finding import Finding, addresses_hit, most_frequent, remedy, stages_since, top_failure
from wstui.report.analysis.latency_rules import slow_responses
from wstui.report.analysis.message_rules import (
    OWN_LIMITS,
    broken_expectations,
    broken_protocol,
    failed_steps,
    fan_out,
    lost_replies,
    no_replies,
    numbered,
    odd_replies,
    own_limit,
    silent_pings,
)
from wstui.report.model.labels import ramp_rates

MOST = 5
_FREE_OPERATOR = (
    "Look at what stopped wstui or took its processor; another machine can lead the run, with the load on --hosts"
)


def findings(result: Result) -> list[Finding]:
    """The findings of a run, the one that casts doubt on all others first; empty when all is well."""
    if result.verdict.no_load:
        return [_no_load(result)]
    if not result.connections.attempted and not result.verdict.unreachable:
        return []
    found = [finding for rule in _RULES if (finding := rule(result)) is not None]
    if found and found[0].cause == "generator":
        # What this generator may have caused itself is not held against the server: it delays replies, but loses none.
        own = {"latency", "slow ramp"} if lost_replies(result) else {"latency", "slow ramp", "no replies"}
        found = [finding for finding in found if finding.cause not in own]
    return found[:MOST]


def _no_load(result: Result) -> Finding:
    local = next((failure for failure in result.failures if failure.local), None)
    limit = own_limit(result)
    return Finding(
        "no load",
        "No load was made: this says nothing about the target.",
        result.verdict.reason.removeprefix("no load was made: "),
        (limit.next_step if limit is not None else remedy(result, local) or "`wstui check` names what is missing here")
        if local is not None
        else "Make the run last longer than clients need to be ready and to send once: `wstui presets validate`",
    )


def _generator(result: Result) -> Finding | None:
    seen = result.generator
    local = [failure for failure in result.failures if failure.local]
    if local and all(failure.kind in OWN_LIMITS for failure in local) and len(seen.limited_by) <= len(local):
        return None  # a limit of the scenario's: said in words of its own
    if not seen.limited_by and not local:
        return None
    reasons = list(seen.limited_by) or [f"{format.count(failure.count)} × {failure.message}" for failure in local]
    began = [event.at_s for event in result.events if event.kind in ("generator", "worker")]
    began += [failure.first_s for failure in local]
    lost = [failure for failure in local if failure.kind == "worker lost"]
    if lost and all(SILENCE in failure.message for failure in lost):
        next_step = _FREE_OPERATOR
    elif seen.other_programs:
        next_step = "End the other programs, or make the load from another machine: less load would not help much"
    else:
        next_step = "Make less load from here (--scale 0.5) or give it more cores or hosts: `wstui calibrate`"
    return Finding(
        "generator",
        "This generator was the limit: the figures say little about the server.",
        "; ".join(reasons),
        next_step,
        min(began, default=None),
        stages_since(result, min(began, default=None)),
    )


def _operator(result: Result) -> Finding | None:
    stalled_s = result.generator.operator_stalled_s
    if stalled_s < SILENT_S:
        return None  # a moment: the timeline has a mark for each
    return Finding(
        "operator",
        f"The operator's process stood still for {format.duration(stalled_s)}; the load went on.",
        "stages and commands waited meanwhile, and the timeline has one row for each such interval; all was counted",
        _FREE_OPERATOR,
    )


def _unreachable(result: Result) -> Finding | None:
    if not result.verdict.unreachable:
        return None
    top = most_frequent(result.failures, lambda failure: not failure.local)
    return Finding(
        "unreachable",
        "No client became ready.",
        top_failure(top) + addresses_hit([top]) if top else result.verdict.reason,
        remedy(result, top)
        or (on_entry(top) if top else "")
        or "`wstui check` tries one client all the way and names what is missing",
    )


def _slow_ramp(result: Result) -> Finding | None:
    slow = [ramp for ramp in ramp_rates(result) if ramp.achieved < SLOW_RAMP * ramp.planned and ramp.missing >= 1]
    if not slow or result.verdict.aborted or result.verdict.unreachable:
        return None
    worst = min(slow, key=lambda ramp: ramp.achieved / ramp.planned)
    return Finding(
        "slow ramp",
        "Clients came more slowly than planned.",
        f"{format.per_second(worst.achieved)} of {format.per_second(worst.planned)} planned in {worst.stage}",
        "Look at this generator's loop lag and at how long a connection takes",
        stages=tuple(ramp.stage for ramp in slow),
    )


_RULES: tuple[Callable[[Result], Finding | None], ...] = (
    _generator,
    _unreachable,
    refusals,
    slow_responses,
    own_limit,
    drops,
    broken_protocol,
    broken_expectations,
    no_replies,
    odd_replies,
    failed_steps,
    silent_pings,
    slow_accept,
    unreached,
    proxy,
    network,
    fan_out,
    numbered,
    _slow_ramp,
    _operator,
)
