"""What a headless run prints: one line every few seconds while it goes, and the summary at its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from wstui.execution.result import FailureSummary, Latency, Result, SuiteResult
from wstui.execution.status import State, Status
from wstui.report import curve, figures
from wstui.report.columns import cells, fit, flow, table, wrap
from wstui.report.findings import findings
from wstui.report.terminal import Paint, terminal_width, wants_colour
from wstui.report.wording import (
    Tone,
    name_of,
    peak_clients,
    ramp_rates,
    shown,
    threshold_sign,
    url_of,
    verdict_sign,
)

FAILURES_SHOWN = 10
SAMPLES_SHOWN = 2
_QUANTILES = ("mean", "min", "p50", "p90", "p95", "p99", "p999", "max")


def print_summary(result: Result | SuiteResult, stream: TextIO) -> None:
    """Write the summary to `stream`: in colour and as wide as it is on a terminal, else 80 plain columns."""
    text = summary(result, width=terminal_width(stream), colour=wants_colour(stream))
    encoding = stream.encoding or "utf-8"
    # A terminal that cannot show "✓" gets "?" rather than a traceback.
    stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()


def summary(result: Result | SuiteResult, *, width: int = 80, colour: bool = False) -> str:
    """The final summary as plain text of at most `width` columns, without a newline at its end."""
    paint = Paint(colour)
    if isinstance(result, SuiteResult):
        return "\n".join(_suite(result, width, paint))
    return "\n".join(_run(result, width, paint))


def live_line(status: Status) -> str:
    """Where a run stands, on one line."""
    if status.state is State.COOLDOWN and status.suite:
        following = status.suite.names[min(status.suite.index + 1, len(status.suite.names) - 1)]
        left = figures.clock(status.suite.cooldown_left_s)
        return f"{_position(status)}cooldown · {shown(following, 40)} starts in {left}"
    stage = next((s.name for s in status.stages if s.current), "")
    doing = shown(stage, 20) if status.state is State.RUNNING and stage else str(status.state)
    last = status.rows[-1] if status.rows else None
    p99 = status.latency.p99
    if last is not None and last.response_p99_ms is not None:
        p99 = last.response_p99_ms
    facts = [
        f"{figures.clock(status.elapsed_s)}/{figures.clock(status.plan_total_s)} {doing}",
        f"{figures.count(status.counters.open)}/{figures.count(status.counters.wanted)} clients",
        f"out {figures.rate(last.sent_per_s if last else 0)} in {figures.rate(last.received_per_s if last else 0)}",
        f"p99 {figures.milliseconds(p99)}",
        f"{figures.count(status.failures_total)} failed",
    ]
    facts += _search(status)
    if not status.state.ended:
        facts.append(f"ETA {figures.clock(status.plan_total_s - status.plan_s)}")
    if status.generator.limited_by:
        facts.append(f"▲ generator: {shown(status.generator.limited_by[0], 60)}")
    return _position(status) + " · ".join(facts)


def _search(status: Status) -> list[str]:
    """Where the search for a limit stands."""
    search = status.breakpoint
    if search is None:
        return []
    facts = [f"tries {figures.count(search.load)} {search.unit}"] if search.load else []
    if search.low is not None:
        facts.append(f"holds {figures.count(search.low)}")
    if search.high is not None:
        facts.append(f"breaks at {figures.count(search.high)}")
    return facts


def _position(status: Status) -> str:
    suite = status.suite
    if not suite:
        return ""
    return f"[{suite.index + 1}/{len(suite.names)} {shown(suite.names[suite.index], 30)}] "


def _suite(suite: SuiteResult, width: int, paint: Paint) -> list[str]:
    lines = _head(suite, width, paint)
    rows = [["", "run", "clients", "success", "p50", "p99", "failures", "took"]]
    for run in suite.runs:
        mark = verdict_sign(run.verdict)
        rows.append(
            [
                mark.glyph,
                f"{shown(name_of(run))} {mark.word.lower()}",
                figures.count(peak_clients(run)),
                figures.percent(run.connections.success_rate),
                figures.milliseconds(run.latency_ms.response.p50),
                figures.milliseconds(run.latency_ms.response.p99),
                figures.count(sum(failure.count for failure in run.failures)),
                figures.duration(run.duration_s),
            ]
        )
    lines += table(rows, left=2, width=width)
    for run in suite.runs:
        lines += ["", "─" * width, *_run(run, width, paint)]
    return lines


def _head(result: Result | SuiteResult, width: int, paint: Paint) -> list[str]:
    """The verdict and its reason, whole: on one line where there is room."""
    sign = verdict_sign(result.verdict)
    reason = f"{shown(name_of(result), 60)}: {shown(result.verdict.reason)}"
    head = [paint.tone(f"{sign.glyph} {sign.word}", sign.tone, bold=True)]
    if cells(f"{sign.glyph} {sign.word}  {reason}") <= width:
        head[0] += "  " + reason
    else:
        head += wrap(reason, width=width)
    return head


def _run(run: Result, width: int, paint: Paint) -> list[str]:
    sections = [
        ("", _verdict(run, width, paint)),
        ("Findings", _findings(run, width, paint)),
        ("Breakpoint", _breakpoint(run, width, paint)),
        ("Thresholds", _thresholds(run, width, paint)),
        ("Connections", _connections(run, width)),
        ("Tokens", _tokens(run, width, paint)),
        ("Subscriptions", _subscriptions(run, width)),
        ("Slow readers", _slow_readers(run, width)),
        ("Messages", _messages(run, width)),
        ("Latency, ms", _latency(run, width)),
        ("Fan-out", _fan_out(run, width)),
        ("Stages", _stages(run, width)),
        ("Failures", _failures(run.failures, width, paint)),
        ("Target, by its own account", _target(run, width, paint)),
        ("Generator", _generator(run, width, paint)),
    ]
    lines: list[str] = []
    for heading, body in sections:
        if not body:
            continue
        if heading:
            lines += ["", paint.heading(heading)]
        lines += body
    return lines


def _verdict(run: Result, width: int, paint: Paint) -> list[str]:
    head = _head(run, width, paint)
    facts = [shown(url_of(run))] if url_of(run) else []
    if peak_clients(run):
        facts.append(f"{figures.count(peak_clients(run))} clients")
    facts.append(figures.duration(run.duration_s))
    if run.paused_s:
        facts.append(f"paused {figures.duration(run.paused_s)}")
    facts.append(shown(run.started))
    return head + paint.dim(flow(facts, width=width))


def _findings(run: Result, width: int, paint: Paint) -> list[str]:
    lines = []
    for finding in findings(run):
        headline = wrap(shown(finding.headline), width=width, indent="    ", first="  ▲ ")
        lines += [paint.tone(line, Tone.NEAR) for line in headline]
        lines += wrap(shown(finding.evidence), width=width, indent="    ")
        lines += paint.dim(wrap(finding.next_step, width=width, indent="      ", first="    → "))
    return lines


def _breakpoint(run: Result, width: int, paint: Paint) -> list[str]:
    found = run.breakpoint
    if found is None:
        return []
    steps = curve.points(found)
    rows = [curve.head(found), *(curve.row(found, step) for step in steps)]
    lines = table(rows, left=1, width=width)
    most = max((curve.latency_of(found, step).p99 or 0.0 for step in steps), default=0.0)
    room = width - max(map(cells, lines)) - 2
    for index, step in enumerate(steps, 1):
        drawn = curve.bar(curve.latency_of(found, step).p99, most, min(room, 40)) if room >= 4 else ""
        lines[index] = paint.tone(f"{lines[index]}  {drawn}".rstrip(), curve.step_sign(step).tone)
    told = found.sentence != run.verdict.reason
    return (wrap(shown(found.sentence), width=width, indent="  ", first="  ") if told else []) + lines


def _thresholds(run: Result, width: int, paint: Paint) -> list[str]:
    outcomes = run.verdict.thresholds
    rows = [
        [
            threshold_sign(outcome).glyph,
            shown(outcome.metric),
            shown(outcome.limit),
            figures.limit_figure(outcome.value, outcome.unit),
            threshold_sign(outcome).word,
            f"in {shown(outcome.stage)}" if outcome.stage else "",
        ]
        for outcome in outcomes
    ]
    lines = table(rows, left=3, width=width)
    return [paint.tone(line, threshold_sign(outcome).tone) for line, outcome in zip(lines, outcomes, strict=True)]


def _connections(run: Result, width: int) -> list[str]:
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
    ]
    facts = [
        f"attempted {figures.count(seen.attempted)}",
        f"ready {figures.count(seen.ready)}",
        f"success {figures.percent(seen.success_rate)}",
        *(f"{word} {figures.count(number)}" for word, number in outcomes if number),
    ]
    ramps = [
        f"{shown(ramp.stage)}: {figures.rate(ramp.achieved)} of {figures.rate(ramp.planned)} planned"
        for ramp in ramp_rates(run)
    ]
    if not ramps:
        ramps = [f"rate {figures.rate(seen.per_second)}"]
    return flow(facts, width=width) + flow(ramps, width=width)


def _tokens(run: Result, width: int, paint: Paint) -> list[str]:
    """Who was let in, where the scenario mixed good tokens with bad ones."""
    rows = [["", "kind", "expected", "attempted", "ready", "refused", "other"]]
    tones = []
    for row in run.auth:
        right = row.correct == row.attempted
        tones.append(Tone.GOOD if right else Tone.BAD)
        numbers = [figures.count(number) for number in (row.attempted, row.ready, row.refused, row.other)]
        rows.append(["✓" if right else "✗", shown(row.kind.replace("_", " ")), row.expected, *numbers])
    lines = table(rows, left=3, width=width) if run.auth else []
    return lines[:1] + [paint.tone(line, tone) for line, tone in zip(lines[1:], tones, strict=True)]


def _subscriptions(run: Result, width: int) -> list[str]:
    """Clients that asked for some tokens only."""
    seen = run.subscriptions
    if seen is None:
        return []
    numbers = (("asked", seen.asked), ("acknowledged", seen.acknowledged), ("leaks", seen.leaks))
    return flow([f"{word} {figures.count(number)}" for word, number in numbers], width=width)


def _slow_readers(run: Result, width: int) -> list[str]:
    """Clients that did not read, and what became of them."""
    seen = run.slow_readers
    if seen is None:
        return []
    endings = [f"{figures.count(number)} × {shown(name, 60)}" for name, number in seen.endings.items()]
    facts = [f"{figures.count(seen.clients)} clients", f"ended by the server {figures.count(seen.closed)}", *endings]
    return flow(facts, width=width)


def _messages(run: Result, width: int) -> list[str]:
    seen = run.messages
    problems = [
        ("timed out", seen.timed_out),
        ("late", seen.late),
        ("unmatched", seen.unmatched),
        ("duplicates", seen.duplicates),
        ("broken expectations", seen.broken_expectations),
        ("abandoned", seen.abandoned),
    ]
    facts = [
        f"sent {figures.count(seen.sent)} ({figures.rate(seen.sent_per_second)})",
        f"received {figures.count(seen.received)} ({figures.rate(seen.received_per_second)})",
        *(f"{word} {figures.count(number)}" for word, number in problems if number),
    ]
    if seen.bytes_sent or seen.bytes_received:
        facts.append(f"{figures.size(seen.bytes_sent)} out, {figures.size(seen.bytes_received)} in")
    out, back = seen.bytes_sent_inflated, seen.bytes_received_inflated
    if (out or back) and (out, back) != (seen.bytes_sent, seen.bytes_received):
        facts.append(f"without compression {figures.size(out)} out, {figures.size(back)} in")
    kinds = sorted(seen.by_type.items(), key=lambda item: -item[1])
    types = [f"{shown(kind, 40)} {figures.count(number)}" for kind, number in kinds[:8]]
    if len(kinds) > 8:
        types.append(f"{len(kinds) - 8} further types")
    return flow(facts, width=width) + flow(types, width=width)


def _latency(run: Result, width: int) -> list[str]:
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
                *([figures.count(latency.count)] if with_count else []),
                *(figures.significant(getattr(latency, quantile), 3) for quantile in _QUANTILES),
            ]
        )
    return table(rows, width=width)


def _fan_out(run: Result, width: int) -> list[str]:
    seen = run.fanout
    if seen is None:
        return []
    delivery = seen.delivery_ms
    clock = (
        f" (clock offset {figures.signed_ms(delivery.offset_ms)} ± {figures.milliseconds(delivery.uncertainty_ms)})"
        if delivery.offset_ms is not None
        else ""
    )
    facts = [
        f"{figures.count(seen.messages)} broadcasts",
        f"completeness {figures.percent(seen.completeness)}",
        f"duplicates {figures.count(seen.duplicates)}",
        f"spread p50 {figures.milliseconds(seen.spread_ms.p50)}, p99 {figures.milliseconds(seen.spread_ms.p99)}",
        f"delivery p50 {figures.milliseconds(delivery.p50)}, p99 {figures.milliseconds(delivery.p99)}{clock}",
    ]
    return flow(facts, width=width)


def _stages(run: Result, width: int) -> list[str]:
    if not run.stages:
        return []
    head = ["stage", "from", "to", "connected", "out/s", "in/s", "p50 ms", "p99 ms", "timed out"]
    rows = [
        [
            shown(stage.name),
            figures.clock(stage.started_s),
            figures.clock(stage.ended_s),
            figures.count(stage.connections.ready),
            figures.significant(stage.messages.sent_per_second, 3),
            figures.significant(stage.messages.received_per_second, 3),
            figures.significant(stage.latency_ms.response.p50, 3),
            figures.significant(stage.latency_ms.response.p99, 3),
            figures.count(stage.messages.timed_out),
        ]
        for stage in run.stages
    ]
    return table([head, *rows], width=width)


def _failures(failures: Sequence[FailureSummary], width: int, paint: Paint) -> list[str]:
    lines = []
    for failure in failures[:FAILURES_SHOWN]:
        whose = " (this generator's own)" if failure.local else ""
        times = f"{figures.clock(failure.first_s)}–{figures.clock(failure.last_s)}"
        head = f"  {figures.count(failure.count)} × {shown(failure.kind)}: {shown(failure.message)}"
        lines.append(paint.tone(fit(head, width - len(times) - len(whose) - 2) + f"  {times}{whose}", Tone.BAD))
        for sample in failure.samples[-SAMPLES_SHOWN:]:
            detail = f": {shown(sample.detail)}" if sample.detail else ""
            text = f"      client {sample.client} at {figures.clock(sample.at_s)}{detail}"
            lines += paint.dim([fit(text, width)])
    if len(failures) > FAILURES_SHOWN:
        lines.append(f"  … and {len(failures) - FAILURES_SHOWN} further kinds")
    return lines


def _target(run: Result, width: int, paint: Paint) -> list[str]:
    """What the target said of itself, and where that is not what the clients saw."""
    seen = run.target
    if seen is None:
        return []
    facts = [f"{shown(seen.state)} at last" if seen.troubled else shown(seen.state)]
    if seen.troubled:
        facts.append(f"in trouble in {figures.count(seen.troubled)} of {figures.count(seen.polls)} polls")
    if seen.memory_first_mib is not None and seen.memory_last_mib is not None:
        first, last = figures.significant(seen.memory_first_mib, 3), figures.significant(seen.memory_last_mib, 3)
        facts.append(f"memory {first} → {last} MiB")
    if seen.memory_growth_mib_per_hour is not None:
        facts.append(f"growth {figures.limit_figure(seen.memory_growth_mib_per_hour, 'MiB/h')} under steady load")
    if seen.delivered_claimed is not None:
        facts.append(f"{figures.count(seen.delivered_claimed)} deliveries claimed")
    lines = flow(facts, width=width)
    for difference in seen.differences:
        told = wrap(shown(difference), width=width, indent="    ", first="  ▲ ")
        lines += [paint.tone(line, Tone.NEAR) for line in told]
    return lines


def _generator(run: Result, width: int, paint: Paint) -> list[str]:
    seen = run.generator
    if not seen.shards and not seen.limited_by:
        return []
    facts = [
        f"{seen.shards} shard{'' if seen.shards == 1 else 's'}"
        + (f", {seen.shards_lost} lost" if seen.shards_lost else ""),
        f"CPU {figures.percent(seen.cpu)} mean, {figures.percent(seen.cpu_max)} max",
        f"loop lag p99 {figures.milliseconds(seen.loop_lag_ms.p99)}",
        f"send delay p99 {figures.milliseconds(seen.send_delay_ms.p99)}",
        f"late sends {figures.count(seen.late_sends)}",
        f"open files {figures.count(seen.open_files)}",
    ]
    lines = flow(facts, width=width)
    for reason in seen.limited_by:
        told = wrap(f"limited by {shown(reason)}", width=width, indent="    ", first="  ▲ ")
        lines += [paint.tone(line, Tone.NEAR) for line in told]
    return lines
