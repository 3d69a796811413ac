"""One of a few words: all of them in a row, the chosen one marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message

from wstui.tui.bindings import key
from wstui.tui.kit.row_widget import Line, RowWidget, cells


class OptionRow(RowWidget, can_focus=True):
    """Left and right choose, as do a first letter and a click. Where all have no room only the chosen one is there."""

    DEFAULT_CSS = "OptionRow { height: 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        key("left", "choose(-1)", "Before", "choice.before", "The choice before"),
        key("right,space", "choose(1)", "After", "choice.after", "The next choice"),
    ]

    class Changed(Message):
        """Another word was chosen."""

        def __init__(self, choice: OptionRow) -> None:
            super().__init__()
            self.choice = choice

        @property
        def control(self) -> OptionRow:
            """The widget it comes from."""
            return self.choice

    def __init__(self, options: Sequence[str], value: str) -> None:
        super().__init__()
        self.options = tuple(options)
        self._value = value
        self._spots: list[tuple[int, int, str]] = []

    @property
    def value(self) -> str:
        return self._value

    @value.setter
    def value(self, value: str) -> None:
        if value != self._value:
            self._value = value
            self.redraw()
            self.post_message(self.Changed(self))

    def action_choose(self, by: int) -> None:
        """Another one, round and round."""
        place = self.options.index(self._value) if self._value in self.options else 0
        self.value = self.options[(place + by) % len(self.options)]

    def on_key(self, event: events.Key) -> None:
        """A letter goes to the next word that begins with it."""
        if event.character is None or not event.character.isalnum():
            return
        place = self.options.index(self._value) if self._value in self.options else -1
        turned = [*self.options[place + 1 :], *self.options[: place + 1]]
        found = next((word for word in turned if word.startswith(event.character.lower())), None)
        if found is not None:
            event.stop()
            event.prevent_default()
            self.value = found

    def on_click(self, event: events.Click) -> None:
        self.value = next((word for start, end, word in self._spots if start <= event.x < end), self._value)

    def paint(self, width: int, height: int) -> list[Line]:
        chosen = "strong@cursor" if self.has_focus else "strong"
        ground = "@cursor" if self.has_focus else ""
        line = self._spread("  ", chosen, ground)
        if cells(line) > width:
            line = self._spread(" ", chosen, ground)
        if cells(line) > width:
            place = self.options.index(self._value) if self._value in self.options else -1
            self._spots = [(0, width, self.options[(place + 1) % len(self.options)])]
            line = [("‹ ", f"muted{ground}"), (self._value, chosen), (" ›", f"muted{ground}")]
        return [[*line, (" " * max(0, width - cells(line)), f"muted{ground}")]]

    def _spread(self, between: str, chosen: str, ground: str) -> Line:
        """All words in a row, with where each can be clicked."""
        self._spots = []
        line: Line = []
        for word in self.options:
            here = word == self._value
            line += [(between, f"muted{ground}")] if line else []
            at = cells(line)
            line.append((f"{'●' if here else '○'} {word}", chosen if here else f"muted{ground}"))
            self._spots.append((at, cells(line), word))
        return line
