"""All that can be done with a key: for the palette, for the help, and for an operator's own keymap."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from textual.app import App
from textual.binding import ActiveBinding, Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode

_KEY_NAMES = {"enter": "enter", "ctrl+q": "q", "ctrl+p": "ctrl+p"}
_TWICE = ("help_f1", "interrupt", "command_palette")
_MOVES = ("seek(", "move", "go(", "page", "fold", "scroll", "line(", "section(", "app.focus_", "choose(")
"""Actions that only move the cursor: not worth finding by name."""
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "load.pause": ("resume", "hold", "continue", "freeze"),
    "load.up": ("ramp", "more", "increase", "scale", "clients", "target"),
    "load.down": ("ramp", "fewer", "less", "decrease", "scale", "clients", "target"),
    "load.ramp": ("target", "clients", "scale", "number", "users"),
    "load.pace": ("interval", "rate", "every", "send", "frequency"),
    "load.note": ("annotate", "comment", "event", "mark"),
    "view.command": ("ctl", "type", "colon", "prompt"),
    "load.span": ("annotate", "begin", "end", "deployment"),
    "view.change": ("compare", "before", "after", "diff", "note"),
    "load.skip": ("next", "stage", "phase", "cooldown"),
    "load.stop": ("drain", "abort", "kill", "end", "cancel", "quit"),
    "load.detach": ("leave", "background", "terminal", "nohup", "screen"),
    "load.redistribute": ("lost", "worker", "host", "failover", "rebalance"),
    "view.freeze": ("hold", "pause", "screen"),
    "view.scale": ("log", "linear", "axis", "logarithmic"),
    "view.window": ("time", "range", "minutes", "span"),
    "view.latency": ("zoom", "maximise", "maximize", "chart"),
    "view.messages": ("zoom", "maximise", "maximize", "throughput"),
    "view.errors": ("zoom", "maximise", "maximize", "failures"),
    "view.steps": ("zoom", "maximise", "maximize", "roles", "conversation"),
    "view.step": ("chart", "role", "conversation", "latency"),
    "view.limits": ("zoom", "maximise", "maximize", "thresholds", "generator"),
    "view.restore": ("zoom", "back", "unzoom"),
    "view.copy": ("clipboard", "yank", "summary"),
    "view.result": ("report", "verdict", "summary"),
    "view.watch": ("follow", "trace", "tail", "client", "debug", "messages"),
    "errors.order": ("sort", "newest", "recent", "count"),
    "errors.samples": ("details", "text", "open"),
    "errors.filter": ("search", "find", "grep"),
    "errors.export": ("write", "jsonl", "save"),
    "scenario.save": ("preset", "write", "toml", "keep"),
    "scenario.edit": ("change", "editor", "form"),
    "scenario.runs": ("history", "compare", "stored"),
    "scenario.open": ("presets", "start", "home"),
    "preset.run": ("start", "begin", "launch"),
    "preset.edit": ("change", "editor", "form", "open"),
    "preset.check": ("preflight", "checklist", "validate"),
    "preset.demo": ("example", "try", "odin", "quick"),
    "preset.new": ("create", "add", "empty"),
    "preset.duplicate": ("copy", "clone"),
    "preset.import": ("har", "recording", "convert", "session"),
    "preset.delete": ("remove",),
    "preset.filter": ("search", "find"),
    "preset.runs": ("history", "compare", "stored"),
    "result.export": ("write", "html", "json", "csv", "report"),
    "result.copy": ("clipboard", "yank", "summary"),
    "result.compare": ("diff", "before", "previous"),
    "result.next": ("member", "suite", "tab"),
    "result.previous": ("member", "suite", "previous", "tab"),
    "result.again": ("rerun", "repeat", "retry"),
    "result.runs": ("history", "stored"),
    "result.open": ("presets", "start", "home"),
    "runs.mark": ("select", "tick"),
    "runs.compare": ("diff",),
    "runs.trend": ("history", "regression", "change"),
    "runs.rerun": ("again", "repeat"),
    "runs.export": ("write", "html", "json", "csv", "report"),
    "runs.result": ("open", "show", "verdict"),
    "runs.sort": ("order", "column"),
    "runs.turn": ("order", "descending", "ascending"),
    "runs.tag": ("label", "name", "keep", "pin"),
    "runs.filter": ("search", "find"),
    "runs.delete": ("remove", "forget"),
    "import.accept": ("guess", "sure", "confirm"),
    "import.change": ("edit", "value", "guess"),
    "import.undo": ("recorded", "restore", "value"),
    "import.reset": ("restore", "undo", "changes"),
    "import.prove": ("try", "test", "check", "client"),
    "import.save": ("write", "preset", "toml"),
    "runs.replay": ("play", "watch", "dashboard", "again"),
    "replay.faster": ("speed", "times"),
    "replay.slower": ("speed", "times"),
    **dict.fromkeys(("replay.back", "replay.minute_back"), ("rewind", "seek", "before")),
    **dict.fromkeys(("replay.forward", "replay.minute_forward"), ("skip", "seek", "after")),
    "replay.begin": ("start", "first", "seek"),
    "replay.end": ("last", "seek"),
    "app.mouse": ("select", "copy", "text", "terminal"),
    "replay.go": ("seek", "time", "jump"),
    "edit.save": ("write", "toml", "preset"),
    "edit.run": ("start", "launch"),
    "edit.check": ("connect", "probe", "client", "try"),
    "edit.accept": ("proposal", "suggestion", "correct", "fix"),
    "edit.add": ("insert", "row"),
    "edit.remove": ("delete", "row"),
    "edit.view": ("preview", "file", "toml", "shape", "connection"),
    "edit.checklist": ("preflight", "validate"),
    "replay.pause": ("play", "resume", "stop", "again"),
    "replay.next_mark": ("stage", "note", "event", "jump"),
    "replay.previous_mark": ("stage", "note", "event", "jump", "previous"),
    "roles.duplicate": ("copy", "clone"),
    "roles.edit": ("change", "step", "role"),
    "check.again": ("retry", "refresh", "repeat"),
    "check.run": ("start", "launch"),
    "trend.metric": ("choose", "figure"),
    "trend.next": ("metric",),
    "trend.previous": ("metric",),
    "watch.copy": ("clipboard", "yank"),
    "watch.export": ("write", "jsonl", "save"),
    "watch.filter": ("search", "find", "grep"),
    "watch.pause": ("hold", "freeze", "follow", "resume"),
    "watch.pretty": ("format", "indent", "lines"),
    "manual.find": ("search", "grep", "filter"),
    "manual.read": ("open", "page"),
    "manual.topics": ("list", "contents"),
    "steps.open": ("zoom", "role", "step"),
    "app.quit": ("exit", "leave", "close"),
    "app.help": ("keys", "shortcuts"),
}
"""Other words that an operator may look for, by the id of a key."""


def owners() -> tuple[type[DOMNode], ...]:
    """Return every class that declares keys, but the application: all screens, which take long to import."""
    from wstui.tui.checklist.checklist_screen import ChecklistScreen
    from wstui.tui.dashboard.dashboard_screen import Dashboard
    from wstui.tui.dashboard.errors_panel import Errors, SamplesDialog
    from wstui.tui.dashboard.steps_panel import StepsPanel
    from wstui.tui.dashboard.watch_screen import WatchScreen
    from wstui.tui.dialogs.command import CommandDialog
    from wstui.tui.dialogs.dialog import Dialog
    from wstui.tui.dialogs.help import HelpDialog
    from wstui.tui.dialogs.questions import ConfirmDialog, FailedStartDialog, StopDialog
    from wstui.tui.editor.editor_screen import Editor
    from wstui.tui.editor.roles.role_tree import RoleTree
    from wstui.tui.imports.import_screen import ImportScreen
    from wstui.tui.kit.list_table import ListTable
    from wstui.tui.kit.option_row import OptionRow
    from wstui.tui.manual.manual_screen import ManualScreen
    from wstui.tui.replay.replay_screen import Replay
    from wstui.tui.result.result_screen import ResultScreen
    from wstui.tui.runs.run_table import RunTable
    from wstui.tui.runs.runs_screen import RunsScreen
    from wstui.tui.runs.trend_screen import TrendScreen
    from wstui.tui.start.preset_list import PresetTable
    from wstui.tui.start.start_screen import StartScreen

    return (
        Dashboard, ListTable, Errors, Dialog, ConfirmDialog, SamplesDialog, StopDialog, FailedStartDialog, ResultScreen,
        StartScreen, PresetTable, Editor, OptionRow, ChecklistScreen, RunsScreen, RunTable,
        HelpDialog, ManualScreen, StepsPanel, WatchScreen, RoleTree, TrendScreen, Replay, ImportScreen, CommandDialog,
    )  # fmt: skip


def bindings_of(classes: Iterable[type[DOMNode]]) -> Iterator[Binding]:
    """The keys that classes declare."""
    for owner in classes:
        yield from (binding for binding in owner.BINDINGS if isinstance(binding, Binding))


def ids_of(classes: Iterable[type[DOMNode]]) -> frozenset[str]:
    """The ids of keys that can be remapped."""
    return frozenset(binding.id for binding in bindings_of(classes) if binding.id)


def clashes(keys: Mapping[str, str], classes: Iterable[type[DOMNode]]) -> Iterator[str]:
    """In words, each key of an operator's own that is taken by something else in the same place."""
    for owner in classes:
        taken: dict[str, str] = {}
        for binding in bindings_of([owner]):
            for pressed in keys.get(binding.id or "", binding.key).split(","):
                other = taken.setdefault(pressed.strip(), binding.id or "")
                if other != binding.id and (binding.id in keys or other in keys):
                    yield f'your keys clash: "{pressed}" is both {other} and {binding.id}'


def key_shown(app: App[Any], binding: Binding) -> str:
    """A key as the footer, the help and the palette show it."""
    return _KEY_NAMES.get(binding.key) or app.get_key_display(binding)


def label_of(node: object, binding: Binding) -> str:
    """The word of the footer for a key, which some screens change with what it does just now."""
    said: str | None = getattr(node, "label_of", lambda _: None)(binding.action)
    return said or binding.description


class Commands(Provider):
    """Offers every key that works now, found by its word, its explanation, its id and synonyms."""

    def _entries(self) -> list[tuple[str, str, str, Callable[[], object]]]:
        """Title, help, the words to search and what to call; those that steer the load first, moving about left out."""
        app, found = self.app, dict[str, ActiveBinding]()
        hides = getattr(self.screen, "hides", lambda _: False)
        for active in self.screen.active_bindings.values():
            binding = active.binding
            moves = binding.action.startswith(_MOVES) or binding.action in _TWICE
            if binding.id and active.enabled and not moves and not hides(binding.action):
                found.setdefault(binding.action, active)
        rows, told = [], set[tuple[str, str]]()
        for active in sorted(found.values(), key=lambda one: not (one.binding.id or "").startswith("load.")):
            node, binding = active.node, active.binding
            word, what, id = label_of(node, binding), binding.tooltip, binding.id or ""
            if (word, key_shown(app, binding)) in told:
                continue  # the screen's own word for a key of the application
            told.add((word, key_shown(app, binding)))
            title = f"{word}: {what[:1].lower()}{what[1:]}" if what else word
            also = " ".join((id, id.replace(".", " "), *SYNONYMS.get(id, ())))
            run: Callable[[], object] = partial(app.call_later, app.run_action, binding.action, node)
            rows.append((title, f"{key_shown(app, binding)}   {id}", also, run))
        manual: Callable[[], object] = partial(app.call_later, app.run_action, "app.manual")
        rows.append(("Manual: read about this screen", "? m", "manual documentation docs", manual))
        return [*rows, ("Theme: choose other colours", "", "theme colours dark light", app.action_change_theme)]

    async def discover(self) -> Hits:
        """Everything, before anything is typed."""
        for title, about, _, run in self._entries():
            yield DiscoveryHit(title, run, help=about)

    async def search(self, query: str) -> Hits:
        """Find what has the words of the query: a match of the footer's word goes first, steering before the rest."""
        matcher, asked = self.matcher(query), query.casefold().split()
        for place, (title, about, also, run) in enumerate(self._entries()):
            word = title.split(":")[0].casefold()
            words = f"{title} {also}".casefold().replace(":", " ").split()
            whole = all(any(one.startswith(part) for one in words) for part in asked)
            score = max(matcher.match(title), 1.0 if whole else 0.0)
            if asked and word.startswith(asked[0]):
                score += 4 if word == asked[0] else 3
            elif whole:
                score += 2
            if score > 0:
                yield Hit(score - place * 1e-4, matcher.highlight(title), run, text=title, help=about)
