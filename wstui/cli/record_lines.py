"""The live view of `wstui record`: a line for each message, which keys pause, filter and save."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import termios
import tty
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from wstui.measure.sanitize import sanitize
from wstui.recording.recording import Recorder
from wstui.recording.recording_proxy import TrafficLine
from wstui.report.model.cell_text import clip
from wstui.scenario.errors import printable
from wstui.scenario.secrets import is_secret_header, mask_text, secrets_in_header, secrets_in_url

_FIRST_BYTES = 4
_WIDTH = 160
_MOST_LINES = 500
_SECRET_IN_JSON = re.compile(r'"([\w.-]+)"\s*:\s*"((?:[^"\\]|\\.)+)"')
_SECRET_IN_LINE = re.compile(r"""([\w.-]+)["\\]*\s*[=:]\s*([^\s&;,"'\\{}\[\]\0]{4,})""")
_MOST_SECRETS = 1000
"""Of those that are looked for on the screen; the oldest are forgotten."""


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


class RecordLines:
    """A line for each message, with secrets masked. At a terminal, keys pause and filter them."""

    def __init__(self, *, quiet: bool, only: str, url: str) -> None:
        self._quiet = quiet
        self._only = only
        self._secrets: dict[str, None] = dict.fromkeys(secrets_in_url(url))
        self._told_full = False
        self.failures = 0
        self._lines: deque[str] = deque(maxlen=_MOST_LINES)
        """The last lines, shown or not: those that a new filter or the end of a pause shows."""
        self._paused_at: int | None = None
        self._passed = 0
        self._typed: str | None = None
        self._terminal: list[Any] | None = None
        self._end: Callable[[], None] = lambda: None
        self._save: Callable[[], str] = lambda: ""

    @property
    def keys(self) -> str:
        """Return what can be pressed, if this is a terminal."""
        return "\nspace pauses the screen, / filters it, s saves what is there so far, q ends" * _is_terminal()

    def listen(self, loop: asyncio.AbstractEventLoop, end: Callable[[], None], save: Callable[[], str]) -> None:
        """Take keys from now on; `save` says what came of it."""
        self._end, self._save = end, save
        if _is_terminal():
            self._terminal = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
            loop.add_reader(
                sys.stdin.fileno(), lambda: self.press(os.read(sys.stdin.fileno(), 64).decode("utf-8", "ignore"))
            )

    def restore_terminal(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the terminal back as it was."""
        if self._terminal is not None:
            loop.remove_reader(sys.stdin.fileno())
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._terminal)

    def press(self, keys: str) -> None:
        """Do what these keys mean; of a filter, enter ends it and escape drops it."""
        for key in keys:
            if self._typed is not None:
                self._type(key)
            elif key == " ":
                self._pause()
            elif key == "/":
                self._typed = ""
                click.echo("filter (enter shows, escape drops it): ", nl=False)
            elif key == "s":
                click.echo(f"· {self._save()}")
            elif key == "q":
                self._end()

    def _type(self, key: str) -> None:
        typed = self._typed or ""
        if key in ("\r", "\n", "\x1b"):
            self._only, self._typed = (typed if key != "\x1b" else ""), None
            click.echo(f"\n· lines with {self._only!r} from now on" if self._only else "\n· all lines from now on")
            self._show_last(len(self._lines))
        else:
            self._typed = typed[:-1] if key in ("\x7f", "\b") else typed + key
            click.echo(sanitize(key), nl=False)

    def _pause(self) -> None:
        if self._paused_at is None:
            self._paused_at = self._passed
            click.echo("· paused: space goes on; everything is still recorded")
        else:
            missed, self._paused_at = self._passed - self._paused_at, None
            click.echo(f"· {missed} lines since the pause" + f", the last {_MOST_LINES}" * (missed > _MOST_LINES))
            self._show_last(missed)

    def _show_last(self, count: int) -> None:
        for line in list(self._lines)[-count:] if count and self._paused_at is None else ():
            if self._only in line:
                self._print(line)

    def show(self, passed: TrafficLine) -> None:
        self._learn(passed)
        if passed.sent is None and "can't be reached" in str(passed.data):
            self.failures += 1
        if self._quiet and passed.sent is not None:
            return
        text = passed.data if isinstance(passed.data, str) else _binary(passed.data)
        # Masked before it is cut: half of a secret would no longer be known for one.
        text = mask_text(text[:8192], tuple(self._secrets))
        arrow = {True: "→", False: "←", None: "·"}[passed.sent]
        line = f"{passed.at:9.3f} #{passed.number} {arrow} {sanitize(text, _WIDTH)}"
        self._lines.append(line)
        self._passed += 1
        if self._only in line and self._paused_at is None and self._typed is None:
            self._print(line)

    def full(self, recorder: Recorder, path: Path) -> None:
        """Say once that the file has reached its size."""
        if recorder.is_full and not self._told_full:
            self._told_full = True
            click.echo(
                f"{printable(str(path))} has reached its size (--most): clients go on, no more is written", err=True
            )

    def _print(self, line: str) -> None:
        """Print a line; at a terminal one row of it."""
        click.echo(clip(line, shutil.get_terminal_size().columns) if self._terminal is not None else line)

    def _learn(self, passed: TrafficLine) -> None:
        found: list[str] = []
        if isinstance(passed.data, str):
            pairs = [*_SECRET_IN_JSON.findall(passed.data[:65536]), *_SECRET_IN_LINE.findall(passed.data[:65536])]
            found += [value for name, value in pairs if is_secret_header(name)]
            found += secrets_in_url(passed.data) if passed.sent is None else []
        for name, value in passed.headers:
            if is_secret_header(name):
                found += [value, *secrets_in_header(value)]
        for secret in found:
            self._secrets[secret] = None
        while len(self._secrets) > _MOST_SECRETS:
            del self._secrets[next(iter(self._secrets))]


def _binary(data: bytes) -> str:
    """A binary message by its size and its first bytes, which tell its kind: what is behind them may be a password."""
    return f"<{len(data)} bytes> {data[:_FIRST_BYTES].hex(' ')}{' …' * (len(data) > _FIRST_BYTES)}"
