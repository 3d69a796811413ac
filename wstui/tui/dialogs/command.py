"""The command line of the dashboard: the words of `wstui ctl`, with completion and history."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import click
import platformdirs
from textual.binding import BindingType
from textual.suggester import Suggester
from textual.widgets import Input

from wstui.control.condition import WaitCondition
from wstui.control.words import WORDS, Asked, WaitUntil, parse
from wstui.scenario.errors import Unfinished
from wstui.tui.bindings import key
from wstui.tui.dialogs.dialog import DialogField, Form

_KEPT = 200


class History:
    """The lines typed before, the oldest first, in a file of the operator's own."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or platformdirs.user_state_path("wstui", appauthor=False) / "commands"

    def lines(self) -> list[str]:
        try:
            return self._path.read_text(encoding="utf-8").splitlines()[-_KEPT:]
        except (OSError, ValueError):
            return []

    def add(self, line: str) -> None:
        """Keep a line; without a place for it, it is forgotten."""
        kept = [*(one for one in self.lines() if one != line), line][-_KEPT:]
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.touch(mode=0o600)
            self._path.write_text("\n".join(kept) + "\n", encoding="utf-8")


def completed(line: str, before: Sequence[str] = ()) -> str:
    """Return a line with its last word completed: a command, an option of it, or a line typed before; or ""."""
    word, space, rest = line.partition(" ")
    if not space:
        found = next((name for name in WORDS if line and name.startswith(line) and name != line), "")
    else:
        found = next((one for one in reversed(before) if one.startswith(line) and one != line), "")
        last = re.split(r"\s+", rest)[-1]
        command = WORDS.get(word)
        if not found and command is not None and last.startswith("-"):
            options = [p.opts[0] for p in command.params if isinstance(p, click.Option)]
            option = next((name for name in options if name.startswith(last) and name != last), "")
            found = line[: len(line) - len(last)] + option if option else ""
    return found


class _Completion(Suggester):
    def __init__(self, before: Sequence[str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._before = before

    async def get_suggestion(self, value: str) -> str | None:
        return completed(value, self._before) or None


class CommandDialog(Form[Asked]):
    """Asks for a command; tab completes it, up and down go through those typed before."""

    SEND = "Do it"
    title_text = "Command"
    BINDINGS: ClassVar[list[BindingType]] = [
        key("tab", "complete", "Complete", "command.complete", "Complete the word", shown=True, first=True),
        key("up", "earlier(1)", "Earlier", "command.earlier", "The command before", first=True),
        key("down", "earlier(-1)", "Later", "command.later", "The command after", first=True),
    ]

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history
        self._lines = history.lines()
        self._at = 0
        self._typed = ""

    def fields(self) -> Iterable[DialogField]:
        yield DialogField("command", ":", "", self._read, self._hint, placeholder="ramp 5000 --over 30s")

    def on_mount(self) -> None:
        self.query_one(Input).suggester = _Completion(self._lines)

    def subtitle(self) -> str:
        return "tab completes · ↑ ↓ earlier"

    def _read(self, text: str) -> Asked | None:
        if not text:
            return None
        word = text.partition(" ")[0]
        begun = [name for name in WORDS if name.startswith(word)]
        if text == word and word not in WORDS and begun:
            raise Unfinished("  ".join(begun))
        asked = parse(text)
        if isinstance(asked, WaitUntil) and asked.until:
            WaitCondition(asked.until, asked.window)
        return asked

    def _hint(self, asked: Asked | None) -> str:
        word = self.query_one(Input).value.split()
        return str(WORDS[word[0]].help) if asked is not None and word else "  ".join(WORDS)

    def answer(self, values: dict[str, Any]) -> Asked | None:
        asked: Asked | None = values["command"]
        if asked is None:
            self.refuse("command", " ".join(WORDS))
        else:
            self._history.add(self.query_one(DialogField).text.strip())
        return asked

    def action_complete(self) -> None:
        field = self.query_one(Input)
        if text := completed(field.value, self._lines):
            field.value = text
            field.cursor_position = len(text)

    def action_earlier(self, step: int) -> None:
        """Go through the history; back at its end stands what was typed."""
        field = self.query_one(Input)
        if self._at == 0:
            self._typed = field.value
        self._at = min(len(self._lines), max(0, self._at + step))
        field.value = self._lines[-self._at] if self._at else self._typed
        field.cursor_position = len(field.value)
