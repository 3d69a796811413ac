"""A TOML text in colours, folded to the width it has."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import chop_cells

from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import width_of
from wstui.tui.kit.row_widget import Line, Part, RowWidget

_PAIR = re.compile(r"(\s*)([\w.\"-]+)( = )(.*?)((?:  # .*)?)")
_WORD = re.compile(r"\s*\S+|\s+")
_INDENT = 2


class TomlView(RowWidget):
    """Keys, strings, numbers and comments told apart; as long as it needs."""

    DEFAULT_CSS = "TomlView { height: auto; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: list[str] = []

    def show(self, text: str) -> None:
        rows = text.splitlines()
        if rows != self._rows:
            self._rows = rows
            self.refresh(layout=True)
        self.redraw()

    def top_of(self, row: int) -> int:
        """Return where a row of the text is shown, among the rows that are folded."""
        return sum(len(_folded(_coloured(text), self.size.width)) for text in self._rows[:row])

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return max(1, len(self._painted(width)))

    def paint(self, width: int, height: int) -> list[Line]:
        return self._painted(width)

    def _painted(self, width: int) -> list[Line]:
        return [line for row in self._rows for line in _folded(_coloured(row), width)]


def _coloured(row: str) -> Line:
    row = sanitize(row)
    if row.startswith("["):
        name, mark, comment = row.partition("  # ")
        return [(name, "strong-accent"), (mark + comment, "muted")]
    if row.startswith("#"):
        return [(row, "muted")]
    match = _PAIR.fullmatch(row)
    if match is None:
        return [(row, "received")]
    blank, name, equals, value, comment = match.groups()
    meaning = "p95" if value[:1].isdigit() else "received"
    return [(blank, "text"), (name, "accent"), (equals, "muted"), (value, meaning), (comment, "muted")]


def _folded(line: Line, width: int) -> list[Line]:
    """Return a row in rows of at most `width` cells, the further ones indented; words are kept whole if they fit."""
    rows: list[Line] = [[]]
    left = width
    for text, meaning in _words(line, max(1, width - _INDENT)):
        if width_of(text) > left and rows[-1]:
            rows.append([(" " * _INDENT, "text")])
            text, left = text.lstrip(), max(1, width - _INDENT)
        rows[-1].append((text, meaning))
        left -= width_of(text)
    return rows


def _words(line: Line, most: int) -> Iterator[Part]:
    for text, meaning in line:
        for word in _WORD.findall(text):
            for piece in chop_cells(word, most):
                yield piece, meaning
