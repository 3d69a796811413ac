"""The keys, from the bindings that are live, so that a remapped key shows as what it is; and the signs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import ClassVar

from textual.binding import ActiveBinding, Binding, BindingType
from textual.widget import Widget

from wstui.report.model.cell_text import width_of, wrap
from wstui.tui.bindings import key
from wstui.tui.dialogs.dialog import Dialog
from wstui.tui.kit.row_widget import Line, Part, TallWidget, cells, cut

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
_MOST_KEYS = 12
_PANELS = "maximise a panel: latency, messages, errors, limits"


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
            told = _PANELS if binding.group is not None else binding.tooltip or binding.description
            entries.append((key, told))
        elif key not in entries[places[name]][0].split():
            keys, text = entries[places[name]]
            entries[places[name]] = (f"{keys} {key}", f"{text}, steps" if text == _PANELS and key == "5" else text)
    own = any(keys == "q" for area, entries in found.items() if area != "app" for keys, _ in entries)
    if own:  # told once is enough
        found["app"] = [entry for entry in found.get("app", []) if entry[0] != "q"]
    return found


Section = tuple[str, Sequence[Entry]]


class HelpPage(TallWidget):
    """Keys with what they do, in two columns; one widget, because many would take long to lay out."""

    DEFAULT_CSS = "HelpPage { height: auto; background: $surface; }"

    def __init__(self, sections: Sequence[Section]) -> None:
        super().__init__()
        self._sections = sections

    def rows(self, width: int) -> list[Line]:
        """Return two columns of about the same height, or one below the other on a tiny terminal."""
        blank: list[Line] = [] if self.screen.has_class("-narrow") else [[]]
        if self.screen.has_class("-tiny"):
            return _column(self._sections, width - 1, blank)
        half = (width - 1) // 2
        pairs = [
            (_column(self._sections[:cut], half - 1, blank), _column(self._sections[cut:], width - half - 1, blank))
            for cut in range(1, len(self._sections))
        ]
        columns = min(pairs, key=lambda pair: max(map(len, pair)))
        return [
            [*left, (" " * (half - cells(left)), "text"), *right]
            for left, right in zip_longest(*columns, fillvalue=list[Part]())
        ]


def _column(sections: Sequence[Section], width: int, blank: list[Line]) -> list[Line]:
    lines: list[Line] = []
    for name, entries in sections:
        lines.append([(name, "strong")])
        short = [(keys.replace("1 2 3 4", "1–4").replace("1–4 5", "1–5"), text) for keys, text in entries]
        wide = min(_MOST_KEYS, max(width_of(keys) for keys, _ in short))
        for keys, text in short:
            for index, part in enumerate(wrap(text[:1].lower() + text[1:], width - wide - 3)):
                line = [(f" {keys if index == 0 else '':>{wide}}  ", "strong-accent"), (part, "text")]
                lines.append(cut(line, width))
        lines += blank
    return lines[: len(lines) - len(blank)]


class HelpDialog(Dialog[bool]):
    """Two columns of keys and signs. Answers True for the manual."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("m", "manual", "Manual", "dialog.manual", "Read the manual about this screen", shown=True)
    ]

    def __init__(self, bindings: Sequence[ActiveBinding], shown: Callable[[Binding], str]) -> None:
        super().__init__()
        self._areas = areas(bindings, shown)
        self.add_class("wide-dialog")

    def body(self) -> Iterable[Widget]:
        """Show the areas in two columns: those of the screen first, the signs last."""
        sections = {area: (AREAS[area], self._areas[area]) for area in AREAS if area in self._areas}
        everywhere = [sections.pop("app")] if "app" in sections else []
        yield HelpPage([*sections.values(), *everywhere, ("Mouse and lists", _MOUSE), ("Signs", _SIGNS)])

    def on_mount(self) -> None:
        """The host is a panel with a name here."""
        self.query_one("#host").border_title = "keys"

    def subtitle(self) -> str:
        return "m manual · esc closes"

    def action_manual(self) -> None:
        self.dismiss(True)
