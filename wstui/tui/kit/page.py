"""A page of sections, one below the other or two side by side: as long as it needs, for a screen that scrolls."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wstui.tui.kit.row_widget import Line, RowWidget, cells, cut

Section = Callable[[int], list[Line]]
"""Returns the rows of a section for a width, or none."""
_SIDE_BY_SIDE = 110
_GAP = 2


class Page(RowWidget):
    """The sections, with a blank row between them."""

    DEFAULT_CSS = "Page { height: auto; }"

    def __init__(self, sections: Sequence[Section] = ()) -> None:
        super().__init__()
        self._sections = list(sections)

    def show(self, sections: Sequence[Section]) -> None:
        self._sections = list(sections)
        self.refresh(layout=True)
        self.redraw()

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

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self.rows(width))

    def paint(self, width: int, height: int) -> list[Line]:
        return self.rows(width)


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
