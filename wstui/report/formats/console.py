"""The summary that a run prints at its end."""

from __future__ import annotations

from typing import TextIO

from wstui.execution.run.result import Result, SuiteResult
from wstui.measure.sanitize import sanitize
from wstui.report.analysis.diagnosis import findings
from wstui.report.model.cell_text import GAP, bar, clip, flow, paragraph, width_of
from wstui.report.model.labels import Tone, facts_of, name_of, verdict_sign
from wstui.report.model.table import Style, Table, fitted
from wstui.report.model.tables import judged, measured, overview
from wstui.report.model.terminal import Paint, terminal_width, wants_colour

_INDENT = "  "
_DETAILS = 2
_BAR = range(4, 41)
"""How many cells a bar may have."""


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
    if isinstance(result, Result):
        return "\n".join(_run(result, width, paint))
    lines = _head(result, width, paint) + table_lines(overview(result), width, paint)
    for run in result.runs:
        lines += ["", "─" * width, *_run(run, width, paint)]
    return "\n".join(lines)


def table_lines(table: Table, width: int, paint: Paint) -> list[str]:
    """A table in lines of at most `width` cells, without its title."""
    lines: list[str] = []
    left_out = 0
    if table.style is Style.GRID:
        found = fitted(table, width - len(_INDENT))
        room = width - len(_INDENT) - found.width - len(GAP)
        lines.append((_INDENT + GAP.join(found.head)).rstrip())
        for row, cells in list(zip(table.rows, found.rows, strict=True))[: table.shown]:
            line = _INDENT + GAP.join(cells)
            if row.share is not None and room in range(_BAR.start, width):
                line += GAP + bar(row.share, min(room, _BAR.stop - 1))
            lines.append(paint.tone(line.rstrip(), row.tone))
            lines += paint.dim([clip(f"      {sanitize(detail)}", width) for detail in row.details[-_DETAILS:]])
        left_out = len(table.rows) - table.shown
    else:
        phrases = list(table.phrases())
        left_out = len(phrases) - table.shown
        tone = table.rows[0].tone if table.style is Style.FACTS else Tone.PLAIN
        lines += [paint.tone(line, tone) for line in flow(phrases[: table.shown], width=width)]
    if left_out > 0:
        lines.append(f"{_INDENT}… and {left_out} further")
    for warning in table.warnings:
        told = paragraph(sanitize(warning), width=width, indent="    ", first="  ▲ ")
        lines += [paint.tone(line, Tone.NEAR) for line in told]
    for note in table.notes:
        lines += paint.dim(paragraph(sanitize(note), width=width))
    return lines


def _head(result: Result | SuiteResult, width: int, paint: Paint) -> list[str]:
    """The verdict and its reason, whole: on one line where there is room."""
    sign = verdict_sign(result.verdict)
    reason = f"{sanitize(name_of(result), 60)}: {sanitize(result.verdict.reason)}"
    head = [paint.tone(f"{sign.glyph} {sign.word}", sign.tone, bold=True)]
    if width_of(f"{sign.glyph} {sign.word}  {reason}") <= width:
        head[0] += "  " + reason
    else:
        head += paragraph(reason, width=width)
    return head


def _run(run: Result, width: int, paint: Paint) -> list[str]:
    lines = _head(run, width, paint) + paint.dim(flow(map(sanitize, facts_of(run)), width=width))
    bodies = [("Findings", _findings(run, width, paint))]
    bodies += [(table.title, table_lines(table, width, paint)) for table in (*judged(run), *measured(run))]
    for title, body in bodies:
        if body:
            lines += ["", paint.heading(title), *body]
    return lines


def _findings(run: Result, width: int, paint: Paint) -> list[str]:
    """Return the findings, each with its evidence and what to look at next."""
    lines = []
    for finding in findings(run):
        headline = paragraph(sanitize(finding.headline), width=width, indent="    ", first="  ▲ ")
        lines += [paint.tone(line, Tone.NEAR) for line in headline]
        lines += paragraph(sanitize(finding.evidence), width=width, indent="    ")
        lines += paint.dim(paragraph(finding.next_step, width=width, indent="      ", first="    → "))
    return lines


def plain_summary(result: Result | SuiteResult) -> str:
    """The summary that a terminal of 100 columns shows, without colours."""
    return summary(result, width=100) + "\n"
