"""Markdown as rows in the colours of the theme: rich lays it out, the palette paints it.

Textual's own Markdown makes a widget of every cell of a table, which takes seconds for the reference pages.
"""

from __future__ import annotations

import re

from rich.console import Console
from rich.markdown import Markdown
from rich.style import Style
from rich.theme import Theme

from wstui.tui.kit.row_widget import Line

_THEME = Theme(
    {
        **{f"markdown.h{level}": "bold" for level in range(1, 8)},
        "markdown.code": "cyan",
        "markdown.code_block": "cyan",
        "markdown.table.header": "bold",
        "markdown.table.border": "dim",
        "markdown.item.bullet": "cyan",
        "markdown.hr": "dim",
        "markdown.link": "none",
        "markdown.link_url": "dim",
    }
)
_HEADLESS = re.compile(r"(?<=\n\n)\|(?:-{3,}\|)+$", re.MULTILINE)
"""The line below the heads of a table that has none: the pages leave them out, and Markdown needs them."""


def markdown_rows(text: str, width: int) -> list[Line]:
    """Return a page in rows of at most `width` cells."""
    text = _HEADLESS.sub(lambda rule: f"{'| ' * (rule[0].count('|') - 1)}|\n{rule[0]}", text)
    console = Console(width=max(width, 20), theme=_THEME, color_system="truecolor", force_terminal=True)
    rows = console.render_lines(Markdown(text, hyperlinks=False), pad=False)
    return [[(segment.text, _meaning(segment.style)) for segment in row if segment.text] for row in rows]


def _meaning(style: Style | None) -> str:
    if style is None:
        return "text"
    if style.bold and not style.bgcolor:
        return "strong"
    return "muted" if style.dim else "accent" if style.color and not style.color.is_default else "text"


def highlighted(line: Line, words: list[str]) -> Line:
    """Return a row with the words on the ground of the cursor."""
    if not words:
        return line
    found = re.compile(f"({'|'.join(map(re.escape, words))})", re.IGNORECASE)
    return [
        (part, f"{meaning}@cursor" if place % 2 else meaning)
        for text, meaning in line
        for place, part in enumerate(found.split(text))
        if part
    ]
