"""The sections of the summary on a terminal, each as lines of at most `width` columns; none where there is nothing."""

from __future__ import annotations

from collections.abc import Sequence

from wstui.execution.run.result import Result
from wstui.execution.run.result_sections import FailureSummary, Latency
from wstui.measure.sanitize import visible
from wstui.report.analysis.diagnosis import findings as findings_of
from wstui.report.model import breakpoint_table, format
from wstui.report.model.host_table import host_lines, offset_name, spread_name
from wstui.report.model.labels import Tone, limit_of, ramp_rates, threshold_sign
from wstui.report.model.tables import STEP_HEAD, step_cells
from wstui.report.model.terminal import Paint
from wstui.report.model.text import clip, flow, paragraph, table, width_of

FAILURES_SHOWN = 10
SAMPLES_SHOWN = 2
_QUANTILES = ("mean", "min", "p50", "p90", "p95", "p99", "p999", "max")


def findings(run: Result, width: int, paint: Paint) -> list[str]:
    """What limited the run, with its evidence and what to look at next."""
    lines = []
    for finding in findings_of(run):
        headline = paragraph(visible(finding.headline), width=width, indent="    ", first="  ▲ ")
        lines += [paint.tone(line, Tone.NEAR) for line in headline]
        lines += paragraph(visible(finding.evidence), width=width, indent="    ")
        lines += paint.dim(paragraph(finding.next_step, width=width, indent="      ", first="    → "))
    return lines


def breakpoint(run: Result, width: int, paint: Paint) -> list[str]:
    """The curve of latency against load, and the sentence where the verdict does not tell it."""
    found = run.breakpoint
    if found is None:
        return []
    steps = breakpoint_table.points(found)
    rows = [breakpoint_table.head(found), *(breakpoint_table.row(found, step) for step in steps)]
    lines = table(rows, left=1, width=width)
    most = max((breakpoint_table.latency_of(found, step).p99 or 0.0 for step in steps), default=0.0)
    room = width - max(map(width_of, lines)) - 2
    for index, step in enumerate(steps, 1):
        drawn = (
            breakpoint_table.bar(breakpoint_table.latency_of(found, step).p99, most, min(room, 40)) if room >= 4 else ""
        )
        lines[index] = paint.tone(f"{lines[index]}  {drawn}".rstrip(), breakpoint_table.step_sign(step).tone)
    told = found.sentence != run.verdict.reason
    return (paragraph(visible(found.sentence), width=width, indent="  ", first="  ") if told else []) + lines


def thresholds(run: Result, width: int, paint: Paint) -> list[str]:
    """Each limit with what was measured."""
    outcomes = run.verdict.thresholds
    rows = [
        [
            threshold_sign(outcome).glyph,
            visible(outcome.metric),
            visible(limit_of(outcome)),
            format.limit_figure(outcome.value, outcome.unit),
            threshold_sign(outcome).word,
            f"in {visible(outcome.stage)}" if outcome.stage else "",
        ]
        for outcome in outcomes
    ]
    lines = table(rows, left=3, width=width)
    return [paint.tone(line, threshold_sign(outcome).tone) for line, outcome in zip(lines, outcomes, strict=True)]


def connections(run: Result, width: int) -> list[str]:
    """How the attempts fared, and how fast they came."""
    seen = run.connections
    outcomes = [
        ("refused", seen.refused),
        ("timed out", seen.timed_out),
        ("failed", seen.failed),
        ("drained", seen.drained),
        ("dropped later", seen.dropped),
        ("came back", seen.reconnects),
        ("gave up coming back", seen.reconnects_given_up),
        ("not back at the end", seen.reconnects_missing),
        ("never connected", seen.unreached),
    ]
    facts = [
        f"attempted {format.count(seen.attempted)}",
        f"ready {format.count(seen.ready)}",
        f"success {format.percentage(seen.success_rate)}",
        *(f"{word} {format.count(number)}" for word, number in outcomes if number),
    ]
    ramps = [
        f"{visible(ramp.stage)}: {format.per_second(ramp.achieved)} of {format.per_second(ramp.planned)} planned"
        for ramp in ramp_rates(run)
    ]
    if not ramps:
        ramps = [f"rate {format.per_second(seen.per_second)}"]
    return flow(facts, width=width) + flow(ramps, width=width)


def tokens(run: Result, width: int, paint: Paint) -> list[str]:
    """Who was let in, where the scenario mixed good tokens with bad ones."""
    rows = [["", "kind", "expected", "attempted", "ready", "refused", "other"]]
    tones = []
    for row in run.auth:
        right = row.correct == row.attempted
        tones.append(Tone.GOOD if right else Tone.BAD)
        numbers = [format.count(number) for number in (row.attempted, row.ready, row.refused, row.other)]
        rows.append(["✓" if right else "✗", visible(row.kind.replace("_", " ")), row.expected, *numbers])
    lines = table(rows, left=3, width=width) if run.auth else []
    return lines[:1] + [paint.tone(line, tone) for line, tone in zip(lines[1:], tones, strict=True)]


def subscriptions(run: Result, width: int) -> list[str]:
    """Clients that asked for some tokens only."""
    seen = run.subscriptions
    if seen is None:
        return []
    numbers = (("asked", seen.asked), ("acknowledged", seen.acknowledged), ("filter_leaks", seen.filter_leaks))
    return flow([f"{word} {format.count(number)}" for word, number in numbers], width=width)


def slow_readers(run: Result, width: int) -> list[str]:
    """Clients that did not read, and what became of them."""
    seen = run.slow_readers
    if seen is None:
        return []
    endings = [f"{format.count(number)} × {visible(name, 60)}" for name, number in seen.endings.items()]
    facts = [f"{format.count(seen.clients)} clients", f"ended by the server {format.count(seen.closed)}", *endings]
    return flow(facts, width=width)


def steps(run: Result, width: int, paint: Paint) -> list[str]:
    """The named steps of roles, the rounds of each role, and gaps in numbered messages."""
    if not run.steps and not run.roles:
        return []
    head, rows = list(STEP_HEAD), [[visible(cell, 60) for cell in step_cells(step)] for step in run.steps]
    if width < 100:  # the round trip is what is left out first
        head, rows = head[:-2], [row[:-2] for row in rows]
    lines = table([head, *rows], left=2, width=width) if rows else []
    lines[1:] = [
        paint.tone(line, Tone.NEAR) if step.lost or step.failed else line
        for line, step in zip(lines[1:], run.steps, strict=True)
    ]
    facts = []
    for role in run.roles:
        ends = [("failed", role.failed), ("cut short", role.cut)]
        rounds = [f"{format.count(role.completed)} rounds"] if role.rounds else []
        rounds += [f"{format.count(number)} {word}" for word, number in ends if number]
        facts.append(f"{visible(role.name, 60)}: {', '.join([f'{format.count(role.ready)} clients', *rounds])}")
    if run.sequence is not None:
        seen = run.sequence
        facts.append(
            f"numbered messages {format.count(seen.received)}: {format.count(seen.gaps)} missing, "
            f"{format.count(seen.repeats)} repeated, {format.count(seen.disorder)} out of order"
        )
    return lines + flow(facts, width=width)


def messages(run: Result, width: int) -> list[str]:
    """What was said and heard."""
    seen = run.messages
    problems = [
        ("timed out", seen.timed_out),
        ("late", seen.late),
        ("unmatched", seen.unmatched),
        ("altered", seen.altered),
        ("duplicates", seen.duplicates),
        ("not UTF-8", seen.invalid_texts),
        ("broken expectations", seen.broken_expectations),
        ("in flight" if run.verdict.running else "abandoned", seen.abandoned),
    ]
    facts = [
        f"sent {format.count(seen.sent)} ({format.per_second(seen.sent_per_second)})",
        f"received {format.count(seen.received)} ({format.per_second(seen.received_per_second)})",
        *([f"wanting no reply {format.count(seen.no_reply_expected)}"] if seen.no_reply_expected else []),
        *(f"{word} {format.count(number)}" for word, number in problems if number),
    ]
    if seen.bytes_sent or seen.bytes_received:
        facts.append(f"{format.size(seen.bytes_sent)} out, {format.size(seen.bytes_received)} in")
    out, back = seen.bytes_sent_inflated, seen.bytes_received_inflated
    if (out or back) and (out, back) != (seen.bytes_sent, seen.bytes_received):
        facts.append(f"without compression {format.size(out)} out, {format.size(back)} in")
    kinds = sorted(seen.by_type.items(), key=lambda item: -item[1])
    types = [f"{visible(kind, 40)} {format.count(number)}" for kind, number in kinds[:8]]
    if len(kinds) > 8:
        types.append(f"{len(kinds) - 8} further types")
    return flow(facts, width=width) + flow(types, width=width)


def latency(run: Result, width: int) -> list[str]:
    """The distributions, in milliseconds."""
    named: list[tuple[str, Latency]] = [
        ("response", run.latency_ms.response),
        ("round trip", run.latency_ms.round_trip),
        ("connect", run.latency_ms.connect),
        *([("reconnect", run.latency_ms.reconnect)] if run.latency_ms.reconnect.count else []),
    ]
    with_count = width >= 92
    head = ["", *(["count"] if with_count else []), *("p99.9" if q == "p999" else q for q in _QUANTILES)]
    rows = [head]
    for name, latency in named:
        rows.append(
            [
                name,
                *([format.count(latency.count)] if with_count else []),
                *(format.significant(getattr(latency, quantile), 3) for quantile in _QUANTILES),
            ]
        )
    return table(rows, width=width)


def fan_out(run: Result, width: int) -> list[str]:
    """How broadcasts reached the clients."""
    seen = run.fanout
    if seen is None:
        return []
    delivery = seen.delivery_ms
    name = offset_name(seen)
    clock = (
        f" ({name} {format.signed_ms(delivery.offset_ms)} ± {format.milliseconds(delivery.uncertainty_ms)})"
        if delivery.offset_ms is not None
        else ""
    )
    facts = [
        f"{format.count(seen.messages)} broadcasts",
        f"completeness {format.percentage(seen.completeness)}",
        f"duplicates {format.count(seen.duplicates)}",
        f"{spread_name(seen)} p50 {format.milliseconds(seen.spread_ms.p50)}, "
        f"p99 {format.milliseconds(seen.spread_ms.p99)}",
        f"delivery p50 {format.milliseconds(delivery.p50)}, p99 {format.milliseconds(delivery.p99)}{clock}",
    ]
    return flow(facts, width=width)


def stages(run: Result, width: int) -> list[str]:
    """Each stage by itself."""
    if not run.stages:
        return []
    head = ["stage", "from", "to", "became ready", "out/s", "in/s", "p50 ms", "p99 ms", "timed out"]
    rows = [
        [
            visible(stage.name),
            format.clock(stage.started_s),
            format.clock(stage.ended_s),
            format.count(stage.connections.ready),
            format.significant(stage.messages.sent_per_second, 3),
            format.significant(stage.messages.received_per_second, 3),
            format.significant(stage.latency_ms.response.p50, 3),
            format.significant(stage.latency_ms.response.p99, 3),
            format.count(stage.messages.timed_out),
        ]
        for stage in run.stages
    ]
    return table([head, *rows], width=width)


def failures(failures: Sequence[FailureSummary], width: int, paint: Paint) -> list[str]:
    """What went wrong, by kind, with the latest samples."""
    lines = []
    for failure in failures[:FAILURES_SHOWN]:
        whose = " (this generator's own)" if failure.local else ""
        times = f"{format.clock(failure.first_s)}–{format.clock(failure.last_s)}"
        head = f"  {format.count(failure.count)} × {visible(failure.kind)}: {visible(failure.message)}"
        lines.append(paint.tone(clip(head, width - len(times) - len(whose) - 2) + f"  {times}{whose}", Tone.BAD))
        for sample in failure.samples[-SAMPLES_SHOWN:]:
            detail = f": {visible(sample.detail)}" if sample.detail else ""
            text = f"      client {sample.client} at {format.clock(sample.at_s)}{detail}"
            lines += paint.dim([clip(text, width)])
    if len(failures) > FAILURES_SHOWN:
        lines.append(f"  … and {len(failures) - FAILURES_SHOWN} further kinds")
    return lines


def target(run: Result, width: int, paint: Paint) -> list[str]:
    """What the target said of itself, and where that is not what the clients saw."""
    seen = run.target
    if seen is None:
        return []
    facts = [f"{visible(seen.state)} at last" if seen.troubled else visible(seen.state)]
    if seen.troubled:
        facts.append(f"in trouble in {format.count(seen.troubled)} of {format.count(seen.polls)} polls")
    if seen.memory_first_mib is not None and seen.memory_last_mib is not None:
        first, last = format.significant(seen.memory_first_mib, 3), format.significant(seen.memory_last_mib, 3)
        facts.append(f"memory {first} → {last} MiB")
    if seen.memory_growth_mib_per_hour is not None:
        growing = format.growth(seen.memory_growth_mib_per_hour, seen.memory_growth_uncertainty, seen.memory_steady_s)
        facts.append(f"growth under steady load {growing}")
    if seen.connections_claimed is not None:
        claimed, held = format.count(seen.connections_claimed), format.count(seen.connections_open)
        facts.append(f"{claimed} connections claimed, {held} held")
    if seen.delivered_claimed is not None:
        claimed, received = format.count(seen.delivered_claimed), format.count(seen.delivered_received)
        facts.append(f"{claimed} deliveries claimed, {received} received")
    lines = flow(facts, width=width)
    for difference in seen.differences:
        told = paragraph(visible(difference), width=width, indent="    ", first="  ▲ ")
        lines += [paint.tone(line, Tone.NEAR) for line in told]
    return lines


def generator(run: Result, width: int, paint: Paint) -> list[str]:
    """How this generator fared."""
    seen = run.generator
    if not seen.workers and not seen.limited_by:
        return []
    facts = [
        f"{seen.workers} worker{'' if seen.workers == 1 else 's'}"
        + (f", {seen.workers_lost} lost" if seen.workers_lost else ""),
        f"CPU {format.percentage(seen.cpu)} mean, {format.percentage(seen.cpu_max)} max",
        f"loop lag p99 {format.milliseconds(seen.loop_lag_ms.p99)}",
        f"send delay p99 {format.milliseconds(seen.send_delay_ms.p99)}",
        f"late sends {format.count(seen.late_sends)}",
        f"open files {format.count(seen.open_files)}",
    ]
    lines = flow(facts, width=width) + host_lines(run, width, paint)
    for reason in seen.limited_by:
        told = paragraph(f"limited: {visible(reason)}", width=width, indent="    ", first="  ▲ ")
        lines += [paint.tone(line, Tone.NEAR) for line in told]
    return lines
