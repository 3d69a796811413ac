"""A draft in a line for the title bar, and in a few lines for a tiny terminal."""

from __future__ import annotations

from collections.abc import Mapping

from wstui.measure.sanitize import sanitize
from wstui.scenario.errors import Key, dotted
from wstui.tui.editor.draft import Draft
from wstui.tui.kit.compact_view import as_rows
from wstui.tui.kit.row_widget import Line


def title(draft: Draft, url: str) -> Line:
    """Return name, whether it is saved, and the URL, if it has one."""
    unsaved: Line = [("  ● unsaved", "warn@panel")] if draft.changed else []
    return [(_name(draft), "strong@panel"), *unsaved, *([(f" → {url}", "muted@panel")] if url else [])]


def compact(draft: Draft, wrong: Mapping[Key, str], width: int) -> list[Line]:
    """Return the name, and how many values are to be fixed."""
    errors = as_rows(f"✗ {len(wrong)} to fix", width, "bad") if wrong else []
    return [_compact_name(draft), *errors]


def compact_value(draft: Draft, key: Key, text: str, wrong: str, hint: str, width: int) -> list[Line]:
    """Return the name, the value that is typed at `key`, and what is wrong with it or else its hint."""
    note = as_rows(f"✗ {wrong}" if wrong else hint, width, "bad" if wrong else "muted")
    return [_compact_name(draft), [(f"{dotted(key)} ", "muted"), (sanitize(text), "text")], *note]


def _compact_name(draft: Draft) -> Line:
    unsaved: Line = [("  ● unsaved", "warn")] if draft.changed else []
    return [("editor  ", "muted"), (_name(draft), "strong"), *unsaved]


def _name(draft: Draft) -> str:
    return sanitize(draft.texts["name",]) or "no name"
