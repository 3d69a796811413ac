"""The one model of a table: what console, Markdown, HTML and the result screen draw, each in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import GAP, clip, pad, width_of
from wstui.report.model.labels import Tone

MOST_ROWS = 100
"""Reports draw no more rows of a table."""
_LEAST = 6


class Style(Enum):
    """How running text shows a table; Markdown and HTML always draw a grid."""

    GRID = "grid"
    FACTS = "facts"  # one row: each figure after its title
    LIST = "list"  # two columns: how often, and what


@dataclass(frozen=True, slots=True)
class Column:
    """A column: numbers stand to the right, and `code` is quoted as it came from a server.

    Where there is little room, columns with the highest `rank` are left out first; 0 never is. `strong` ones matter
    most: of facts, the others are only told if they are not 0.
    """

    title: str
    number: bool = True
    code: bool = False
    strong: bool = False
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """Cells under the columns. `tone` colours the row; `share` (0…1) is drawn as a bar; `details` belong below it."""

    cells: Sequence[str]
    tone: Tone = Tone.PLAIN
    share: float | None = None
    details: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a title.

    `bar` heads the shares of its rows. `warnings` tell what is not as it should be. Running text has `shown` rows at
    most.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    style: Style = Style.GRID
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()
    bar: str = ""
    shown: int = 40

    @property
    def last_words(self) -> int:
        """The column that details stand in: the last one of words."""
        return max((index for index, column in enumerate(self.columns) if not column.number), default=0)

    def phrases(self) -> Iterator[str]:
        """Facts and lists as phrases."""
        if self.style is Style.LIST:
            yield from (f"{row.cells[1]} × {sanitize(row.cells[0], 60)}" for row in self.rows)
            return
        for column, cell in zip(self.columns, self.rows[0].cells, strict=True):
            if column.strong or cell not in ("0", "0 B"):
                yield f"{column.title} {sanitize(cell, 200)}".strip()


@dataclass(frozen=True, slots=True)
class Fitted:
    """A table cut to a width: its columns, and the head and each row as cells of equal width."""

    columns: list[Column]
    head: list[str]
    rows: list[list[str]]

    @property
    def width(self) -> int:
        """Return how wide a row is."""
        return sum(map(width_of, self.head)) + len(GAP) * (len(self.head) - 1)


def fitted(table: Table, width: int) -> Fitted:
    """Fit a table into a width: leave out what matters least, then cut the widest words."""
    rows = [[sanitize(cell, 200) for cell in row.cells] for row in table.rows]
    kept = list(range(len(table.columns)))
    widths = [
        max(width_of(column.title), *(width_of(row[index]) for row in rows), 0)
        for index, column in enumerate(table.columns)
    ]

    def excess() -> int:
        return sum(widths[index] for index in kept) + len(GAP) * (len(kept) - 1) - width

    while excess() > 0 and (rank := max((table.columns[index].rank for index in kept), default=0)):
        kept.remove(next(index for index in reversed(kept) if table.columns[index].rank == rank))
    words = [index for index in kept if not table.columns[index].number]
    while excess() > 0 and words and widths[widest := max(words, key=lambda index: widths[index])] > _LEAST:
        widths[widest] -= min(excess(), widths[widest] - _LEAST)

    def padded(cells: Sequence[str]) -> list[str]:
        return [
            pad(clip(cells[index], widths[index]), widths[index], right=table.columns[index].number) for index in kept
        ]

    columns = [table.columns[index] for index in kept]
    return Fitted(columns, padded([column.title for column in table.columns]), [padded(row) for row in rows])
