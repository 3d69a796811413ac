"""The words that every report shares: the verdict as glyph, word and tone, and what was planned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from wstui.execution.result import Result, SuiteResult, ThresholdOutcome, Verdict
from wstui.measure.visible import visible
from wstui.scenario.errors import BadValue
from wstui.scenario.quantity import parse_duration


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


def shown(text: str, limit: int = 1000) -> str:
    """Text that may come from a server, on one line and unable to steer what shows it."""
    return visible(text, limit)


def verdict_sign(verdict: Verdict) -> Sign:
    """The verdict as glyph and word."""
    if verdict.running:
        return Sign("▶", "RUNNING", Tone.PLAIN)
    if verdict.unreachable:
        return Sign("✗", "UNREACHABLE", Tone.BAD)
    if verdict.aborted:
        return Sign("■", "ABORTED", Tone.BAD)
    if verdict.generator_lost:
        return Sign("✗", "LOST", Tone.BAD)
    if not verdict.passed:
        return Sign("✗", "FAILED", Tone.BAD)
    if verdict.generator_limited:
        return Sign("▲", "LIMITED", Tone.NEAR)
    return Sign("✓", "PASSED", Tone.GOOD)


def threshold_sign(outcome: ThresholdOutcome) -> Sign:
    """Whether a threshold was kept, as glyph and word."""
    if outcome.passed is None:
        return Sign("–", "not measured", Tone.NEAR)
    return Sign("✓", "kept", Tone.GOOD) if outcome.passed else Sign("✗", "broken", Tone.BAD)


def runs_of(result: Result | SuiteResult) -> list[Result]:
    """The runs in a result: one, or those of a suite."""
    return result.runs if isinstance(result, SuiteResult) else [result]


def name_of(result: Result | SuiteResult) -> str:
    """The name of the scenario or the suite."""
    return result.name if isinstance(result, SuiteResult) else str(result.scenario.get("name", "scenario"))


def url_of(result: Result) -> str:
    """The target's URL as stored (secrets masked), or "" when the scenario does not say."""
    target = result.scenario.get("target")
    return str(target.get("url", "")) if isinstance(target, dict) else ""


def peak_clients(result: Result) -> int:
    """The largest number of clients that the scenario asks for, or that the search for its limit had; 0 if unknown."""
    if result.breakpoint is not None:
        return max((step.clients for step in result.breakpoint.steps), default=0)
    planned = max((clients for _, clients, _ in _planned_stages(result) if clients), default=0)
    # An operator may have steered beyond the plan.
    return max(planned, *(int(row.get("wanted") or 0) for row in result.timeline), 0)


@dataclass(frozen=True, slots=True)
class RampRate:
    """Connects per second in a stage that adds clients: as planned, and as they came."""

    stage: str
    planned: float
    achieved: float


def ramp_rates(result: Result) -> list[RampRate]:
    """Planned against achieved connects per second of each stage that adds clients."""
    rates = []
    before = 0
    for (name, clients, over), stage in zip(_planned_stages(result), result.stages, strict=False):
        if clients is None:
            continue
        seconds = stage.ended_s - stage.started_s
        if clients > before and over and seconds > 0 and name == stage.name:
            rates.append(RampRate(name, (clients - before) / over, stage.connections.attempted / seconds))
        before = clients
    return rates


def _planned_stages(result: Result) -> Iterator[tuple[str, int | None, float]]:
    """(name, clients or None, seconds) of each stage; a stored scenario may come from another version."""
    stages = result.scenario.get("stages")
    for stage in stages if isinstance(stages, list) else []:
        if not isinstance(stage, dict):
            continue
        clients, over = stage.get("clients"), stage.get("over")
        yield (
            str(stage.get("name", "")),
            clients if isinstance(clients, int) else None,
            _seconds(over),
        )


def _seconds(duration: object) -> float:
    try:
        return parse_duration(duration) if isinstance(duration, str) else 0.0
    except BadValue:
        return 0.0
