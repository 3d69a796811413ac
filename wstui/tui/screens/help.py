"""The keys, from the bindings that are live, so that a remapped key shows as what it is; and the signs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.binding import ActiveBinding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from wstui.tui.screens.dialog import Dialog

Entry = tuple[str, str]
Section = tuple[str, list[Entry]]

_SECTIONS = {
    "load": "Load",
    "errors": "Errors",
    "app": "Everywhere",
    "view": "Look",
    "scenario": "Scenario and runs",
    "result": "Result",
    "preset": "Presets",
    "edit": "Editor",
    "runs": "Runs",
}
_SIGNS: list[Entry] = [
    ("✓", "within its limit"),
    ("▲", "near the limit or rising"),
    ("✗", "over the limit"),
    ("‖", "paused"),
    ("■", "stopped by the operator"),
]
_LEFT = ("load", "errors", "app", "result", "preset", "edit", "runs")
_HIDDEN = ("errors.up", "errors.down", "errors.page")


def sections(bindings: Iterable[ActiveBinding], display: dict[str, str]) -> dict[str, list[Entry]]:
    """Keys and what they do, by the part of the binding's id before its dot."""
    found: dict[str, list[Entry]] = {}
    seen: dict[str, tuple[str, int]] = {}
    for active in bindings:
        binding = active.binding
        if not binding.id or binding.id.startswith(_HIDDEN):
            continue
        area = binding.id.partition(".")[0]
        if area not in _SECTIONS:
            continue
        shown = display.get(binding.key, binding.key)
        entries = found.setdefault(area, [])
        text = binding.tooltip or binding.description
        name = binding.id if binding.group is None else binding.group.description
        if name in seen and seen[name][0] == area:
            index = seen[name][1]
            entries[index] = (f"{entries[index][0]} {shown}", entries[index][1])
            continue
        seen[name] = (area, len(entries))
        entries.append((shown, text))
    return found


class HelpDialog(Dialog[None]):
    """Two columns of keys and signs."""

    def __init__(self, bindings: Sequence[ActiveBinding], display: dict[str, str]) -> None:
        super().__init__()
        self._sections = sections(bindings, display)
        self.add_class("wide-dialog")

    def body(self) -> Iterable[Widget]:
        """The sections, balanced over two columns."""
        left = [_section(_SECTIONS[a], self._sections[a]) for a in _SECTIONS if a in _LEFT and a in self._sections]
        right = [
            _section(_SECTIONS[a], self._sections[a]) for a in _SECTIONS if a not in _LEFT and a in self._sections
        ]
        right.append(_section("Signs", _SIGNS))
        yield Horizontal(Vertical(*left), Vertical(*right), classes="columns")

    def on_mount(self) -> None:
        """The box is a panel with a name here."""
        box = self.query_one("#box")
        box.border_title = "keys"

    def subtitle(self) -> str:
        """How to leave."""
        return "esc closes"


def _section(name: str, entries: Sequence[Entry]) -> Static:
    parts: list[tuple[str, str] | str] = [(name, "bold")]
    for keys, text in entries:
        parts += ["\n", (f"{keys:>9}", "bold $accent"), f"  {text[:1].lower()}{text[1:]}"]
    return Static(Content.assemble(*parts), classes="section")
