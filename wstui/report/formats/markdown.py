"""The result as Markdown: for a merge request, a ticket or the summary page of a CI job."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wstui.execution.run.result import Result, SuiteResult
from wstui.measure.sanitize import visible
from wstui.report.analysis.diagnosis import findings
from wstui.report.model import format
from wstui.report.model.labels import (
    limit_of,
    name_of,
    peak_clients,
    route_of,
    runs_of,
    threshold_sign,
    url_of,
    verdict_sign,
)
from wstui.report.model.tables import Table, search, tables

FAILURES_SHOWN = 20


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
    inner = visible(text)
    if not inner.strip():
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", inner)), default=0) + 1)
    space = " " if inner.startswith(("`", " ")) or inner.endswith(("`", " ")) else ""
    return f"{fence}{space}{inner}{space}{fence}"


def plain(text: str) -> str:
    """`text` as running text in which Markdown and HTML mean nothing."""
    escaped = re.sub(r"[\\`*_{}\[\]<>#|~&$]|:(?=//)", lambda found: f"&#{ord(found[0])};", visible(text))
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
            format.count(peak_clients(run)),
            format.percentage(run.connections.success_rate),
            format.milliseconds(run.latency_ms.response.p50),
            format.milliseconds(run.latency_ms.response.p99),
            format.count(sum(failure.count for failure in run.failures)),
            format.duration(run.duration_s),
        ]
        for run in suite.runs
    ]
    head = ["run", "verdict", "clients", "success", "p50", "p99", "failures", "took"]
    return table(head, rows, left=2)


def _run(run: Result) -> list[str]:
    lines = [*_title(run, "##"), "", _facts(run)]
    curve = search(run)
    for heading, body in (
        ("Findings", _findings(run)),
        *([(curve.title, _grid(curve))] if curve else []),
        ("Thresholds", _thresholds(run)),
        *((grid.title, _grid(grid)) for grid in tables(run)),
        ("Failures", _failures(run)),
        ("Generator", _generator(run)),
    ):
        if body:
            lines += ["", f"### {heading}", "", *body]
    return lines


def _facts(run: Result) -> str:
    facts = [
        code(url_of(run)),
        code(route_of(run)) if route_of(run) else "",
        f"{format.count(peak_clients(run))} clients",
        format.duration(run.duration_s),
    ]
    if run.paused_s:
        facts.append(f"paused {format.duration(run.paused_s)}")
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


def _thresholds(run: Result) -> list[str]:
    rows = [
        [
            f"{threshold_sign(outcome).glyph} {threshold_sign(outcome).word}",
            code(outcome.metric),
            code(limit_of(outcome)),
            plain(outcome.stage),
            format.limit_figure(outcome.value, outcome.unit),
        ]
        for outcome in run.verdict.thresholds
    ]
    return table(["", "metric", "limit", "stage", "measured"], rows, left=4) if rows else []


def _grid(grid: Table) -> list[str]:
    """A table of the run, and what is to be said below it."""
    lines = table(grid.head, [[plain(cell) for cell in line.cells] for line in grid.lines], left=grid.left)
    if grid.warnings:
        lines += ["", *(f"- ▲ {plain(text)}" for text in grid.warnings)]
    for note in grid.notes:
        lines += ["", plain(note)]
    return lines


def _failures(run: Result) -> list[str]:
    rows = [
        [
            code(failure.kind),
            code(failure.message) + (" (this generator's own)" if failure.local else ""),
            code(failure.samples[-1].detail) if failure.samples else "",
            format.count(failure.count),
            format.clock(failure.first_s),
            format.clock(failure.last_s),
        ]
        for failure in run.failures[:FAILURES_SHOWN]
    ]
    lines = table(["kind", "message", "latest sample", "count", "first", "last"], rows, left=3) if rows else []
    if len(run.failures) > FAILURES_SHOWN:
        lines += ["", f"… and {len(run.failures) - FAILURES_SHOWN} further kinds"]
    return lines


def _generator(run: Result) -> list[str]:
    seen = run.generator
    facts = [f"- ▲ limited: {plain(reason)}" for reason in seen.limited_by]
    if seen.workers:
        facts.append(
            f"- workers {seen.workers}, lost {seen.workers_lost}, CPU {format.percentage(seen.cpu)} mean and "
            f"{format.percentage(seen.cpu_max)} max, loop lag p99 {format.milliseconds(seen.loop_lag_ms.p99)}, "
            f"{format.count(seen.late_sends)} late sends"
        )
    return facts
