"""The result as Markdown: for a merge request, a ticket or the summary page of a CI job."""

from __future__ import annotations

import re

from wstui.execution.run.result import Result, SuiteResult
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.diagnosis import findings
from wstui.report.model.labels import facts_of, name_of, route_of, runs_of, url_of, verdict_sign
from wstui.report.model.table import MOST_ROWS, Row, Table
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
