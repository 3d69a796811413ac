"""All that can be done with a key: for the palette, for the help, and for an operator's own keymap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen

from wstui.tui.screens.checklist import ChecklistScreen
from wstui.tui.screens.controls import Controls
from wstui.tui.screens.dialog import Dialog
from wstui.tui.screens.editor import Editor
from wstui.tui.screens.result import ResultScreen
from wstui.tui.screens.runs import RunsScreen, RunTable
from wstui.tui.screens.start import StartScreen
from wstui.tui.screens.stop import StopDialog
from wstui.tui.widgets.choice import Choice
from wstui.tui.widgets.errors import Errors
from wstui.tui.widgets.presets import PresetTable
from wstui.tui.widgets.table import Table

OWNERS: tuple[type[DOMNode], ...] = (
    Controls, Table, Errors, Dialog, StopDialog, ResultScreen, StartScreen, PresetTable, Editor, Choice,
    ChecklistScreen, RunsScreen, RunTable,
)  # fmt: skip
"""Every class that declares keys, but the application."""
_KEY_NAMES = {"enter": "enter", "ctrl+q": "q", "ctrl+p": "ctrl+p"}
_TWICE = ("app.interrupt", "app.help_f1", "app.palette")


def bindings_of(owners: Iterable[type[DOMNode]]) -> Iterator[Binding]:
    """The keys that classes declare."""
    for owner in owners:
        yield from (binding for binding in owner.BINDINGS if isinstance(binding, Binding))


def ids_of(owners: Iterable[type[DOMNode]]) -> frozenset[str]:
    """The ids of keys that can be remapped."""
    return frozenset(binding.id for binding in bindings_of(owners) if binding.id)


def clashes(keys: Mapping[str, str], owners: Iterable[type[DOMNode]]) -> Iterator[str]:
    """In words, each key of an operator's own that is taken by something else in the same place."""
    for owner in owners:
        taken: dict[str, str] = {}
        for binding in bindings_of([owner]):
            for pressed in keys.get(binding.id or "", binding.key).split(","):
                other = taken.setdefault(pressed.strip(), binding.id or "")
                if other != binding.id and (binding.id in keys or other in keys):
                    yield f'your keys clash: "{pressed}" is both {other} and {binding.id}'


def key_shown(app: App[Any], binding: Binding) -> str:
    """A key as the footer, the help and the palette show it."""
    return _KEY_NAMES.get(binding.key) or app.get_key_display(binding)


def commands(app: App[Any], screen: Screen[Any]) -> Iterator[SystemCommand]:
    """Every key that works now, as an entry of the palette."""
    seen: set[str] = set()
    for active in screen.active_bindings.values():
        binding = active.binding
        if not binding.id or not active.enabled or binding.action in seen or binding.id in _TWICE:
            continue
        seen.add(binding.action)
        node, action = active.node, binding.action
        yield SystemCommand(
            binding.tooltip or binding.description,  # descriptions are short: "Up" is both a row up and more clients
            f"{key_shown(app, binding)}   {binding.id}",
            lambda node=node, action=action: app.call_later(app.run_action, action, node),
        )
