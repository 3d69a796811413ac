"""The tables of machines: the target by its own account, this generator, and the hosts that made the load."""

from __future__ import annotations

from collections.abc import Iterator

from wstui.execution.run.machine_sections import TargetSummary
from wstui.execution.run.result import Result
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
