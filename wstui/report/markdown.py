"""The result as Markdown: for a merge request, a ticket or the summary page of a CI job."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wstui.execution.result import Latency, Result, SuiteResult
from wstui.report import curve, figures
from wstui.report.boxes import HEAD, box_rows, lost_boxes, offset_name, spread_name
from wstui.report.findings import findings
from wstui.report.stage_cells import STAGE_HEAD, stage_cells
from wstui.report.wording import (
    name_of,
    peak_clients,
    ramp_rates,
    runs_of,
    shown,
    threshold_sign,
    url_of,
    verdict_sign,
)

FAILURES_SHOWN = 20
_QUANTILES = ("mean", "min", "p50", "p90", "p95", "p99", "p999", "max")


def render(result: Result | SuiteResult) -> str:
    """The result as GitHub-flavoured Markdown; text from a server stands in code spans and stays text."""
    lines: list[str] = []
    if isinstance(result, SuiteResult):
        lines += [*_title(result), "", *_overview(result), ""]
    for run in runs_of(result):
        lines += [*_run(run), ""]
    return "\n".join(lines).rstrip() + "\n"


def code(text: str) -> str:
    """`text` as a code span that nothing in it can end."""
    inner = shown(text)
    if not inner.strip():
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", inner)), default=0) + 1)
    space = " " if inner.startswith(("`", " ")) or inner.endswith(("`", " ")) else ""
    return f"{fence}{space}{inner}{space}{fence}"


def plain(text: str) -> str:
    """`text` as running text in which Markdown and HTML mean nothing."""
    escaped = re.sub(r"[\\`*_{}\[\]<>#|~&$]|:(?=//)", lambda found: f"&#{ord(found[0])};", shown(text))
    # A word joiner keeps "@name" from calling somebody, and "www." from becoming a link.
    return re.sub(r"@|\bwww(?=\.)", lambda found: f"{found[0]}&#8288;", escaped)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """A table whose first `left` columns are aligned to the left, all others to the right."""
    rule = [":--" if column < left else "--:" for column in range(len(head))]
    # A bar ends a cell even inside a code span.
    return [
        "| " + " | ".join(cell if row is rule else cell.replace("|", "\\|") for cell in row) + " |"
        for row in (head, rule, *rows)
    ]


def _title(result: Result | SuiteResult, level: str = "#") -> list[str]:
    sign = verdict_sign(result.verdict)
    return [f"{level} {sign.glyph} {sign.word} {code(name_of(result))}", "", plain(result.verdict.reason)]


def _overview(suite: SuiteResult) -> list[str]:
    rows = [
        [
            code(name_of(run)),
            f"{verdict_sign(run.verdict).glyph} {verdict_sign(run.verdict).word.lower()}",
            figures.count(peak_clients(run)),
            figures.percent(run.connections.success_rate),
            figures.milliseconds(run.latency_ms.response.p50),
            figures.milliseconds(run.latency_ms.response.p99),
            figures.count(sum(failure.count for failure in run.failures)),
            figures.duration(run.duration_s),
        ]
        for run in suite.runs
    ]
    head = ["run", "verdict", "clients", "success", "p50", "p99", "failures", "took"]
    return table(head, rows, left=2)


def _run(run: Result) -> list[str]:
    lines = [*_title(run, "##"), "", _facts(run)]
    for heading, body in (
        ("Findings", _findings(run)),
        ("Breakpoint", _breakpoint(run)),
        ("Thresholds", _thresholds(run)),
        ("Connections", _connections(run)),
        ("Tokens", _tokens(run)),
        ("Subscriptions", _subscriptions(run)),
        ("Slow readers", _slow_readers(run)),
        ("Messages", _messages(run)),
        ("Latency (ms)", _latency(run)),
        ("Fan-out", _fan_out(run)),
        ("Stages", _stages(run)),
        ("Failures", _failures(run)),
        ("Target, by its own account", _target(run)),
        ("Generator", _generator(run)),
    ):
        if body:
            lines += ["", f"### {heading}", "", *body]
    return lines


def _facts(run: Result) -> str:
    facts = [code(url_of(run)), f"{figures.count(peak_clients(run))} clients", figures.duration(run.duration_s)]
    if run.paused_s:
        facts.append(f"paused {figures.duration(run.paused_s)}")
    return " · ".join(fact for fact in [*facts, plain(run.started)] if fact)


def _findings(run: Result) -> list[str]:
    lines = []
    for finding in findings(run):
        lines += [
            f"- ▲ **{plain(finding.headline)}**",
            f"  - {plain(finding.evidence)}",
            f"  - {plain(finding.next_step)}",
        ]
    return lines


def _breakpoint(run: Result) -> list[str]:
    found = run.breakpoint
    if found is None:
        return []
    rows = [curve.row(found, step) for step in curve.points(found)]
    return [plain(found.sentence), "", *table(curve.head(found), rows)]


def _thresholds(run: Result) -> list[str]:
    rows = [
        [
            f"{threshold_sign(outcome).glyph} {threshold_sign(outcome).word}",
            code(outcome.metric),
            code(outcome.limit),
            plain(outcome.stage),
            figures.limit_figure(outcome.value, outcome.unit),
        ]
        for outcome in run.verdict.thresholds
    ]
    return table(["", "metric", "limit", "stage", "measured"], rows, left=4) if rows else []


def _connections(run: Result) -> list[str]:
    seen = run.connections
    head = ["attempted", "ready", "refused", "timed out", "failed", "drained", "dropped", "success"]
    numbers = (
        seen.attempted, seen.ready, seen.refused, seen.timed_out, seen.failed, seen.drained, seen.dropped
    )  # fmt: skip
    row = [*(figures.count(number) for number in numbers), figures.percent(seen.success_rate)]
    ramps = [
        f"- {plain(ramp.stage)}: {figures.rate(ramp.achieved)} of {figures.rate(ramp.planned)} planned"
        for ramp in ramp_rates(run)
    ]
    return [*table(head, [row], left=0), *(["", *ramps] if ramps else [])]


def _tokens(run: Result) -> list[str]:
    rows = [
        [
            "✓" if row.correct == row.attempted else "✗",
            plain(row.kind.replace("_", " ")),
            row.expected,
            *(figures.count(number) for number in (row.attempted, row.ready, row.refused, row.other)),
        ]
        for row in run.auth
    ]
    return table(["", "kind", "expected", "attempted", "ready", "refused", "other"], rows, left=3) if rows else []


def _subscriptions(run: Result) -> list[str]:
    seen = run.subscriptions
    if seen is None:
        return []
    row = [figures.count(number) for number in (seen.asked, seen.acknowledged, seen.leaks)]
    return table(["asked", "acknowledged", "leaks"], [row], left=0)


def _slow_readers(run: Result) -> list[str]:
    seen = run.slow_readers
    if seen is None:
        return []
    endings = ", ".join(f"{figures.count(number)} × {code(name)}" for name, number in seen.endings.items())
    rows = [[figures.count(seen.clients), figures.count(seen.closed), endings]]
    return table(["clients", "ended by the server", "how"], rows, left=0)


def _target(run: Result) -> list[str]:
    seen = run.target
    if seen is None:
        return []
    memory = (seen.memory_first_mib, seen.memory_last_mib)
    row = [
        plain(seen.state),
        f"{figures.count(seen.troubled)} of {figures.count(seen.polls)}",
        " → ".join(figures.significant(value, 3) for value in memory),
        figures.limit_figure(seen.memory_growth_mib_per_hour, "MiB/h"),
        f"{figures.count(seen.connections_claimed)} / {figures.count(seen.connections_open)}",
        f"{figures.count(seen.delivered_claimed)} / {figures.count(seen.delivered_received)}",
    ]
    connections, deliveries = "connections claimed / held", "deliveries claimed / received"
    head = ["state", "polls in trouble", "memory (MiB)", "growth", connections, deliveries]
    lines = table(head, [row])
    return [*lines, "", *(f"- ▲ {plain(text)}" for text in seen.differences)] if seen.differences else lines


def _messages(run: Result) -> list[str]:
    seen = run.messages
    head = ["sent", "received", "sent/s", "received/s", "timed out", "late", "unmatched", "duplicates"]
    row = [
        figures.count(seen.sent),
        figures.count(seen.received),
        figures.rate(seen.sent_per_second),
        figures.rate(seen.received_per_second),
        *(figures.count(number) for number in (seen.timed_out, seen.late, seen.unmatched, seen.duplicates)),
    ]
    kinds = sorted(seen.by_type.items(), key=lambda item: -item[1])
    types = [", ".join(f"{code(kind)} {figures.count(number)}" for kind, number in kinds)] if kinds else []
    return [*table(head, [row], left=0), *(["", *types] if types else [])]


def _latency(run: Result) -> list[str]:
    named: list[tuple[str, Latency]] = [
        ("response", run.latency_ms.response),
        ("round trip", run.latency_ms.round_trip),
        ("connect", run.latency_ms.connect),
        *([("reconnect", run.latency_ms.reconnect)] if run.latency_ms.reconnect.count else []),
    ]
    head = ["", "count", *("p99.9" if quantile == "p999" else quantile for quantile in _QUANTILES)]
    rows = [
        [
            name,
            figures.count(latency.count),
            *(figures.significant(getattr(latency, quantile), 3) for quantile in _QUANTILES),
        ]
        for name, latency in named
    ]
    return table(head, rows)


def _fan_out(run: Result) -> list[str]:
    seen = run.fanout
    if seen is None:
        return []
    spread = spread_name(seen)
    head = [
        "broadcasts",
        "completeness",
        "duplicates",
        f"{spread} p50",
        f"{spread} p99",
        "delivery p50",
        "delivery p99",
    ]
    row = [
        figures.count(seen.messages),
        figures.percent(seen.completeness),
        figures.count(seen.duplicates),
        *(figures.milliseconds(value) for value in (seen.spread_ms.p50, seen.spread_ms.p99)),
        *(figures.milliseconds(value) for value in (seen.delivery_ms.p50, seen.delivery_ms.p99)),
    ]
    lines = table(head, [row], left=0)
    if seen.delivery_ms.offset_ms is not None:
        uncertainty = figures.milliseconds(seen.delivery_ms.uncertainty_ms)
        offset = figures.signed_ms(seen.delivery_ms.offset_ms)
        lines += ["", f"{offset_name(seen).capitalize()} {offset} ± {uncertainty}"]
    return lines


def _stages(run: Result) -> list[str]:
    rows = [[code(name), *figured] for name, *figured in map(stage_cells, run.stages)]
    return table(list(STAGE_HEAD), rows, left=2) if rows else []


def _failures(run: Result) -> list[str]:
    rows = [
        [
            code(failure.kind),
            code(failure.message) + (" (this generator's own)" if failure.local else ""),
            code(failure.samples[-1].detail) if failure.samples else "",
            figures.count(failure.count),
            figures.clock(failure.first_s),
            figures.clock(failure.last_s),
        ]
        for failure in run.failures[:FAILURES_SHOWN]
    ]
    lines = table(["kind", "message", "latest sample", "count", "first", "last"], rows, left=3) if rows else []
    if len(run.failures) > FAILURES_SHOWN:
        lines += ["", f"… and {len(run.failures) - FAILURES_SHOWN} further kinds"]
    return lines


def _generator(run: Result) -> list[str]:
    seen = run.generator
    facts = [f"- ▲ limited by {plain(reason)}" for reason in seen.limited_by]
    if seen.shards:
        facts.append(
            f"- shards {seen.shards}, lost {seen.shards_lost}, CPU {figures.percent(seen.cpu)} mean and "
            f"{figures.percent(seen.cpu_max)} max, loop lag p99 {figures.milliseconds(seen.loop_lag_ms.p99)}, "
            f"{figures.count(seen.late_sends)} late sends"
        )
    if rows := box_rows(run):
        facts += [f"- ▲ {plain(sentence)}" for sentence in lost_boxes(run)]
        facts += ["", *table(list(HEAD), [[plain(cell) for cell in row] for row in rows])]
    return facts
