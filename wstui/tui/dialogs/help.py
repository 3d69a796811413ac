"""The keys, from the bindings that are live, so that a remapped key shows as what it is; and the signs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from textual.binding import ActiveBinding, Binding
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from wstui.tui.dialogs.dialog import Dialog
from wstui.tui.kit.format import wrap
from wstui.tui.kit.row_widget import Line, RowWidget

Entry = tuple[str, str]

AREAS = {
    "load": "Load",
    "errors": "Errors",
    "result": "Result",
    "preset": "Presets",
    "edit": "Editor",
    "check": "Checklist",
    "runs": "Runs",
    "app": "Everywhere",
    "view": "Look",
    "scenario": "Scenario and runs",
}
"""The part of a binding's id before its dot, and what it is called."""
_RIGHT = ("view", "scenario")
_SIGNS: list[Entry] = [
    ("✓", "within its limit"),
    ("▲", "near the limit or rising"),
    ("✗", "over the limit"),
    ("‖", "paused"),
    ("■", "stopped by the operator"),
    ("msg/s", "sent and received together"),
    ("drained", "under way when the run ended"),
    ("abandoned", "unanswered when its connection or the run ended"),
    ("came back", "dropped, and connected again"),
]
_MOUSE: list[Entry] = [
    ("click", "a key in the footer, a row of a list, a button"),
    ("double-click", "opens the row"),
    ("shift+drag", "selects text, as without wstui (⌥ drag in iTerm2)"),
    ("wheel", "moves through lists and pages"),
    ("j k", "down and up"),
    ("g G", "first and last row (g in a run: log or linear)"),
]
_OBVIOUS = ("runs.top", "preset.first", "result.up", "result.down", "result.page", "app.interrupt", "app.help_f1")
_KEYS = 8


def areas(bindings: Iterable[ActiveBinding], shown: Callable[[Binding], str]) -> dict[str, list[Entry]]:
    """Keys and what they do, by area; keys of one binding or one group stand together."""
    found: dict[str, list[Entry]] = {}
    places: dict[tuple[str, str], int] = {}
    for active in bindings:
        binding = active.binding
        area = (binding.id or "").partition(".")[0]
        if area not in AREAS or (binding.id or "").startswith(_OBVIOUS):
            continue
        entries = found.setdefault(area, [])
        key = shown(binding)
        name = (area, binding.group.description if binding.group else binding.id or "")
        if name not in places:
            places[name] = len(entries)
            entries.append((key, binding.tooltip or binding.description))
        elif key not in entries[places[name]][0].split():
            keys, text = entries[places[name]]
            entries[places[name]] = (f"{keys} {key}", text)
    return found


class Section(RowWidget):
    """A heading, and keys with what they do."""

    DEFAULT_CSS = "Section { height: auto; margin-bottom: 1; background: $surface; }"

    def __init__(self, name: str, entries: Sequence[Entry]) -> None:
        super().__init__()
        self._name_shown = name
        self._entries = entries

    def rows(self, width: int) -> list[Line]:
        """All rows for a width."""
        lines: list[Line] = [[(self._name_shown, "strong")]]
        for keys, text in self._entries:
            keys = keys.replace("1 2 3 4", "1–4")
            text = text[:1].lower() + text[1:]
            for index, part in enumerate(wrap(text, width - _KEYS - 2)):
                lines.append([(f"{keys if index == 0 else '':>{_KEYS}}  ", "strong-accent"), (part, "text")])
        return lines

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many rows as there are."""
        return len(self.rows(width))

    def paint(self, width: int, height: int) -> list[Line]:
        """All of them."""
        return self.rows(width)


class HelpDialog(Dialog[None]):
    """Two columns of keys and signs."""

    def __init__(self, bindings: Sequence[ActiveBinding], shown: Callable[[Binding], str]) -> None:
        super().__init__()
        self._areas = areas(bindings, shown)
        self.add_class("wide-dialog")

    def body(self) -> Iterable[Widget]:
        """The areas in two columns, the signs last."""
        sections = {area: Section(AREAS[area], self._areas[area]) for area in AREAS if area in self._areas}
        left = [section for area, section in sections.items() if area not in _RIGHT]
        right = [section for area, section in sections.items() if area in _RIGHT]
        left.append(Section("Mouse and lists", _MOUSE))
        yield Horizontal(Vertical(*left), Vertical(*right, Section("Signs", _SIGNS)), classes="columns")

    def on_mount(self) -> None:
        """The host is a panel with a name here."""
        self.query_one("#host").border_title = "keys"

    def subtitle(self) -> str:
        """How to leave."""
        return "esc closes"
