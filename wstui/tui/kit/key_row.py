"""The last row: the keys that work now; for a few seconds after a command, what it did."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Input

from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import clip, wrap
from wstui.tui.kit.row_widget import Line, RowWidget, cells, cut

NOTICE_S = 5.0
_READ_S = 1 / 15
"""For each letter of a notice."""
_MOST_ROWS = 4
_NAMES = {"enter": "enter"}
_GLYPHS = {"information": ("✓", "ok@panel"), "warning": ("▲", "warn@panel"), "error": ("✗", "bad@panel")}


class KeyRow(RowWidget):
    """The keys of the live bindings; a notice stands above them for a moment in rows of its own, and hides nothing."""

    DEFAULT_CSS = "KeyRow { height: 1; dock: bottom; background: $panel; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._notice: tuple[str, str] | None = None
        self._spots: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.redraw())

    def show_notice(self, text: str, severity: str = "information", *, seconds: float = NOTICE_S) -> None:
        """Show a notice above the keys for some seconds, the longer the more there is to read."""
        self._notice = notice = (sanitize(text), severity)
        self._fit()
        self.set_timer(max(seconds, len(text) * _READ_S), lambda: self._hide_notice(notice))

    def _hide_notice(self, notice: tuple[str, str]) -> None:
        if self._notice is notice:
            self._notice = None
            self._fit()

    def on_resize(self) -> None:
        """A notice may need more rows, or fewer."""
        self._fit()

    def _fit(self) -> None:
        """As many rows as the notice needs: what it says at its end is what can be done."""
        rows = wrap(self._notice[0], self.size.width - 4)[:_MOST_ROWS] if self._notice and self.size.width > 12 else []
        self.styles.height = 1 + len(rows)
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        if self._notice is None or height < 2:
            return [self._keys(width)]
        text, severity = self._notice
        glyph, meaning = _GLYPHS.get(severity, _GLYPHS["information"])
        rows = wrap(text, width - 4)
        rows = [*rows[: height - 2], clip(" ".join(rows[height - 2 :]), width - 4)]
        marks = [f" {glyph} ", *["   "] * (len(rows) - 1)]
        told: list[Line] = [[(mark, meaning), (row, "text@panel")] for mark, row in zip(marks, rows, strict=True)]
        return [*told, self._keys(width)]

    def _keys(self, width: int) -> Line:
        self._spots = []
        keys = live_keys(self.screen)
        palette: Line = []
        if "ctrl+p" in self.screen.active_bindings:
            palette = [("│ ", "rule@panel"), ("^p", "strong-accent@panel"), (" palette ", "text@panel")]
        room = width - cells(palette)
        left: Line = []
        for number, (shown, label, action) in enumerate(keys):
            part = _part(shown, label)
            # the way out and the help are never those that have no room
            needed = sum(cells(_part(*key[:2])) for key in keys[number + 1 :] if _leads_out(key))
            if cells(left) + cells(part) + needed > room and not _leads_out((shown, label, action)):
                continue
            self._spots.append((cells(left), cells(left) + cells(part) - 1, action))
            left += part
        if palette:
            self._spots.append((width - cells(palette), width, "app.command_palette"))
        gap = " " * max(0, room - cells(left))
        return [*cut(left, room), (gap, "text@panel"), *palette]

    async def on_click(self, event: events.Click) -> None:
        """A click on a key is a press of it."""
        for start, end, action in self._spots:
            if start <= event.x < end and event.y == self.size.height - 1:
                await self.screen.run_action(action)
                return


def live_keys(screen: Screen[Any]) -> list[tuple[str, str, str]]:
    """The keys that work now and are to be shown, each as shown, with its label and action; a group stands together."""
    out: list[tuple[str, str, str]] = []
    groups: dict[Binding.Group, int] = {}
    typing = isinstance(screen.focused, Input)
    label_of = getattr(screen, "label_of", lambda _: None)  # the screen's own word, where that changes
    hides = getattr(screen, "hides", lambda _: False)  # what would be refused now
    for active in screen.active_bindings.values():
        binding = active.binding
        if not binding.show or not active.enabled or (typing and _types(binding.key)) or hides(binding.action):
            continue
        shown = _NAMES.get(binding.key) or screen.app.get_key_display(binding)
        if binding.group is not None:
            index = groups.get(binding.group)
            if index is not None:
                first, label, action = out[index]
                if shown not in first.split("/"):
                    out[index] = (f"{first}/{shown}", label, action)
                continue
            groups[binding.group] = len(out)
            out.append((shown, binding.group.description, binding.action))
        elif all(action != binding.action for _, _, action in out):
            out.append((shown, label_of(binding.action) or binding.description, binding.action))
    return out


def _part(shown: str, label: str) -> Line:
    return [(shown, "strong-accent@panel"), (f" {label} ", "text@panel")]


def _leads_out(key: tuple[str, str, str]) -> bool:
    return key[0] == "esc" or key[2] in ("help", "app.help", "app.leave", "leave")


def _types(key: str) -> bool:
    """Return whether a key types a character into an input."""
    return len(key) == 1 or key in ("space", "slash", "question_mark", "plus", "minus", "equals_sign", "delete")
