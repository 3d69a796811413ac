"""`wstui ctl`: steer a run that goes on in another process, from a script or a step of a pipeline."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
import msgspec

from wstui.cli.exit_codes import REFUSED, TIMED_OUT, UNREACHABLE, USAGE, fail, status_of
from wstui.cli.param_types import Whole
from wstui.control.client import ConnectionLost, RemoteRun, attach, local
from wstui.control.condition import Condition
from wstui.control.registry import NoSuchRun, find
from wstui.control.status_lines import shown
from wstui.execution.run.client_watches import WatchedLines, drawn
from wstui.execution.run.commands import (
    AbortRun,
    AddNote,
    BeginSpan,
    DrainRun,
    EndSpan,
    PauseRun,
    RampTo,
    ResumeRun,
    RunCommand,
    SetInterval,
    SkipStage,
)
from wstui.measure.format import significant
from wstui.report.formats.atomic_write import STDOUT, write
from wstui.report.live.progress_line import live_line
from wstui.report.live.trace import watched_rows
from wstui.scenario.errors import BadValue
from wstui.scenario.units import parse_duration

_MOST_CLIENTS = 10_000_000
_BY = "ctl"


class Duration(click.ParamType):  # type: ignore[type-arg]
    """A duration such as 500ms or 30s, in seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_duration(value)
        except BadValue as error:
            self.fail(f"{str(value)[:40]!r} {error}.", param, ctx)


class _RunFirst(click.Group):
    """Takes `RUN COMMAND`, and COMMAND alone for the only run there is."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = 0
        while at < len(args) and args[at].startswith("-"):
            at += 2 if args[at] == "--run" else 1
        if at < len(args) and args[at] not in self.commands:
            args = [*args[:at], "--run", *args[at:]]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[OPTIONS]", "[RUN]", "COMMAND", "[ARGS]..."]


@contextmanager
def attached(reference: str, name: str, *, read_only: bool = False) -> Iterator[RemoteRun]:
    """Attach to a run; end the process if there is none, or the connection is lost."""
    try:
        run = attach(reference, name, read_only=read_only)
    except NoSuchRun as error:
        fail(str(error), USAGE)
    except ConnectionLost as error:
        fail(str(error), UNREACHABLE)
    with contextlib.closing(run):
        yield run


@click.group(cls=_RunFirst, invoke_without_command=True)
@click.option("--run", "reference", default="", metavar="RUN", hidden=True)
@click.option("--relay", is_flag=True, help="Pass stdin and stdout on to the run's control socket.")
@click.pass_context
def ctl(ctx: click.Context, reference: str, relay: bool) -> None:
    """Steer a run that goes on in another process: wait for its answer, print it.

    RUN is an id from `wstui runs list` or the beginning of one, a run's number, a preset's name, "last", or
    [USER@]HOST:RUN through ssh; without it, the only run there is.

    Exit status: 0 done, 1 refused (or the run ended before the condition held), 2 usage or no such run, 3 the
    connection is lost, 124 the time was up.
    """
    if relay:
        _relay(reference)
    elif ctx.invoked_subcommand is None:
        raise click.UsageError("Say what to do: " + ", ".join(ctl.commands) + ".", ctx)
    ctx.obj = reference


def _steers(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command RUN, and who sends it."""
    named = click.option("--name", default=_BY, metavar="NAME", help="Who sends it, for the timeline.")
    return click.pass_obj(named(command))


def _send(reference: str, name: str, command: RunCommand) -> None:
    with attached(reference, name) as run:
        answer = run.send(command).result()
        if not answer.done:
            fail(answer.text, UNREACHABLE if run.lost else REFUSED)
        click.echo(answer.text)


def _simple(name: str, command: RunCommand, text: str) -> None:
    @ctl.command(name, help=text)
    @_steers
    def send(reference: str, name: str) -> None:
        _send(reference, name, command)


_simple("pause", PauseRun(), "Stop sends, ramps and the plan's clock; connections stay open.")
_simple("resume", ResumeRun(), "Continue after a pause.")
_simple("next", SkipStage(), "End the current stage, the cooldown of a suite, or a search.")
_simple("drain", DrainRun(), "End the run: await replies in flight, close every connection with 1000.")
_simple("abort", AbortRun(), "End the run at once: drop every connection.")


@ctl.command()
@click.argument("clients", type=Whole(0, _MOST_CLIENTS))
@click.option("--over", type=Duration(), default=0.0, metavar="TIME", help="How long to take: 30s. At once without it.")
@_steers
def ramp(reference: str, name: str, clients: int, over: float) -> None:
    """Bring the number of clients to CLIENTS."""
    _send(reference, name, RampTo(clients, over))


@ctl.command()
@click.argument("every", type=Duration(), metavar="TIME")
@_steers
def pace(reference: str, name: str, every: float) -> None:
    """Make each client send every TIME (500ms); 0 sends as soon as the reply is there."""
    _send(reference, name, SetInterval(every))


@ctl.command()
@click.argument("text")
@_steers
def note(reference: str, name: str, text: str) -> None:
    """Put TEXT on the timeline."""
    _send(reference, name, AddNote(text))


@ctl.command()
@click.argument("text", required=False, default="")
@click.option("--end", is_flag=True, help="End the span that goes on.")
@_steers
def span(reference: str, name: str, text: str, end: bool) -> None:
    """Begin a span on the timeline, such as "3 → 6 pods", or end it with --end."""
    if end == bool(text):
        raise click.UsageError("Give the TEXT of a span that begins, or --end.")
    _send(reference, name, EndSpan() if end else BeginSpan(text))


def known_of(run: RemoteRun) -> dict[str, Any]:
    """Return the status of a run as JSON tells it."""
    return {"run": run.hello.run, "pid": run.hello.pid, **shown(run.status)}


@ctl.command()
@click.option("--json", "as_json", is_flag=True, help="The whole status as one JSON object.")
@click.pass_obj
def status(reference: str, as_json: bool) -> None:
    """Print where the run stands."""
    with attached(reference, _BY) as run:
        if as_json:
            write(STDOUT, msgspec.json.format(msgspec.json.encode(known_of(run))).decode() + "\n")
        else:
            click.echo(f"{run.hello.run}  {run.name}  {live_line(run.status)}")


@ctl.command()
@click.option("--until", metavar="CONDITION", help='Such as "response.p99 > 200ms"; without it, until the run ends.')
@click.option("--timeout", type=Duration(), metavar="TIME", help="Give up after this.")
@click.option(
    "--window", type=Duration(), default=10.0, metavar="TIME", help="Judge the last 10s, or this; 0 judges all of it."
)
@click.pass_obj
def wait(reference: str, until: str | None, timeout: float | None, window: float) -> None:
    """Wait until a condition holds, or until the run has ended: then with the exit status of the run."""
    try:
        condition = Condition(until, window) if until else None
    except BadValue as error:
        fail(f'--until "{until}" {error}', USAGE)
    with attached(reference, _BY) as run:
        if run.await_status(condition.holds if condition else lambda _: run.ended, timeout):
            if condition is not None and condition.value is not None:
                click.echo(f"{condition.metric.name} is {significant(condition.value)}{condition.metric.unit}")
            elif not run.lost:
                result = run.execute()
                click.echo(result.verdict.reason)
                sys.exit(status_of(result))
        elif not run.ended:
            fail(f"{until or 'the run'} did not come true within the time" if until else "the run goes on", TIMED_OUT)
        elif not run.lost:
            fail(f"the run ended before {until}", REFUSED)
        if run.lost:
            fail(run.lost, UNREACHABLE)


@ctl.command()
@click.argument("client", type=Whole(0, _MOST_CLIENTS), required=False)
@click.option("--for", "seconds", type=Duration(), metavar="TIME", help="Stop after this; without it, when it ends.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines.")
@click.option("--pretty", is_flag=True, help="JSON of messages over several lines.")
@click.pass_obj
def watch(reference: str, client: int | None, seconds: float | None, as_json: bool, pretty: bool) -> None:
    """Print what client CLIENT sends, receives and becomes; without it, one drawn at random."""
    with attached(reference, _BY) as run:
        watched = WatchedLines(run, drawn(run.status) if client is None else client)
        seen = False
        until = None if seconds is None else time.monotonic() + seconds
        while until is None or time.monotonic() < until:
            if why := watched.renew():
                fail(why, UNREACHABLE if run.lost else REFUSED)
            for line in watched.new():
                text = msgspec.json.encode(line).decode() if as_json else "\n".join(watched_rows(line, pretty))
                click.echo(text)
                seen = True
            if run.ended:
                break
            time.sleep(0.1)
        if run.lost:
            fail(run.lost, UNREACHABLE)
        if not seen:
            fail(f"nothing was seen of client {watched.client}: it is not connected; clients count from 0", REFUSED)


def _relay(reference: str) -> None:
    """Join stdin and stdout to the control socket: the far end of an attachment through ssh."""
    try:
        link = local(find(reference))
    except NoSuchRun as error:
        fail(str(error), USAGE)
    except ConnectionLost as error:
        fail(str(error), UNREACHABLE)
    up = threading.Thread(target=_copy, args=(sys.stdin.buffer, link.writer), daemon=True)
    up.start()
    _copy(link.reader, sys.stdout.buffer)
    os._exit(0)  # stdin may still be waited for


def _copy(source: Any, target: Any) -> None:
    with contextlib.suppress(OSError, ValueError):
        while data := source.read1(1 << 16):
            target.write(data)
            target.flush()
