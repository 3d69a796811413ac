"""The tables of roles: their named steps, their rounds, and the numbered messages they follow."""

from __future__ import annotations

from wstui.execution.run.result import Result
from wstui.execution.run.role_sections import StepSummary
from wstui.measure import format
from wstui.report.model.labels import Tone
from wstui.report.model.table import Column, Row, Style, Table

STEP_COLUMNS = (
    Column("step", number=False),
    Column("role", number=False),
    Column("count"),
    Column("per second", rank=4),
    Column("p50", strong=True),
    Column("p95", rank=2),
    Column("p99", strong=True),
    Column("max"),
    Column("round trip p50", rank=7),
    Column("round trip p99", rank=6),
    Column("lost"),
    Column("late", rank=1),
    Column("failed"),
    Column("abandoned", rank=5),
    Column("duplicates", rank=8),
)


def step_row(step: StepSummary) -> Row:
    """A named step under `STEP_COLUMNS`; latencies are in milliseconds."""
    response, trip = step.response_ms, step.round_trip_ms
    latencies = [response.p50, response.p95, response.p99, response.max, trip.p50, trip.p99]
    name = step.name if step.kind == "step" else f"{step.name} ({step.kind})"
    cells = [
        name,
        step.role,
        format.count(step.done),
        format.per_second(step.per_second),
        *(format.significant(value, 3) for value in latencies),
        *map(format.count, (step.lost, step.late, step.failed, step.abandoned, step.duplicates)),
    ]
    return Row(cells, Tone.NEAR if step.lost or step.failed else Tone.PLAIN)


def login(run: Result) -> Table | None:
    """Return how clients logged in by HTTP."""
    seen = run.login
    if seen is None:
        return None
    columns = ("clients", "succeeded", "refused", "no answer", "per second", "p50", "p95", "p99", "max")
    latency = seen.latency_ms
    cells = [
        *map(format.count, (seen.clients, seen.succeeded, seen.refused, seen.unanswered)),
        format.per_second(seen.per_second),
        *(format.significant(value, 3) for value in (latency.p50, latency.p95, latency.p99, latency.max)),
    ]
    statuses = ", ".join(f"{format.count(count)} × HTTP {status}" for status, count in sorted(seen.by_status.items()))
    notes = (f"Refused: {statuses}.",) if statuses else ()
    tone = Tone.BAD if seen.refused or seen.unanswered else Tone.GOOD
    return Table("Logins, ms", [*map(Column, columns)], [Row(cells, tone)], Style.FACTS, notes=notes)


def steps(run: Result) -> Table | None:
    """The named steps, by role."""
    note = "Lost: no answer in time, at the time limit in the latencies; late: answers to lost ones."
    rows = [step_row(step) for step in run.steps if not step.kind == step.name == "login"]
    notes = [note]
    unsure = [host.clock_uncertainty_ms for host in run.generator.hosts if host.clock_uncertainty_ms is not None]
    if unsure and any(step.kind == "delivery" for step in run.steps):
        give_or_take = format.milliseconds(sum(sorted(unsure)[-2:]))
        notes.append(f"Times from a {{{{stamp}}}} of one host to another are exact to ± {give_or_take}.")
    return Table("Steps, ms", STEP_COLUMNS, rows, notes=tuple(notes)) if rows else None


def roles(run: Result) -> Table | None:
    """Return how many clients of each role became ready, and what became of their rounds."""
    rows = [
        Row([role.name, *map(format.count, (role.ready, role.rounds, role.completed, role.failed, role.cut))])
        for role in run.roles
    ]
    names = ("became ready", "rounds", "completed", "failed", "cut short")
    return Table("Roles", [Column("role", number=False), *map(Column, names)], rows) if rows else None


def sequence(run: Result) -> Table | None:
    """Gaps in the messages that are numbered."""
    seen = run.sequence
    if seen is None:
        return None
    tone = Tone.BAD if seen.gaps or seen.repeats or seen.disorder else Tone.GOOD
    cells = [format.count(number) for number in (seen.received, seen.gaps, seen.repeats, seen.disorder)]
    columns = [Column(name, strong=True) for name in ("received", "missing", "repeated", "out of order")]
    return Table("Numbered messages", columns, [Row(cells, tone)], Style.FACTS)
