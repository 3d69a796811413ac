"""The tables of machines, roles and steps: target, generator and hosts; steps, rounds and numbered messages."""

from __future__ import annotations

from collections.abc import Iterator

from wstui.execution.run.machine_sections import TargetSummary
from wstui.execution.run.result import Result
from wstui.execution.run.role_sections import StepSummary
from wstui.measure import format
from wstui.report.model.labels import Tone
from wstui.report.model.table import Column, Row, Style, Table


def target(seen: TargetSummary | None) -> Table | None:
    """Return the target's own account, and where clients saw something else."""
    if seen is None:
        return None
    facts = list(_claims(seen))
    well = seen.state == "healthy" and not seen.troubled
    sign, tone = ("✓", Tone.GOOD) if well else ("▲", Tone.NEAR)
    columns = [Column("state", number=False, strong=True), *(Column(word, strong=True) for word, _ in facts)]
    row = Row([f"{sign} {seen.state}", *(value for _, value in facts)], tone)
    note = "What the server says at /health, /metrics and /stats; clients are the ones to believe."
    return Table("Target, by its own account", columns, [row], Style.FACTS, (note,), seen.differences)


def _claims(seen: TargetSummary) -> Iterator[tuple[str, str]]:
    yield "in trouble", f"{format.count(seen.troubled)} of {format.count(seen.polls)} polls"
    if seen.connections_claimed is not None:
        claimed, clients = format.count(seen.connections_claimed), format.count(seen.connections_open)
        yield "connections claimed / open", f"{claimed} / {clients}"
    if seen.delivered_claimed is not None:
        claimed, received = format.count(seen.delivered_claimed), format.count(seen.delivered_received)
        yield "deliveries claimed / received", f"{claimed} / {received}"
    if seen.memory_first_mib is not None and seen.memory_last_mib is not None:
        first, last = format.significant(seen.memory_first_mib, 3), format.significant(seen.memory_last_mib, 3)
        yield "memory", f"{first} → {last} MiB"
    if seen.memory_growth_mib_per_hour is not None:
        told = format.growth(seen.memory_growth_mib_per_hour, seen.memory_growth_uncertainty, seen.memory_steady_s)
        yield "growth under steady load", told


def generator(run: Result) -> Table | None:
    """Return how this generator fared."""
    seen = run.generator
    if not seen.workers and not seen.limited_by:
        return None
    facts = [
        ("workers", f"{seen.workers}" + (f", {seen.workers_lost} lost" if seen.workers_lost else "")),
        ("CPU mean", format.percentage(seen.cpu)),
        ("CPU max", format.percentage(seen.cpu_max)),
        ("loop lag p99", format.milliseconds(seen.loop_lag_ms.p99)),
        ("send delay p99", format.milliseconds(seen.send_delay_ms.p99)),
        ("late sends", format.count(seen.late_sends)),
        ("open files", format.count(seen.open_files)),
    ]
    columns = [Column(word, strong=True) for word, _ in facts]
    warnings = [f"limited: {reason}" for reason in seen.limited_by]
    notes = () if seen.limited_by else ("It was not the limit.",)
    return Table("Generator", columns, [Row([text for _, text in facts])], Style.FACTS, notes, warnings)


def hosts(run: Result) -> Table | None:
    """The hosts that made the load, if it was not the operator's."""
    rows = [
        Row(
            [
                f"✗ {host.name}" if host.lost else host.name,
                f"{host.workers}" + (f", {host.workers_lost} lost" if host.workers_lost else ""),
                format.count(host.ready),
                format.count(host.sent),
                format.count(host.clients_max),
                format.percentage(host.cpu_max),
                format.milliseconds(host.loop_lag_max_ms),
                format.milliseconds(host.round_trip_ms),
            ],
            Tone.BAD if host.lost else Tone.PLAIN,
        )
        for host in run.generator.hosts
    ]
    names = ("workers", "ready", "sent", "clients", "CPU max", "loop lag max", "away")
    lost = [f"{host.name} was lost: {host.lost}" for host in run.generator.hosts if host.lost]
    return Table("Hosts", [Column("host", number=False), *map(Column, names)], rows, warnings=lost) if rows else None


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
