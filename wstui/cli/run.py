"""`wstui run`: run presets without a terminal UI."""

from __future__ import annotations

import asyncio
import sys

import click

from wstui.cli import completion
from wstui.cli.exit_codes import KEPT, UNREACHABLE, USAGE, fail, tell
from wstui.cli.exporters import Exporters
from wstui.cli.garbage import collect_as_usual
from wstui.cli.github import Workflow
from wstui.cli.options import RunOptions, run_options
from wstui.cli.output_files import OutputFiles
from wstui.cli.param_types import Whole
from wstui.cli.prepare import prepare
from wstui.cli.signals import draining, writing
from wstui.cli.stdio import Output
from wstui.cli.target_lock import TargetLocks, lock_targets
from wstui.execution.preflight.probe import Unreachable
from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.suite import SuiteRun
from wstui.fleet.transport import FleetError, TargetUnreachable
from wstui.report.live.progress_line import TracePrinter, live_line
from wstui.scenario.errors import printable
from wstui.scenario.target_checks import goes_without_token


@click.command()
@click.argument("presets", nargs=-1, required=True, metavar="PRESET...", shell_complete=completion.presets)
@click.option("--detach", is_flag=True, help="Return once the run has begun; it goes on without a terminal.")
@click.option(
    "--trace",
    type=Whole(0, 100),
    default=0,
    metavar="N",
    help="Print what N clients of each role send and receive, what it matches and captures.",
)
@run_options
def run(presets: tuple[str, ...], detach: bool, options: RunOptions) -> None:
    """Run a preset without a terminal UI: a line now and then, the summary, files.

    PRESET is a name (see `wstui presets list`) or a TOML file; several run one after the other with one verdict.

    Exit status: 0 thresholds kept, 1 one broken, 2 usage or scenario error, 3 target unreachable,
    4 kept but the generator was the limit, 130 ended by the operator.
    """
    suite = prepare(presets, options, may_ask=True)
    if detach:
        from wstui.cli.detach import run_detached

        locks = lock_targets(suite.scenarios, options.lock, options.lock_folder)  # while this terminal shows the wait
        sys.exit(run_detached(lambda: run_headless(suite, options, locks), has_control=not options.no_control))
    sys.exit(run_headless(suite, options))


def run_headless(suite: SuiteRun, options: RunOptions, locks: TargetLocks | None = None) -> int:
    """Run to the end and return the exit status. SIGINT, SIGTERM and SIGHUP drain; a second of the first two aborts.

    `locks` are those on its targets, if they are taken already.
    """
    if locks is None:
        locks = lock_targets(suite.scenarios, options.lock, options.lock_folder)
    else:
        locks.sign()
    suite.at_end = locks.free
    reports = OutputFiles(options)
    for scenario in suite.scenarios:
        if goes_without_token(scenario):
            tell(f"{printable(scenario.name)}: auth.token is empty: clients bring none")
    output = Output(sys.stderr if reports.to_stdout else sys.stdout)
    every_s = 0.0 if options.quiet else options.progress_every
    followers = Exporters(suite, options, tell)
    workflow = Workflow()
    result, kept, status = None, None, KEPT
    collect_as_usual()
    with draining(suite):
        try:
            with workflow.quoted(output.stream, fold=f"live figures of {printable(suite.name)}"):
                result = asyncio.run(_carry_out(suite, output, every_s, TracePrinter(options.trace)))
            with writing(), workflow.quoted(output.stream):
                status = reports.publish(result, output, allow_limited=options.allow_limited)
            with writing(), output.written() as stream:
                if problem := workflow.publish(result, stream):
                    tell(problem)
        except (Unreachable, TargetUnreachable) as error:
            fail(str(error), UNREACHABLE)
        except FleetError as error:
            fail(str(error), USAGE)  # nothing was measured, so no threshold was broken
        finally:
            with writing():
                with output.written() as stream:
                    kept = followers.close(result, stream)
                if result is not None:
                    reports.rescue(result, kept)
    return status or output.status or followers.status


async def _carry_out(suite: SuiteRun, output: Output, every_s: float, trace: TracePrinter) -> Result | SuiteResult:
    running = asyncio.create_task(suite.run())
    printed = -1.0
    while not running.done():
        await asyncio.wait({running}, timeout=0.25)
        if suite.traced:
            with output.written() as stream:
                while suite.traced:
                    for line in trace.lines(suite.traced.popleft()):
                        click.echo(line, file=stream)
        status = suite.status
        if every_s > 0 and not running.done() and status.rows and status.elapsed_s - max(printed, 0.0) >= every_s:
            printed = status.elapsed_s
            with output.written() as stream:
                click.echo(live_line(status), file=stream)
        elif status.elapsed_s < printed:  # the next run of a suite
            printed = -1.0
    return await running
