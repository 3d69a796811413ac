"""The words that steer a run, in a shell (`wstui ctl`) and on the dashboard (`:`): their arguments, and what each asks.

Imports little: `wstui ctl pause` waits for all of it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from wstui.execution.run import commands
from wstui.scenario.errors import BadValue, Unfinished, nearest
from wstui.scenario.units import parse_duration

_MOST_CLIENTS = 10_000_000


@dataclass(frozen=True, slots=True)
class ShowStatus:
    """Tell where the run stands."""

    as_json: bool


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Wait until a condition holds, or, without one, until the run has ended."""

    until: str | None
    timeout: float | None
    window: float
    as_json: bool


@dataclass(frozen=True, slots=True)
class WatchOne:
    """Show what a client does; None draws one at random."""

    client: int | None
    seconds: float | None
    as_json: bool
    pretty: bool


Asked = commands.RunCommand | ShowStatus | WaitUntil | WatchOne


class Parsed(click.ParamType):  # type: ignore[type-arg]
    """A value that a function reads, or says what is wrong with."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name, self._read = name, read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except BadValue as error:
            self.fail(f"{value[:40]!r} {error}.", param, ctx)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise BadValue("is not a whole number")
    if len(text) > 12 or int(text) > _MOST_CLIENTS:
        raise BadValue(f"is too much: {_MOST_CLIENTS} at most")
    return int(text)


def _duration(text: str) -> float:
    return 0.0 if text == "0" else parse_duration(text)


_DURATION, _NUMBER = Parsed("time", _duration), Parsed("number", _number)


def _time(flag: str, name: str, text: str, **more: Any) -> click.Option:
    return click.Option([flag, name], type=_DURATION, metavar="TIME", help=text, **more)


def _span(text: str, end: bool) -> commands.RunCommand:
    if end == bool(text):
        raise click.UsageError("Give the TEXT of a span that begins, or --end.")
    return commands.EndSpan() if end else commands.BeginSpan(text)


_JSON = click.Option(["--json", "as_json"], is_flag=True, help="JSON.")
_TABLE: tuple[tuple[str, Callable[..., Asked], tuple[click.Parameter, ...], str], ...] = (
    ("pause", commands.PauseRun, (), "Stop sends, ramps and the plan's clock; connections stay open."),
    ("resume", commands.ResumeRun, (), "Continue after a pause."),
    (
        "ramp",
        commands.RampTo,
        (
            click.Argument(["clients"], type=_NUMBER),
            _time("--over", "over_s", "How long to take: 30s. At once without it.", default=0.0),
        ),
        "Bring the number of clients to CLIENTS.",
    ),
    (
        "pace",
        commands.SetInterval,
        (click.Argument(["every_s"], type=_DURATION, metavar="TIME"),),
        "Make each client send every TIME (500ms); 0 sends as soon as the reply is there.",
    ),
    ("next", commands.SkipStage, (), "End the current stage, the cooldown of a suite, or a search."),
    ("note", commands.AddNote, (click.Argument(["text"]),), "Put TEXT on the timeline."),
    (
        "span",
        _span,
        (
            click.Argument(["text"], required=False, default=""),
            click.Option(["--end"], is_flag=True, help="End the span that goes on."),
        ),
        'Begin a span on the timeline, such as "3 → 6 pods", or end it with --end.',
    ),
    ("redistribute", commands.Redistribute, (), "Give the load of lost workers or hosts to the others."),
    ("drain", commands.DrainRun, (), "End the run: await replies in flight, close every connection with 1000."),
    ("abort", commands.AbortRun, (), "End the run at once: drop every connection."),
    ("status", ShowStatus, (_JSON,), "Print where the run stands."),
    (
        "wait",
        WaitUntil,
        (
            click.Option(
                ["--until"], metavar="CONDITION", help='Such as "response.p99 > 200ms"; without it, until the run ends.'
            ),
            _time("--timeout", "timeout", "Give up after this."),
            _time("--window", "window", "Judge the last 10s, or this; 0 judges all of it.", default=10.0),
            _JSON,
        ),
        "Wait until a condition holds, or until the run has ended: then with the exit status of the run.",
    ),
    (
        "watch",
        WatchOne,
        (
            click.Argument(["client"], type=_NUMBER, required=False),
            _time("--for", "seconds", "Stop after this; without it, when it ends."),
            _JSON,
            click.Option(["--pretty"], is_flag=True, help="JSON of messages over several lines."),
        ),
        "Print what client CLIENT sends, receives and becomes; without it, one drawn at random.",
    ),
)
WORDS = {
    name: click.Command(name, callback=made, params=list(params), help=text, add_help_option=False)
    for name, made, params, text in _TABLE
}


def usage(word: str) -> str:
    """Return a word with its arguments: "ramp CLIENTS [--over TIME]"."""
    command = WORDS[word]
    context = click.Context(command, info_name=word)
    parts = [word]
    for param in command.params:
        if isinstance(param, click.Option):
            value = "" if param.is_flag else f" {param.make_metavar(context)}"
            parts.append(f"[{param.opts[0]}{value}]")
        else:
            parts.append(param.make_metavar(context))
    return " ".join(parts)


def _options(command: click.Command) -> list[str]:
    return [name for param in command.params if isinstance(param, click.Option) for name in param.opts]


def parse(line: str) -> Asked:
    """Return what a line such as "ramp 5000 --over 30s" asks.

    Raises BadValue, or Unfinished for a line whose arguments are not all there yet.
    """
    try:
        word, *arguments = shlex.split(line) or [""]
    except ValueError:
        raise Unfinished("a quotation mark is missing") from None
    if (command := WORDS.get(word)) is None:
        raise BadValue(f"{word[:40]!r} is not a command" if word else "type a command", nearest(word, WORDS))
    if word == "note" and len(arguments) > 1:
        arguments = [" ".join(arguments)]
    last = arguments[-1] if arguments else ""
    try:
        with command.make_context(word, arguments) as context:
            made: Asked = command.invoke(context)
    except click.MissingParameter:
        raise Unfinished(usage(word)) from None
    except click.ClickException as error:
        if last.startswith("-") and any(option.startswith(last) for option in _options(command)):
            raise Unfinished(usage(word)) from None
        raise BadValue(f"{error.format_message().rstrip('.')}: {usage(word)}") from None
    return made
