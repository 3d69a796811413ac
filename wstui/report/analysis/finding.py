"""A finding about a run, the stages that show it, and the figures it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from wstui.execution.preflight.advice import for_failure
from wstui.execution.run.result import Result
from wstui.execution.run.result_sections import FailureSummary
from wstui.measure import format


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause that limited the run.

    `cause` is a word for programs ("generator", "unreachable", "rate limit", "refusals", "slow accept", "proxy",
    "network", "drops", "max size", "unsendable", "protocol", "expectations", "no replies", "replies", "fan-out",
    "latency", "slow ramp", "operator"); `began_s` is None where no time can be told; `stages` show it.
    """

    cause: str
    text: str
    evidence: str
    next_step: str
    began_s: float | None = None
    stages: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """The finding on one line: what, since when, where."""
        when = f" ({self.when})" if self.when else ""
        return self.text.removesuffix(".") + when

    @property
    def when(self) -> str:
        """Since when and in which stages, in words; "" where that is not known."""
        since = "" if self.began_s is None else f"from {format.clock(self.began_s)} on"
        where = f"in {', '.join(self.stages)}" if self.stages else ""
        return ", ".join(part for part in (since, where) if part)


def stages_since(result: Result, began_s: float | None) -> tuple[str, ...]:
    """The names of the stages from a time on; none where the time is not known."""
    return stages_between(result, began_s, None)


def stages_between(result: Result, began_s: float | None, ended_s: float | None) -> tuple[str, ...]:
    """The names of the stages that lie between two times, the second of which may be open."""
    if began_s is None:
        return ()
    return tuple(
        stage.name
        for stage in result.stages
        if stage.ended_s > began_s and (ended_s is None or stage.started_s <= ended_s)
    )


MOST_ADDRESSES = 4
"""So many addresses of the target are named."""


def counted_in(result: Result, outcome: str, or_else: Callable[[FailureSummary], bool]) -> list[FailureSummary]:
    """The target's failures that make up a count; `or_else` picks them where a stored result does not know."""
    known = any(failure.outcome for failure in result.failures)
    return [f for f in result.failures if not f.local and (f.outcome == outcome if known else or_else(f))]


def top_failure(failure: FailureSummary) -> str:
    said = failure.message if failure.kind in failure.message.lower() else f"{failure.kind}, {failure.message}"
    return f"{format.count(failure.count)} × {said}"


def clients_hit(failures: Sequence[FailureSummary]) -> str:
    """Some of the clients that were hit, by number, and the addresses of the target, if there are several."""
    clients = sorted({sample.client for failure in failures for sample in failure.samples})
    at = addresses_hit(failures)
    if not clients:
        return at
    some = [clients[0], *clients[len(clients) // 2 : len(clients) // 2 + 1], clients[-1]]
    return f"{at}; among them client {', '.join(map(str, dict.fromkeys(some)))}"


def addresses_hit(failures: Sequence[FailureSummary]) -> str:
    """The target's addresses with how often each failed, the worst first, if clients are spread over several."""
    counts: Counter[str] = Counter()
    for failure in failures:
        counts.update(failure.addresses)
    more = f" and {len(counts) - MOST_ADDRESSES} more" if len(counts) > MOST_ADDRESSES else ""
    named = ", ".join(f"{address} ({format.count(number)} ×)" for address, number in counts.most_common(MOST_ADDRESSES))
    return f"; at {named}{more}" if named else ""


def most_frequent(
    failures: Sequence[FailureSummary], wanted: Callable[[FailureSummary], bool]
) -> FailureSummary | None:
    return max((f for f in failures if wanted(f)), key=lambda failure: failure.count, default=None)


def last_seen(failures: Sequence[FailureSummary]) -> float | None:
    return max((failure.last_s for failure in failures), default=None)


def column_at(result: Result, at_s: float, column: str) -> int:
    row: dict[str, Any] = next((row for row in result.timeline if float(row.get("at_s") or 0) >= at_s), {})
    return int(row.get(column) or 0)


def mean_of(result: Result, column: str, since_s: float, until_s: float | None) -> float:
    """The mean of a rate between two times."""
    values = [
        float(row.get(column) or 0)
        for row in result.timeline
        if float(row.get("at_s") or 0) >= since_s and (until_s is None or float(row.get("at_s") or 0) <= until_s + 1)
    ]
    return fmean(values) if values else 0.0


def remedy(result: Result, failure: FailureSummary | None) -> str:
    """Return the remedy that the first client would have been told, or ""."""
    if failure is None:
        return ""
    detail = failure.samples[0].detail if failure.samples else ""
    fix = for_failure(failure.kind, failure.message, detail, result.scenario)
    return fix[:1].upper() + fix[1:]


def finding_of(
    result: Result, seen: Sequence[FailureSummary], cause: str, text: str, next_step: str, *, evidence: str = ""
) -> Finding:
    """Return a finding that rests on failures; the `evidence` is the most frequent in words, if none is given."""
    began = min(failure.first_s for failure in seen)
    top = max(seen, key=lambda failure: failure.count)
    return Finding(
        cause,
        text,
        (evidence or top_failure(top)) + clients_hit(seen),
        next_step,
        began,
        stages_between(result, began, last_seen(seen)),
    )
