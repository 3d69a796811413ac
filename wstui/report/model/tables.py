"""The tables of a run as plain cells, for HTML and Markdown: what each column means stands in its head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wstui.execution.run.result import FanOutSummary, Result
from wstui.execution.run.result_sections import Latency, SlowReadersResult, StepSummary, TargetSummary
from wstui.report.model import breakpoint_table, format
from wstui.report.model.host_table import HEAD, first_receipt, host_rows, lost_hosts
from wstui.report.model.labels import Tone, ramp_rates
from wstui.report.model.stage_cells import STAGE_HEAD, stage_cells

QUANTILES = ("mean", "min", "p50", "p90", "p95", "p99", "p999", "max")
MOST_TYPES = 50


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table; `tone` colours its first cell."""

    cells: list[str]
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a title. The first `left` columns hold words, all others numbers; `notes` stand below it.

    `warnings` are sentences about what is not as it should be.
    """

    title: str
    head: list[str]
    lines: list[Line]
    left: int = 1
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def tables(run: Result) -> list[Table]:
    """Every table that the run has figures for, in the order in which they are read."""
    found = (
        _connections(run),
        _tokens(run),
        _subscriptions(run),
        _slow_readers(run.slow_readers),
        _latency(run),
        _fan_out(run.fanout),
        _steps(run),
        _roles(run),
        _sequence(run),
        _messages(run),
        _types(run),
        _stages(run),
        _target(run.target),
        _hosts(run),
    )
    return [table for table in found if table is not None]


def search(run: Result) -> Table | None:
    """The curve of latency against load, where the run looked for a limit."""
    found = run.breakpoint
    if found is None:
        return None
    lines = [
        Line(breakpoint_table.row(found, step), breakpoint_table.step_sign(step).tone)
        for step in breakpoint_table.points(found)
    ]
    return Table("Breakpoint", breakpoint_table.head(found), lines, notes=(found.sentence,))


def _connections(run: Result) -> Table:
    seen = run.connections
    numbers = [
        ("attempted", seen.attempted),
        ("ready", seen.ready),
        ("refused", seen.refused),
        ("timed out", seen.timed_out),
        ("failed", seen.failed),
        ("drained", seen.drained),
        ("dropped later", seen.dropped),
    ]
    if seen.reconnect_attempts or seen.reconnects or seen.reconnects_given_up:
        numbers += [("came back", seen.reconnects), ("gave up", seen.reconnects_given_up)]
    if seen.reconnects_missing:
        numbers.append(("not back at the end", seen.reconnects_missing))
    if seen.unreached:
        numbers.append(("never connected", seen.unreached))
    ramps = tuple(
        f"{ramp.stage}: {format.per_second(ramp.achieved)} of {format.per_second(ramp.planned)} planned"
        for ramp in ramp_rates(run)
    )
    cells = [*(format.count(number) for _, number in numbers), format.percentage(seen.success_rate)]
    return Table("Connections", [*(word for word, _ in numbers), "success"], [Line(cells)], 0, ramps)


def _tokens(run: Result) -> Table | None:
    """Who was let in, where the scenario mixed good tokens with bad ones."""
    if not run.auth:
        return None
    lines = []
    for row in run.auth:
        right = row.correct == row.attempted
        numbers = [format.count(number) for number in (row.attempted, row.ready, row.refused, row.other)]
        cells = ["✓ as expected" if right else "✗ not as expected", row.kind.replace("_", " "), row.expected, *numbers]
        lines.append(Line(cells, Tone.GOOD if right else Tone.BAD))
    head = ["", "token", "expected", "attempted", "ready", "refused", "other"]
    return Table("Tokens", head, lines, 3, ("Other: ended without an answer to the token, which proves nothing.",))


def _subscriptions(run: Result) -> Table | None:
    """Clients that asked for some tokens only."""
    seen = run.subscriptions
    if seen is None:
        return None
    good = seen.acknowledged == seen.asked and not seen.filter_leaks
    cells = [
        "✓ kept" if good else "✗ broken",
        *(format.count(number) for number in (seen.asked, seen.acknowledged, seen.filter_leaks)),
    ]
    note = "Leaks: messages about none of the tokens that a client had asked for."
    head = ["", "asked", "acknowledged", "filter_leaks"]
    return Table("Subscriptions", head, [Line(cells, Tone.GOOD if good else Tone.BAD)], notes=(note,))


def _slow_readers(seen: SlowReadersResult | None) -> Table | None:
    """Clients that did not read, and what became of them."""
    if seen is None:
        return None
    lines = [Line([how, format.count(number)]) for how, number in seen.endings.items()]
    lines.append(Line(["stayed to the end", format.count(max(seen.clients - seen.closed, 0))]))
    clients = f"{format.count(seen.clients)} client{'' if seen.clients == 1 else 's'}"
    note = f"{clients} stopped reading; the server ended {format.count(seen.closed)}."
    return Table("Slow readers", ["how they ended", "clients"], lines, notes=(note,))


STEP_HEAD = ("step", "role", "count", "lost", "failed", "late", "p50", "p95", "p99", "max", "round trip p50", "p99 ")


def step_cells(step: StepSummary) -> list[str]:
    """A named step as a row under `STEP_HEAD`."""
    response, round_trip = step.response_ms, step.round_trip_ms
    latencies = (response.p50, response.p95, response.p99, response.max, round_trip.p50, round_trip.p99)
    name = step.name if step.kind == "step" else f"{step.name} ({step.kind})"
    counts = (step.done, step.lost, step.failed, step.late)
    return [name, step.role, *map(format.count, counts), *(format.significant(value, 3) for value in latencies)]


def _steps(run: Result) -> Table | None:
    """The named steps of roles."""
    if not run.steps:
        return None
    lines = [Line(step_cells(step), Tone.NEAR if step.lost or step.failed else Tone.PLAIN) for step in run.steps]
    return Table("Steps, ms", list(STEP_HEAD), lines, 2)


def _roles(run: Result) -> Table | None:
    if not run.roles:
        return None
    lines = [
        Line([role.name, *map(format.count, (role.ready, role.rounds, role.completed, role.failed, role.cut))])
        for role in run.roles
    ]
    return Table("Roles", ["role", "became ready", "rounds", "completed", "failed", "cut short"], lines)


def _sequence(run: Result) -> Table | None:
    seen = run.sequence
    if seen is None:
        return None
    cells = [format.count(number) for number in (seen.received, seen.gaps, seen.repeats, seen.disorder)]
    tone = Tone.BAD if seen.gaps or seen.repeats or seen.disorder else Tone.GOOD
    return Table("Numbered messages", ["received", "missing", "repeated", "out of order"], [Line(cells, tone)], 0)


def _latency(run: Result) -> Table:
    named: list[tuple[str, Latency]] = [
        ("response", run.latency_ms.response),
        ("round trip", run.latency_ms.round_trip),
        ("connect", run.latency_ms.connect),
    ]
    if run.latency_ms.reconnect.count:
        named.append(("reconnect", run.latency_ms.reconnect))
    if run.fanout is not None:
        named += [("fan-out spread", run.fanout.spread_ms), ("delivery", run.fanout.delivery_ms)]
    head = ["", "count", *("p99.9" if quantile == "p999" else quantile for quantile in QUANTILES)]
    return Table("Latency, ms", head, [Line([name, *_distribution(latency)]) for name, latency in named])


def _hosts(run: Result) -> Table | None:
    """The machines that made the load, where it was not the operator's."""
    lines = [Line(row, Tone.BAD if row[0].startswith("✗") else Tone.PLAIN) for row in host_rows(run)]
    return Table("Hosts", list(HEAD), lines, warnings=tuple(lost_hosts(run))) if lines else None


def _distribution(latency: Latency) -> list[str]:
    values = (format.significant(getattr(latency, quantile), 3) for quantile in QUANTILES)
    return [format.count(latency.count), *values]


def _fan_out(seen: FanOutSummary | None) -> Table | None:
    if seen is None:
        return None
    rows = [("all", seen.messages, seen.completeness, seen.duplicates, seen.spread_ms)]
    rows += [
        (name, kind.messages, kind.completeness, kind.duplicates, kind.spread_ms)
        for name, kind in list(seen.by_type.items())[:MOST_TYPES]
    ]
    lines = [
        Line(
            [
                name,
                format.count(messages),
                format.percentage(completeness),
                format.count(duplicates),
                format.milliseconds(spread.p50),
                format.milliseconds(spread.p99),
            ]
        )
        for name, messages, completeness, duplicates, spread in rows
    ]
    notes = [
        "Completeness: receivers ÷ clients that were open throughout; "
        f"spread: from the first receipt {first_receipt(seen)}."
    ]
    if seen.late:
        notes.append(f"{format.count(seen.late)} receipts came after the time in which a broadcast is followed.")
    if seen.delivery_ms.offset_ms is not None:
        offset = format.signed_ms(seen.delivery_ms.offset_ms)
        give_or_take = format.milliseconds(seen.delivery_ms.uncertainty_ms)
        notes.append(f"Delivery is corrected by the clock offset, {offset} ± {give_or_take}.")
    head = ["broadcasts", "messages", "completeness", "duplicates", "spread p50", "spread p99"]
    return Table("Fan-out", head, lines, notes=tuple(notes))


def _messages(run: Result) -> Table:
    seen = run.messages
    head = ["sent", "received", "sent/s", "received/s", "timed out", "late", "unmatched", "duplicates", "out", "in"]
    numbers = (seen.timed_out, seen.late, seen.unmatched, seen.duplicates)
    cells = [
        format.count(seen.sent),
        format.count(seen.received),
        format.per_second(seen.sent_per_second),
        format.per_second(seen.received_per_second),
        *(format.count(number) for number in numbers),
        format.size(seen.bytes_sent),
        format.size(seen.bytes_received),
    ]
    if seen.broken_expectations:
        head.append("not as expected")
        cells.append(format.count(seen.broken_expectations))
    for word, number in (("altered", seen.altered), ("not UTF-8", seen.invalid_texts)):
        if number:
            head.append(word)
            cells.append(format.count(number))
    if seen.no_reply_expected:
        head.append("wanting no reply")
        cells.append(format.count(seen.no_reply_expected))
    if seen.abandoned:
        head.append("in flight" if run.verdict.running else "abandoned")
        cells.append(format.count(seen.abandoned))
    out, back = seen.bytes_sent_inflated, seen.bytes_received_inflated
    compressed = (out or back) and (out, back) != (seen.bytes_sent, seen.bytes_received)
    notes = (f"Without compression {format.size(out)} out, {format.size(back)} in.",) if compressed else ()
    return Table("Messages", head, [Line(cells)], 0, notes)


def _types(run: Result) -> Table | None:
    kinds = sorted(run.messages.by_type.items(), key=lambda item: -item[1])
    if not kinds:
        return None
    lines = [Line([kind, format.count(number)]) for kind, number in kinds[:MOST_TYPES]]
    notes = (f"… and {len(kinds) - MOST_TYPES} further types.",) if len(kinds) > MOST_TYPES else ()
    return Table("Messages by type", ["type", "received"], lines, notes=notes)


def _stages(run: Result) -> Table | None:
    lines = [Line(stage_cells(stage)) for stage in run.stages]
    return Table("Stages", list(STAGE_HEAD), lines) if lines else None


def _target(seen: TargetSummary | None) -> Table | None:
    """What the target said of itself, and where that is not what the clients saw."""
    if seen is None:
        return None
    facts = list(_claims(seen))
    well = seen.state == "healthy" and not seen.troubled
    sign, tone = ("✓", Tone.GOOD) if well else ("▲", Tone.NEAR)
    line = Line([f"{sign} {seen.state}", *(value for _, value in facts)], tone)
    note = "What the server says at /health, /metrics and /stats; clients are the ones to believe."
    head = ["state", *(word for word, _ in facts)]
    return Table("Target, by its own account", head, [line], notes=(note,), warnings=tuple(seen.differences))


def _claims(seen: TargetSummary) -> Iterator[tuple[str, str]]:
    yield "polls in trouble", f"{format.count(seen.troubled)} of {format.count(seen.polls)}"
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
