"""Plain text in columns: aligned tables and facts in a row, measured in terminal cells."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from wstui.scenario.units import words

GAP = "  "


def cells(text: str) -> int:
    """How many terminal cells `text` takes: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    width = 0
    for character in text:
        if unicodedata.combining(character) or unicodedata.category(character) in ("Me", "Cf"):
            continue
        width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return width


def fit(text: str, width: int) -> str:
    """`text` cut to `width` cells, ending in "…" where something was cut."""
    if cells(text) <= width:
        return text
    kept = ""
    used = 0
    for character in text:
        used += cells(character)
        if used > width - 1:
            break
        kept += character
    return kept + "…" if width > 0 else ""


def pad(text: str, width: int, *, right: bool = False) -> str:
    """`text` filled up with spaces to `width` cells; `right` aligns it to the right."""
    space = " " * max(width - cells(text), 0)
    return space + text if right else text + space


def table(rows: Sequence[Sequence[str]], *, left: int = 1, width: int = 80, indent: str = "  ") -> list[str]:
    """Rows as lines of at most `width` cells: the first `left` columns to the left, all others to the right.

    Where the table is too wide, the widest left column is cut; the first row is usually the header.
    """
    if not rows:
        return []
    widths = [max(cells(row[column]) for row in rows) for column in range(len(rows[0]))]
    excess = len(indent) + sum(widths) + len(GAP) * (len(widths) - 1) - width
    while excess > 0:
        widest = max(range(left), key=lambda column: widths[column])
        cut = min(excess, max(widths[widest] - 6, 0))
        if not cut:
            break
        widths[widest] -= cut
        excess -= cut
    return [
        indent
        + GAP.join(
            pad(fit(text, widths[column]), widths[column], right=column >= left) for column, text in enumerate(row)
        ).rstrip()
        for row in rows
    ]


def flow(
    facts: Iterable[str], *, width: int = 80, indent: str = "  ", between: str = " · ", first: str | None = None
) -> list[str]:
    """Facts one after the other, as many to a line as fit; one that is longer than a line is cut.

    `first` is the indent of the first line, where it differs.
    """
    lines: list[str] = []
    line = ""
    for fact in facts:
        fact = fit(fact, width - cells(indent))
        longer = fact if not line else line + between + fact
        if line and cells(indent + longer) > width:
            lines.append(indent + line)
            line = fact
        else:
            line = longer
    if line:
        lines.append(indent + line)
    if lines and first is not None:
        lines[0] = first + lines[0][len(indent) :]
    return lines


def wrap(text: str, *, width: int = 80, indent: str = "  ", first: str | None = None) -> list[str]:
    """A sentence over as many lines as it needs; `first` is the indent of the first line, as wide as the others'."""
    return flow(words(" ".join(text.split())), width=width, indent=indent, between=" ", first=first)
