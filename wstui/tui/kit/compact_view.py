"""A screen in a few plain rows, laid over all the rest where the terminal is too small for it.

The widgets below keep their focus and position, so every key works, and all is as before when there is room again.
"""

from __future__ import annotations

from collections.abc import Callable

from wstui.report.model.cell_text import clip, wrap
from wstui.tui.kit.key_row import live_keys
from wstui.tui.kit.row_widget import Line, RowWidget, cells, cut

Facts = Callable[[int], list[Line]]
"""The most important lines first, for a width."""

LEAST = (60, 16)
"""The smallest terminal, in cells and rows, that a screen is drawn on."""
_REDRAW_S = 0.1


class CompactView(RowWidget):
    """Shows the screen's subject, the keys that work, and the size that shows it all; as much of it as fits."""

    def __init__(
        self, facts: Facts, keys: Callable[[], list[Line]] | None = None, least: tuple[int, int] = LEAST
    ) -> None:
        """`keys` are what can be pressed, where that is other than the live keys that are shown."""
        super().__init__()
        self._least = f"{least[0]}×{least[1]}"
        self._facts = facts
        self._keys = keys or self._live_keys

    def on_mount(self) -> None:
        """Redraw while it is visible."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.redraw())
        self.set_interval(_REDRAW_S, self.redraw)

    def paint(self, width: int, height: int) -> list[Line]:
        """Facts, keys, size: of little room the facts have the most, but keys are always told."""
        size = self.app.size
        note = f"{size.width}×{size.height} is too small: {self._least} shows it all"
        if len(note) > width:
            note = f"needs {self._least}"
        facts = self._facts(width)
        keys = _in_rows(self._keys(), width)
        room = max(1, height - len(facts) - 1)
        keys = keys[: max(room, min(2, height // 3))]
        facts = facts[: max(1, height - len(keys))]
        lines = [cut(line, width) for line in (*facts, *keys)]
        if len(lines) < height:
            lines.append([(clip(note, width), "muted")])
        return lines

    def _live_keys(self) -> list[Line]:
        return [[(shown, "strong-accent"), (f" {label}", "text")] for shown, label, _ in live_keys(self.screen)]


def _in_rows(parts: list[Line], width: int) -> list[Line]:
    rows: list[Line] = []
    for part in parts:
        if rows and cells(rows[-1]) + 2 + cells(part) <= width:
            rows[-1] = [*rows[-1], ("  ", "text"), *part]
        else:
            rows.append(part)
    return rows


def as_rows(text: str, width: int, meaning: str = "text") -> list[Line]:
    """A cleaned text in as many rows as it takes; none for none."""
    return [[(part, meaning)] for part in wrap(text, width)] if text else []
