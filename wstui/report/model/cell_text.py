"""Text in the cells of a terminal, for reports and screens: widths, cutting, tables, facts in a row, paragraphs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.cells import cell_len, chop_cells

from wstui.scenario.units import words

GAP = "  "
_EIGHTHS = " ▏▎▍▌▋▊▉"


def width_of(text: str) -> int:
    """The cells that a sanitised text takes on a terminal."""
    return len(text) if text.isascii() else cell_len(text)


def clip(text: str, width: int) -> str:
    """The text cut to at most `width` cells, with "…" where something was cut off."""
    if width_of(text) <= width:
        return text
    if width <= 0:
        return ""
    if text.isascii():
        return text[: width - 1] + "…"
    head = chop_cells(text, width - 1)[0] if width > 1 else ""
    return head + "…"


def pad(text: str, width: int, *, right: bool = False) -> str:
    """The text in exactly `width` cells, aligned left or right."""
    text = clip(text, width)
    blank = " " * (width - width_of(text))
    return blank + text if right else text + blank


def bar(share: float | None, width: int) -> str:
    """A solid bar of a share of 0…1, to an eighth of a cell: one that is not 0 is never empty."""
    if share is None or width <= 0:
        return ""
    share = min(1.0, max(0.0, share))
    eighths = max(1, round(share * width * 8)) if share else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def wrap(text: str, width: int) -> list[str]:
    """A sanitised text in rows of at most `width` cells; words are kept whole where they fit."""
    rows: list[str] = []
    row = ""
    for word in words(text):
        joined = f"{row} {word}" if row else word
        if row and width_of(joined) > width:
            rows.append(row)
            row = word
        else:
            row = joined
    rows.append(row)
    return [clip(row, max(1, width)) for row in rows]


def table(rows: Sequence[Sequence[str]], *, left: int = 1, width: int = 80, indent: str = "  ") -> list[str]:
    """Rows as lines of at most `width` cells: the first `left` columns to the left, all others to the right.

    Where the table is too wide, the widest left column is cut; the first row is usually the header.
    """
    if not rows:
        return []
    widths = [max(width_of(row[column]) for row in rows) for column in range(len(rows[0]))]
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
            pad(clip(text, widths[column]), widths[column], right=column >= left) for column, text in enumerate(row)
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
        fact = clip(fact, width - width_of(indent))
        longer = fact if not line else line + between + fact
        if line and width_of(indent + longer) > width:
            lines.append(indent + line)
            line = fact
        else:
            line = longer
    if line:
        lines.append(indent + line)
    if lines and first is not None:
        lines[0] = first + lines[0][len(indent) :]
    return lines


def paragraph(text: str, *, width: int = 80, indent: str = "  ", first: str | None = None) -> list[str]:
    """A sentence over as many lines as it needs; `first` is the indent of the first line, as wide as the others'."""
    return flow(words(" ".join(text.split())), width=width, indent=indent, between=" ", first=first)


def tilde(path: Path) -> str:
    """Return a path with "~" for the home folder."""
    try:
        home = Path.home()
        return f"~/{path.relative_to(home)}" if home.name else str(path)  # where "/" is the home, all is in it
    except (ValueError, RuntimeError):
        return str(path)
