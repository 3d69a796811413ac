"""The result, or a comparison, as Markdown: for a merge request, a ticket or the summary page of a CI job."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wstui.execution.run.result import Result, SuiteResult
from wstui.measure import format
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.compare import Change, Comparison
from wstui.report.analysis.diagnosis import findings
from wstui.report.analysis.significance import ALPHA
from wstui.report.formats.compare_text import difference, judgement
from wstui.report.model.labels import facts_of, name_of, route_of, runs_of, url_of, verdict_sign
from wstui.report.model.table import MOST_ROWS, Column, Row, Table
from wstui.report.model.tables import judged, measured, overview


def render(result: Result | SuiteResult) -> str:
    """The result as GitHub-flavoured Markdown; text from a server stays text."""
    lines: list[str] = []
    if isinstance(result, SuiteResult):
        lines += [*_title(result), "", *grid(overview(result)), ""]
    for run in runs_of(result):
        lines += [*_run(run), ""]
    return "\n".join(lines).rstrip() + "\n"


def code(text: str) -> str:
    """`text` as a code span that nothing in it can end."""
    inner = sanitize(text)
    if not inner.strip():
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", inner)), default=0) + 1)
    space = " " if inner.startswith(("`", " ")) or inner.endswith(("`", " ")) else ""
    return f"{fence}{space}{inner}{space}{fence}"


def plain(text: str) -> str:
    """`text` as running text in which Markdown and HTML mean nothing."""
    escaped = re.sub(r"[\\`*_{}\[\]<>#|~&$]|:(?=//)", lambda found: f"&#{ord(found[0])};", sanitize(text))
    # A word joiner keeps "@name" from calling somebody, and "www." from becoming a link.
    return re.sub(r"@|\bwww(?=\.)", lambda found: f"{found[0]}&#8288;", escaped)


def grid(table: Table) -> list[str]:
    """A table, and what is to be said below it."""
    head = [plain(column.title) for column in table.columns]
    rule = ["--:" if column.number else ":--" for column in table.columns]
    lines = [f"| {' | '.join(row)} |" for row in (head, rule, *(_cells(table, row) for row in table.rows[:MOST_ROWS]))]
    if table.warnings:
        lines += ["", *(f"- ▲ {plain(text)}" for text in table.warnings)]
    notes = list(table.notes)
    if len(table.rows) > MOST_ROWS:
        notes.insert(0, f"… and {len(table.rows) - MOST_ROWS} further")
    for note in notes:
        lines += ["", plain(note)]
    return lines


def _cells(table: Table, row: Row) -> list[str]:
    # A bar ends a cell even inside a code span.
    cells = [
        (code(cell) if column.code else plain(cell)).replace("|", "\\|")
        for column, cell in zip(table.columns, row.cells, strict=True)
    ]
    if row.details:
        cells[table.last_words] += ": " + code(row.details[-1]).replace("|", "\\|")
    return cells


def _title(result: Result | SuiteResult, level: str = "#") -> list[str]:
    sign = verdict_sign(result.verdict)
    return [f"{level} {sign.glyph} {sign.word} {code(name_of(result))}", "", plain(result.verdict.reason)]


def _run(run: Result) -> list[str]:
    addresses = (url_of(run), route_of(run))
    facts = [code(fact) if fact in addresses else plain(fact) for fact in facts_of(run)]
    lines = [*_title(run, "##"), "", " · ".join(facts)]
    bodies = [("Findings", _findings(run))] + [(table.title, grid(table)) for table in (*judged(run), *measured(run))]
    for heading, body in bodies:
        if body:
            lines += ["", f"### {heading}", "", *body]
    return lines


def _findings(run: Result) -> list[str]:
    lines = []
    for finding in findings(run):
        lines += [
            f"- ▲ **{plain(finding.headline)}**",
            f"  - {plain(finding.evidence)}",
            f"  - {plain(finding.next_step)}",
        ]
    return lines


_COMMENT_COLUMNS = (
    Column("metric", number=False, code=True),
    *(Column(title) for title in ("before", "after", "change")),
    Column("", number=False),
    Column("p"),
)


def marker(preset: str) -> str:
    """Return the hidden line by which a script finds its comment again, to update it."""
    return f"<!-- wstui compare: {sanitize(preset).replace('--', '- -')} -->"


def comment(comparison: Comparison, preset: str, broken: Sequence[str] = ()) -> str:
    """Return the comment; `broken` are the conditions of `--fail-if` that hold."""
    proven = [change for change in comparison.changes if change.significant]
    worse = [change for change in proven if change.better is False]
    better = [change for change in proven if change.better]
    measured = [c for c in comparison.changes if c not in proven and not (c.before is None and c.after is None)]
    lines = [
        marker(preset),
        f"### {'✗' if broken else '▲' if worse else '✓'} {code(preset)}: {_judged(worse, better, broken)}",
        "",
        f"{code(comparison.before)} → {code(comparison.after)}",
    ]
    lines += ["", *(f"- ✗ {plain(text)}" for text in broken)] if broken else []
    lines += ["", *(f"- ▲ {plain(text)}" for text in comparison.warnings)] if comparison.warnings else []
    lines += ["", plain(comparison.limits)] if comparison.limits else []
    lines += ["", *(f"- {plain(note)}" for note in comparison.notes)] if comparison.notes else []
    if proven:
        lines += ["", *_changes(proven)]
    if measured:
        summary = f"<summary>{len(measured)} metrics without a proven change</summary>"
        lines += ["", "<details>", summary, "", *_changes(measured), "", "</details>"]
    note = f"Proven: p < {ALPHA:g}, judged by the noise within these runs; the noise between runs is not in it."
    return "\n".join([*lines, "", f"<sub>{note}</sub>"]) + "\n"


def _judged(worse: Sequence[Change], better: Sequence[Change], broken: Sequence[str]) -> str:
    counts = [f"{len(changes)} {word}" for changes, word in ((worse, "worse"), (better, "better")) if changes]
    told = " and ".join(counts) or "no proven change"
    return f"{'not accepted, ' if broken else ''}{told}"


def _changes(changes: Sequence[Change]) -> list[str]:
    rows = [
        Row(
            (
                change.metric,
                format.limit_figure(change.before, change.unit),
                format.limit_figure(change.after, change.unit),
                difference(change),
                judgement(change),
                "" if change.p_value is None else f"{change.p_value:.2g}",
            )
        )
        for change in changes
    ]
    return grid(Table("", _COMMENT_COLUMNS, rows))
