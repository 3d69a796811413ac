"""A table of the reports as rows of a screen."""

from __future__ import annotations

from wstui.measure.format import NONE
from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import GAP, clip, flow, wrap
from wstui.report.model.labels import Tone
from wstui.report.model.table import Style, Table, fitted
from wstui.tui.kit.row_widget import Line, rule

MEANINGS = {Tone.GOOD: "ok", Tone.NEAR: "warn", Tone.BAD: "bad", Tone.PLAIN: "text"}
_DETAILS = 1


def table_rows(table: Table, width: int) -> list[Line]:
    """The title as a rule, and the table below it."""
    lines: list[Line] = [rule([(table.title.lower(), "text")], width)]
    if table.style is Style.GRID:
        found = fitted(table, width - 1)
        lines.append([(" " + GAP.join(found.head), "muted")])
        for row, cells in list(zip(table.rows, found.rows, strict=True))[: table.shown]:
            line: Line = [(" ", "text")]
            tone = MEANINGS[row.tone]
            for column, cell in zip(found.columns, cells, strict=True):
                plain = "strong" if column.strong else "text"
                absent = cell.strip() in (NONE, "0")
                line += [(cell, "muted" if absent else tone if row.tone is not Tone.PLAIN else plain), (GAP, "text")]
            lines.append(line[:-1])
            lines += [[(clip(f"   {sanitize(detail)}", width), "muted")] for detail in row.details[-_DETAILS:]]
        left_out = len(table.rows) - table.shown
    else:
        phrases = list(table.phrases())
        left_out = len(phrases) - table.shown
        tone = MEANINGS[table.rows[0].tone if table.style is Style.FACTS else Tone.PLAIN]
        lines += [[(line, tone)] for line in flow(phrases[: table.shown], width=width, indent=" ")]
    if left_out > 0:
        lines.append([(f" … and {left_out} further", "muted")])
    for warning in table.warnings:
        for index, part in enumerate(wrap(sanitize(warning), width - 4)):
            lines.append([(" ▲ " if index == 0 else "   ", "strong-warn"), (part, "warn")])
    for note in table.notes:
        lines += [[(" " + part, "muted")] for part in wrap(sanitize(note), width - 2)]
    return lines
