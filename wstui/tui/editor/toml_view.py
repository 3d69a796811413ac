"""The scenario as the file that would be saved."""

from __future__ import annotations

import re

from wstui.tui.kit.format import clean
from wstui.tui.kit.row_widget import Line, RowWidget

_PAIR = re.compile(r"(\s*)([\w.\"-]+)( = )(.*)")


class Toml(RowWidget):
    """A TOML text with its keys, strings and numbers told apart; as long as it needs."""

    DEFAULT_CSS = "Toml { height: auto; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: list[str] = []

    def show(self, text: str) -> None:
        rows = text.splitlines()
        longer = len(rows) != len(self._rows)
        self._rows = rows
        if longer:
            self.refresh(layout=True)
        self.redraw()

    def get_content_height(self, *_: object) -> int:
        return max(1, len(self._rows))

    def paint(self, width: int, height: int) -> list[Line]:
        return [_coloured(clean(row)) for row in self._rows]


def _coloured(row: str) -> Line:
    if row.startswith("["):
        return [(row, "strong-accent")]
    if row.startswith("#"):
        return [(row, "muted")]
    match = _PAIR.fullmatch(row)
    if match is None:
        return [(row, "received")]
    blank, name, equals, value = match.groups()
    return [(blank, "text"), (name, "accent"), (equals, "muted"), (value, "p95" if value[:1].isdigit() else "received")]
