"""The words that every report shares: the verdict as glyph, word and tone, and what was planned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.result_sections import ThresholdOutcome, Verdict
from wstui.measure import format
from wstui.scenario.errors import BadValue, ScenarioError
from wstui.scenario.load_profile import peak, ramp_rate
from wstui.scenario.model import Stage
from wstui.scenario.threshold import parse_limit
from wstui.scenario.units import parse_duration, parse_rate


class Tone(StrEnum):
    """How good a piece of news is; each report has its own colour for it."""

    GOOD = "good"
    NEAR = "near"
    BAD = "bad"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Sign:
    """A verdict at a glance: never told by colour alone."""

    glyph: str
    word: str
    tone: Tone


def verdict_sign(verdict: Verdict) -> Sign:
    """The verdict as glyph and word."""
    if verdict.running:
        return Sign("▶", "RUNNING", Tone.PLAIN)
    if verdict.unreachable:
        return Sign("✗", "UNREACHABLE", Tone.BAD)
    if verdict.aborted:
        return Sign("■", "DRAINED" if verdict.drained else "ABORTED", Tone.BAD)
    if verdict.generator_lost:
        return Sign("✗", "LOST", Tone.BAD)
    if verdict.no_load:
        return Sign("✗", "NO LOAD", Tone.BAD)
    if verdict.invalid:
        return Sign("✗", "INVALID", Tone.BAD)
    if not verdict.passed:
        return Sign("✗", "FAILED", Tone.BAD)
    if verdict.generator_limited:
        return Sign("▲", "LIMITED", Tone.NEAR)
    return Sign("✓", "PASSED", Tone.GOOD)


def limit_of(outcome: ThresholdOutcome) -> str:
    """The limit of a threshold, marked where the scenario did not set it."""
    return format.limit_words(outcome.limit) + (" (default)" if outcome.default else "")


def limit_ms(outcome: ThresholdOutcome) -> float | None:
    """Return a limit on a duration in milliseconds; None if it limits something else."""
    try:
        limit = parse_limit(outcome.limit)
    except BadValue:
        return None
    return limit.value if limit.unit == "ms" else None


def threshold_sign(outcome: ThresholdOutcome) -> Sign:
    """Return whether a threshold was kept, as glyph and word."""
    if outcome.passed is None:
        return Sign("–", "not measured", Tone.NEAR)
    return Sign("✓", "kept", Tone.GOOD) if outcome.passed else Sign("✗", "broken", Tone.BAD)


def runs_of(result: Result | SuiteResult) -> list[Result]:
    """The runs in a result: one, or those of a suite."""
    return result.runs if isinstance(result, SuiteResult) else [result]


def name_of(result: Result | SuiteResult) -> str:
    return result.name if isinstance(result, SuiteResult) else str(result.scenario.get("name", "scenario"))


def url_of(result: Result) -> str:
    """The target's URL as stored (secrets masked), or "" when the scenario does not say."""
    target = result.scenario.get("target")
    return str(target.get("url", "")) if isinstance(target, dict) else ""


def route_of(result: Result) -> str:
    """Return how the target was reached, "" when there is nothing to say."""
    return result.route.text if result.route is not None else ""


def facts_of(result: Result) -> list[str]:
    """Return the target of a run, its protocol, clients, duration and start."""
    clients = peak_clients(result)
    facts = [
        url_of(result),
        route_of(result),
        f"{format.count(clients)} clients" if clients else "",
        format.duration(result.duration_s),
        f"paused {format.duration(result.paused_s)}" if result.paused_s else "",
        _moment(result.started),
    ]
    return [fact for fact in facts if fact]


def _moment(started: str) -> str:
    """Return a stored moment as people read it, in UTC as it is in every report; what is none as it is."""
    try:
        return datetime.fromisoformat(started).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except ValueError:
        return started


def peak_clients(result: Result) -> int:
    """The largest number of clients that was asked for, or that the search for the limit had; 0 if unknown."""
    if result.breakpoint is not None:
        return max((step.clients for step in result.breakpoint.steps), default=0)
    # An operator may have steered beyond the plan. Runs of earlier versions tell it in their timeline alone.
    timeline = (int(row.get("wanted") or 0) for row in result.timeline)
    return max(_planned_peak(result), result.clients_max, *timeline, 0)


def _planned_peak(result: Result) -> int:
    stages = result.scenario.get("stages")
    try:
        return peak([Stage.model_validate(stage) for stage in stages] if isinstance(stages, list) else [])
    except (ValueError, ScenarioError):  # of another version
        return max((clients for _, clients, *_ in _planned_stages(result) if clients), default=0)


@dataclass(frozen=True, slots=True)
class RampRate:
    """Connects per second in a stage that adds clients: as planned, and as they came."""

    stage: str
    planned: float
    achieved: float
    missing: float
    """Clients that had not come when the stage should have ended."""


def ramp_rates(result: Result) -> list[RampRate]:
    """Planned against achieved connects per second of each stage that adds clients, by its ramp or as arrivals.

    Neither pauses nor clients that come back are part of the plan, and stages that the operator ramped have none.
    """
    rates = []
    before: int | None = 0  # unknown once the operator has ramped
    steered = [event.at_s for event in result.events if event.kind == "operator" and " clients over " in event.text]
    for (name, clients, over, arrive), stage in zip(_planned_stages(result), result.stages, strict=False):
        clients = before if clients is None else clients
        seconds = stage.ended_s - stage.started_s if stage.active_s is None else stage.active_s
        if any(stage.started_s <= at_s < stage.ended_s for at_s in steered):
            before = None
            continue
        if before is not None and clients is not None:
            planned = ramp_rate(before, clients, over) + arrive if over else 0.0
            came = stage.connections.attempted - stage.connections.reconnect_attempts
            if planned and seconds > 0 and name == stage.name:
                rates.append(RampRate(name, planned, came / seconds, planned * min(seconds, over) - came))
        before = clients
    return rates


def _planned_stages(result: Result) -> Iterator[tuple[str, int | None, float, float]]:
    """(name, clients or None, seconds, arrivals a second) of each stage, as far as a stored scenario tells."""
    stages = result.scenario.get("stages")
    for stage in stages if isinstance(stages, list) else []:
        if not isinstance(stage, dict):
            continue
        clients, over = stage.get("clients"), stage.get("over")
        yield (
            str(stage.get("name", "")),
            clients if isinstance(clients, int) else None,
            _parsed(over, parse_duration),
            _parsed(stage.get("arrive"), parse_rate),
        )


def _parsed(text: object, parse: Callable[[str], float]) -> float:
    try:
        return parse(text) if isinstance(text, str) else 0.0
    except BadValue:
        return 0.0
