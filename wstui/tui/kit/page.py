"""A page of sections, one below the other or two side by side: as long as it needs, for a screen that scrolls."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wstui.measure.format import NONE
from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import GAP, clip, flow, wrap
from wstui.report.model.labels import Tone
from wstui.report.model.table import Style, Table, fitted
from wstui.tui.kit.row_widget import Line, TallWidget, cells, cut, rule

Section = Callable[[int], list[Line]]
"""Returns the rows of a section for a width, or none."""
_SIDE_BY_SIDE = 110
_GAP = 2


class Page(TallWidget):
    """The sections, with a blank row between them."""

    DEFAULT_CSS = "Page { height: auto; }"

    def __init__(self, sections: Sequence[Section] = ()) -> None:
        super().__init__()
        self._sections = list(sections)

    def show(self, sections: Sequence[Section]) -> None:
        self._sections = list(sections)
        self.changed()

    def rows(self, width: int) -> list[Line]:
        lines: list[Line] = []
        for section in self._sections:
            if rows := section(width):
                lines += [*rows, []]
        return lines[:-1]

    def start_of(self, section: Section, width: int) -> int:
        """The row that a section begins in."""
        row = 0
        for other in self._sections[: self._sections.index(section)]:
            row += len(rows) + 1 if (rows := other(width)) else 0
        return row


def beside(left: Section, right: Section) -> Section:
    """Two sections side by side if there is room, else one below the other."""

    def section(width: int) -> list[Line]:
        if width < _SIDE_BY_SIDE:
            one, other = left(width), right(width)
            return [*one, [], *other] if one and other else one or other
        half = (width - _GAP) // 2
        one, other = left(half), right(width - _GAP - half)
        if not (one and other):
            return left(width) or right(width)
        rows: list[Line] = []
        for index in range(max(len(one), len(other))):
            line = cut(one[index], half) if index < len(one) else []
            line = [*line, (" " * (half + _GAP - cells(line)), "text")]
            rows.append(line + (other[index] if index < len(other) else []))
        return rows

    return section


MEANINGS = {Tone.GOOD: "ok", Tone.NEAR: "warn", Tone.BAD: "bad", Tone.PLAIN: "text"}
_DETAILS = 1


def table_rows(table: Table, width: int) -> list[Line]:
    """The title as a rule, and the table below it."""
    return [rule([(table.title.lower(), "text")], width), *table_body(table, width)]


def table_body(table: Table, width: int) -> list[Line]:
    """The table without its title."""
    lines: list[Line] = []
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
