"""Problems of a scenario: all of a file at once, each with its key, value and fix."""

from __future__ import annotations

import difflib
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from wstui.measure.sanitize import sanitize
from wstui.scenario.secrets import mask_text, masker

Key = tuple[str | int, ...]
"""The place of a value in a file: ("stages", 1, "over")."""


class BadValue(ValueError):
    """A value that cannot be used. The message follows "key = value" and says what to write instead.

    `nearest` is the valid spelling that was probably meant, or "".
    """

    def __init__(self, message: str, nearest: str = "") -> None:
        super().__init__(f'{message}; did you mean "{nearest}"?' if nearest else message)
        self.message = message
        self.nearest = nearest


class Unfinished(BadValue):
    """A value that is right so far: the message asks for the rest of it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. Every text is ready to be shown: secrets masked, control characters escaped.

    `file` is a path, "environment" or "command line"; `key` is dotted ("stages[1].over"), "" for the file itself.
    `place` says where in the file: "line 20, role member, step say".
    """

    file: str
    key: str
    message: str
    value: str = ""
    nearest: str = ""
    place: str = ""

    @property
    def subject(self) -> str:
        """The key, with its value where it has one."""
        return f"{self.key} = {self.value}" if self.value else self.key

    @property
    def advice(self) -> str:
        """The message, with the nearest valid spelling."""
        return f"{self.message}; did you mean {quote(self.nearest)}?" if self.nearest else self.message

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.file, self.place) if part)
        return ": ".join(part for part in (where, self.subject, self.advice) if part)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A conflict at `key`; it cannot be judged while a value at `path` or under `rests_on` is itself broken."""

    key: Key
    message: str
    value: str = ""
    nearest: str = ""
    rests_on: tuple[Key, ...] = ()
    unset: bool = False  # a file that refers to the environment here is sound; only a run needs the value

    def problem(self, file: str) -> Problem:
        """Return the conflict as a problem, with secrets masked."""
        return Problem(file, dotted(self.key), mask_text(self.message), mask_text(self.value), self.nearest)


def without_secrets(problem: Problem, secrets: Iterable[str]) -> Problem:
    """Return the problem with these secrets masked."""
    mask = masker(tuple(secrets))
    return replace(problem, message=mask(problem.message), value=mask(problem.value), nearest=mask(problem.nearest))


class ScenarioError(Exception):
    """A scenario that cannot be run, with all its `problems`."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__(*self.problems)

    def __str__(self) -> str:
        return describe(self.problems)


class PresetExistsError(ScenarioError):
    """The file exists and must not be overwritten."""


def describe(problems: Sequence[Problem], width: int | None = None) -> str:
    """Return a paragraph for each problem under the name of its file, wrapped if `width` is given."""
    lines: list[str] = []
    for file in dict.fromkeys(problem.file for problem in problems):
        own = [problem for problem in problems if problem.file == file]
        if len(own) == 1:
            lines += _wrapped(str(own[0]), "", width)
            continue
        if file:
            lines.append(f"{file}: {len(own)} problems")
        for problem in own:
            text = ": ".join(part for part in (problem.place, problem.subject, problem.advice) if part)
            lines += _wrapped(text, "  " if file else "", width)
    return "\n".join(lines)


def _wrapped(text: str, indent: str, width: int | None) -> list[str]:
    if width is None:
        return [indent + text]
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + "    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def dotted(path: Key) -> str:
    """Return ("stages", 1, "over") as "stages[1].over"; keys that are not bare in TOML are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = part.replace("-", "").replace("_", "").isalnum() and part.isascii()
            text += ("." if text else "") + (part if bare else quote(part))
    return text


def quote(text: str, longest: int = 120) -> str:
    """Return a text in quotes, shortened if very long, with control characters escaped."""
    shown = text if len(text) <= longest else text[: longest - 1] + "…"
    return '"' + printable(shown.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def printable(text: str) -> str:
    """Return the whole text with control characters escaped."""
    return sanitize(text, sys.maxsize)


def nearest(word: str, options: Iterable[str]) -> str:
    """Return the option spelt most like `word`, or "" if none is close."""
    by_lower = {option.lower(): option for option in options}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""
