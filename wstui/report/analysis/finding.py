"""One finding about a run, and the stages that show it."""

from __future__ import annotations

from dataclasses import dataclass

from wstui.execution.run.result import Result
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
