"""`wstui ctl`: steer a run that goes on in another process, from a script or a step of a pipeline."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
import msgspec

from wstui.cli.exit_codes import REFUSED, TIMED_OUT, UNREACHABLE, USAGE, fail, status_of
from wstui.control.link import ConnectionLost, ask, local
from wstui.control.registry import NoSuchRun, find
from wstui.control.words import WORDS, ShowStatus, WaitUntil, WatchOne
from wstui.execution.run.commands import RunCommand
from wstui.scenario.errors import BadValue

_BY = "ctl"

if TYPE_CHECKING:
    from wstui.control.remote_run import RemoteRun


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
    from wstui.control.remote_run import attach

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


def _added(word: click.Command) -> None:
    """Give `ctl` a word; those that steer also say who sends them."""
    steers = word.name not in ("status", "wait", "watch")
    named = click.Option(["--name"], default=_BY, metavar="NAME", help="Who sends it, for the timeline.")

    @click.pass_obj
    def do(reference: str, /, name: str = _BY, **given: Any) -> None:
        assert word.callback is not None
        match word.callback(**given):
            case ShowStatus(as_json):
                _status(reference, as_json)
            case WaitUntil() as wanted:
                _wait(reference, wanted)
            case WatchOne() as wanted:
                _watch(reference, wanted)
            case command:
                _send(reference, name, command)

    params = [*word.params, named] if steers else word.params
    ctl.add_command(click.Command(word.name, callback=do, params=params, help=word.help))


for _word in WORDS.values():
    _added(_word)


def _send(reference: str, name: str, command: RunCommand) -> None:
    try:
        answer = ask(reference, name, command)
    except NoSuchRun as error:
        fail(str(error), USAGE)
    except ConnectionLost as error:
        fail(str(error), UNREACHABLE)
    if not answer.done:
        fail(answer.text, REFUSED)
    click.echo(answer.text)


def known_of(run: RemoteRun) -> dict[str, Any]:
    """Return the status of a run as JSON tells it."""
    from wstui.control.status_lines import shown

    return {"run": run.hello.run, "pid": run.hello.pid, **shown(run.status)}


def _status(reference: str, as_json: bool) -> None:
    from wstui.report.formats.atomic_write import STDOUT, write
    from wstui.report.live.progress_line import live_line

    with attached(reference, _BY) as run:
        if as_json:
            write(STDOUT, msgspec.json.format(msgspec.json.encode(known_of(run))).decode() + "\n")
        else:
            click.echo(f"{run.hello.run}  {run.name}  {live_line(run.status)}")


def _wait(reference: str, wanted: WaitUntil) -> None:
    """Wait for a condition, or for the end of the run: then exit with the status of the run."""
    from wstui.control.condition import WaitCondition
    from wstui.measure.format import significant

    until = wanted.until
    try:
        condition = WaitCondition(until, wanted.window) if until else None
    except BadValue as error:
        fail(f'--until "{until}" {error}', USAGE)
    with attached(reference, _BY) as run:
        held = run.await_status(condition.is_met if condition else lambda _: run.ended, wanted.timeout)
        if held and condition is not None and condition.value is not None:
            figure = f"{significant(condition.value)}{condition.metric.unit}"
            _tell({"until": until, "value": condition.value, "unit": condition.metric.unit}, wanted.as_json,
                  f"{condition.metric.name} is {figure}")  # fmt: skip
        elif held and not run.lost:
            verdict = run.execute().verdict
            _tell({"passed": verdict.passed, "reason": verdict.reason}, wanted.as_json, verdict.reason)
            sys.exit(status_of(run.execute()))
        elif not run.ended:
            fail(f"{until or 'the run'} did not come true within the time" if until else "the run goes on", TIMED_OUT)
        elif not run.lost:
            fail(f"the run ended before {until}", REFUSED)
        if run.lost:
            fail(run.lost, UNREACHABLE)


def _tell(known: dict[str, Any], as_json: bool, text: str) -> None:
    click.echo(msgspec.json.encode(known).decode() if as_json else text)


def _watch(reference: str, wanted: WatchOne) -> None:
    from wstui.execution.run.client_watches import WatchedLines, drawn
    from wstui.report.live.progress_line import watched_rows

    with attached(reference, _BY) as run:
        watched = WatchedLines(run, drawn(run.status) if wanted.client is None else wanted.client)
        seen = False
        until = None if wanted.seconds is None else time.monotonic() + wanted.seconds
        while until is None or time.monotonic() < until:
            if why := watched.renew():
                fail(why, UNREACHABLE if run.lost else REFUSED)
            for line in watched.new():
                rows = "\n".join(watched_rows(line, wanted.pretty))
                click.echo(msgspec.json.encode(line).decode() if wanted.as_json else rows)
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
