"""The commands that open the terminal UI: `wstui [PRESET]`, `wstui attach` and `wstui replay`."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wstui.cli import completion
from wstui.cli.detach import detachable
from wstui.cli.exit_codes import BROKEN, UNREACHABLE, USAGE, fail, tell
from wstui.cli.garbage import collect_as_usual
from wstui.cli.options import RunOptions, run_options
from wstui.cli.output_files import OutputFiles
from wstui.cli.param_types import STORE, Finite
from wstui.cli.signals import writing
from wstui.cli.stdio import STDOUT, Output

if TYPE_CHECKING:
    from wstui.cli.kept_suite import KeptSuite
    from wstui.control.remote_run import RemoteRun
    from wstui.execution.suite import SuiteRun
    from wstui.tui.requests import OpenReplay
    from wstui.tui.services import Detachable, SessionOutcome


def require_terminal(instead: str) -> None:
    """End with a hint if stdin or stdout is not a terminal, or one that draws no screens."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        fail(f"the terminal UI needs a terminal on stdin and stdout; without one use: {instead}", USAGE)
    if os.environ.get("TERM") == "dumb":
        fail(f"this terminal draws no screens (TERM=dumb); without the terminal UI use: {instead}", USAGE)


def run_in_terminal(suite: SuiteRun, options: RunOptions, terminal: Detachable | None = None) -> int:
    """Show a suite while it runs; afterwards print the summary on the normal screen and return the exit status."""
    from wstui.cli.exporters import Exporters
    from wstui.cli.target_lock import lock_targets

    if options.events == STDOUT:
        fail("--events - needs stdout for itself; in the terminal UI give it a file", USAGE)
    # Free once the run has ended: its result may be looked at for days.
    suite.at_end = lock_targets(suite.scenarios, options.lock, options.lock_folder).free
    reports = OutputFiles(options)
    followers = Exporters(suite, options)
    outcome, kept_as = _operate(suite, options, terminal)
    with writing():
        status = _tell(outcome, kept_as, reports, options)
        # Runs that the operator began after it have followers of their own.
        told = sys.stdout if outcome.result is outcome.opened else io.StringIO()  # of which run the summary was
        kept = followers.close(outcome.opened, told)
        if outcome.opened is not None:
            reports.rescue(outcome.opened, kept)
        return status


def begin_in_terminal(options: RunOptions, terminal: Detachable | None) -> int:
    """Let the operator choose what to run; afterwards print the summary of the last run.

    A run whose screen was left while it went on is attached to again.
    """
    if (left := _left_running()) is not None:
        return watch_in_terminal(left)
    reports = OutputFiles(options)
    outcome, kept_as = _operate(None, options, terminal)
    with writing():
        return _tell(outcome, kept_as, reports, options)


def _left_running() -> RemoteRun | None:
    """Attach to the run that was looked at last, if it still goes on."""
    from wstui.tui.last_view import last_view, state_file

    view = last_view(state_file())
    if view.screen != "run":
        return None
    from wstui.control.link import ConnectionLost, local
    from wstui.control.registry import entries
    from wstui.control.remote_run import RemoteRun

    with contextlib.suppress(ConnectionLost):
        entry = next((entry for entry in entries() if entry.pid == view.pid), None)
        return RemoteRun(local(entry), "attach") if entry is not None else None
    return None


def watch_in_terminal(run: RemoteRun) -> int:
    """Show a run that goes on elsewhere; once it has ended print its summary and return its exit status."""
    outcome, _ = _operate(run, RunOptions())
    if not run.ended:
        click.echo(f"detached: the run goes on; wstui attach {run.hello.run}")
        return BROKEN if outcome.fault else 0
    with writing():
        return _tell(outcome, "", OutputFiles(RunOptions()), RunOptions())


def replay_in_terminal(opening: OpenReplay, options: RunOptions) -> int:
    """Show stored runs as they were; return the exit status."""
    outcome, kept_as = _operate(None, options, opening=opening)
    return _tell(outcome, kept_as, OutputFiles(options), options)


def _operate(
    suite: SuiteRun | RemoteRun | None,
    options: RunOptions,
    terminal: Detachable | None = None,
    opening: OpenReplay | None = None,
) -> tuple[SessionOutcome, str]:
    """Run the app. Return how it ended, and where its last run is stored ("" unless begun there)."""
    gc.disable()  # nothing that is imported is garbage: not to look for it saves a tenth of the start
    from wstui.cli.tui_services import launcher
    from wstui.tui.last_view import state_file
    from wstui.tui.run_app import operate

    collect_as_usual()
    gc.enable()

    # Some shells export the size that the terminal had once; the screen must follow the one it has now.
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    troubles: list[str] = []
    begun: list[KeptSuite] = []
    try:
        outcome = operate(
            suite,
            launcher=launcher(options, troubles, begun),
            terminal=terminal,
            opening=opening,
            last_view=state_file(),
        )
        shown = outcome.result
        return outcome, next((s.kept for s in begun if shown is not None and s.result is shown), "")
    finally:
        for trouble in dict.fromkeys(troubles):
            tell(trouble)


def _tell(outcome: SessionOutcome, kept_as: str, reports: OutputFiles, options: RunOptions) -> int:
    if outcome.fault:
        tell(f"the terminal UI failed: {outcome.fault}")
    status = BROKEN if outcome.fault else 0
    if outcome.result is not None:
        status = reports.publish(outcome.result, Output(sys.stdout), allow_limited=options.allow_limited) or status
        if kept_as:
            click.echo(kept_as)
    if outcome.error:
        tell(outcome.error)
        return UNREACHABLE
    return status


def _reject_typo(presets: tuple[str, ...]) -> None:
    """Name the command that was probably meant: a word that is not a command is taken for a preset."""
    from wstui.scenario.errors import ScenarioError, nearest, quote
    from wstui.scenario.presets import find

    context = click.get_current_context().parent
    if len(presets) != 1 or context is None or not isinstance(context.command, click.Group):
        return
    near = nearest(presets[0], context.command.list_commands(context))
    try:
        find(presets[0])
    except ScenarioError as error:
        if near and nearest(presets[0], [near, error.problems[0].nearest]) == near:
            fail(f"{quote(presets[0])} is not a command or a preset; did you mean `wstui {near}`?", USAGE)


@click.command("open")
@click.argument("presets", nargs=-1, metavar="[PRESET...]")
@run_options
def open_terminal(presets: tuple[str, ...], options: RunOptions) -> None:
    """Open the terminal UI on PRESET, a name (see `wstui presets list`) or a TOML file; alone it lists the presets."""
    _reject_typo(presets)
    require_terminal("wstui run PRESET")
    terminal = detachable()
    if presets:
        from wstui.cli.prepare import prepare
        from wstui.scenario.presets import is_path, remember_file

        suite = prepare(presets, options, may_ask=True)
        for preset in filter(is_path, presets):
            remember_file(preset)
        sys.exit(run_in_terminal(suite, options, terminal))
    sys.exit(begin_in_terminal(options, terminal))


@click.command("attach")
@click.argument("reference", metavar="[RUN]", default="")
@click.option("--read-only", is_flag=True, help="Only watch: every key that steers is refused.")
@click.option("--name", default="attach", metavar="NAME", help="Who steers, for the timeline.")
def attach_(reference: str, read_only: bool, name: str) -> None:
    """Open the dashboard of a run that goes on elsewhere; closing it ends nothing.

    RUN is what `wstui ctl` takes: an id, a number, a preset's name, "last", or [USER@]HOST:RUN through ssh.
    """
    from wstui.cli.ctl import attached

    require_terminal("wstui ctl RUN status")
    with attached(reference, name, read_only=read_only) as run:
        sys.exit(watch_in_terminal(run))


@click.command()
@click.argument("references", nargs=-1, required=True, metavar="RUN [OTHER]", shell_complete=completion.runs)
@click.option("--speed", type=Finite(1, 100), default=1.0, show_default=True, metavar="N", help="Times as fast, 1–100.")
@STORE
def replay(references: tuple[str, ...], speed: float, path: Path | None) -> None:
    """Show a stored RUN on the dashboard as it was, or two side by side on one clock.

    RUN is what `wstui runs show` takes: a number, a tag, a preset's name, "last", "last~1", or a JSON result.
    """
    from wstui.cli.run_refs import recorded
    from wstui.tui.requests import OpenReplay

    if len(references) > 2:
        fail(f"{len(references)} runs: two can be shown side by side", USAGE)
    runs = [recorded(path, reference) for reference in references]
    for label, recording in runs:
        if not recording.rows:
            fail(f"{label} has no second to show: it ended before the first was over", USAGE)
    require_terminal(f"wstui runs show {references[0]}")
    options = RunOptions(store_path=str(path) if path else None)
    sys.exit(replay_in_terminal(OpenReplay(runs, speed), options))
