"""Types of options: numbers of ASCII digits within bounds, and the log level; the option of the run store."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import click

from wstui.measure.sanitize import sanitize
from wstui.scenario.units import first_digits

Number = TypeVar("Number", int, float)


class _Bounded(click.ParamType, Generic[Number]):  # type: ignore[type-arg]
    """A number from `least` to `most`. click's own ranges print every bound in the help."""

    _written: re.Pattern[str]

    def __init__(self, least: Number | None = None, most: Number | None = None) -> None:
        self._least: Number | None = least
        self._most: Number | None = most

    def read(self, text: str) -> Number:
        """Return the number in a text that looks like one."""
        raise NotImplementedError

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Number:
        """Return the number, or raise a usage error."""
        text = str(value).strip()
        if not self._written.fullmatch(text):
            self.fail(f"{str(value)[:40]!r} is not a {self.name}.", param, ctx)
        if not math.isfinite(number := self.read(text)):
            self.fail(f"{text[:40]} is more than any number here can be.", param, ctx)
        if self._least is not None and number < self._least:
            self.fail(f"{text[:40]} is too little: {self._least:.15g} at least.", param, ctx)
        if self._most is not None and number > self._most:
            self.fail(f"{text[:40]} is too much: {self._most:.15g} at most.", param, ctx)
        return number


class Finite(_Bounded[float]):
    """A number, neither NaN nor infinite."""

    name = "number"
    _written = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

    def read(self, text: str) -> float:
        return float(text)


class Whole(_Bounded[int]):
    name = "whole number"
    _written = re.compile(r"[+-]?\d+", re.ASCII)

    def read(self, text: str) -> int:
        return first_digits(text)


LEVELS = ("debug", "info", "warning", "error")
_ALSO = {"warn": "warning"}


def wanted_level(given: str | None, warn: Callable[[str], None]) -> str:
    """Return one of LEVELS, or "" if none is set.

    An unknown LOG_LEVEL may be meant for another program: call `warn` and ignore it.
    """
    text = given or os.environ.get("LOG_LEVEL", "").strip()
    level = _ALSO.get(text.lower(), text.lower())
    if not level or level in LEVELS:
        return level
    warn(f"LOG_LEVEL={sanitize(text, 40)} is not a level and is ignored: write {', '.join(LEVELS[:-1])} or error")
    return ""


STORE = click.option(
    "--store",
    "path",
    envvar="WSTUI_STORE",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The run store, if it is not the usual one. Also WSTUI_STORE.",
)
"""The option of commands that read stored runs."""
