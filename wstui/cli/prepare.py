"""Turn preset names and the options of a command into a suite that is ready to run."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from wstui.cli.exit_codes import USAGE, fail, hide, tell
from wstui.cli.options import RunOptions
from wstui.cli.output_files import protect_inputs
from wstui.execution.run.result import Result
from wstui.execution.suite import SuiteRun
from wstui.fleet.transport import FleetError
from wstui.report.store.database import StoreError
from wstui.report.store.store import Store
from wstui.scenario.checks import warnings
from wstui.scenario.errors import BadValue, ScenarioError, describe, nearest, printable, quote
from wstui.scenario.model import Scenario, Suite
from wstui.scenario.presets import find, members, open_preset, shadowed
from wstui.scenario.script import is_script
from wstui.scenario.secret_fields import masked
from wstui.scenario.trust import SCRIPT, allow_scripts, allow_ssh, script_problems, ssh_problem, untrusted
from wstui.scenario.units import LONGEST_S, format_duration, parse_duration


def prepare(
    names: tuple[str, ...],
    options: RunOptions,
    environ: Mapping[str, str] | None = None,
    *,
    shipped: bool = False,
    may_ask: bool = False,
    runs: bool = True,
) -> SuiteRun:
    """Return the requested suite, or end the process with a clear message.

    `may_ask`: ask at a terminal whether to use a preset's own ssh configuration. `runs`: a script that is named on the
    command line may run.
    """
    environ = os.environ if environ is None else environ
    scenarios: list[Scenario] = []
    named: list[str] = []  # how the command line names each; "" for a member of a suite
    files: list[Path] = []
    cooldown_s = 30.0
    name = "+".join(names)
    try:
        for preset in names:
            files.append(find(preset, shipped=shipped))
            opened = open_preset(preset, environ, options.overrides, shipped=shipped)
            if isinstance(opened, Suite):
                scenarios.extend(found := members(opened, environ, options.overrides))
                named += [""] * len(found)
                cooldown_s = opened.cooldown
                name = opened.name if len(names) == 1 else name
            else:
                scenarios.append(opened)
                named.append(preset)
        if options.cooldown is not None:
            cooldown_s = parse_duration(options.cooldown)
            if cooldown_s > LONGEST_S:
                raise BadValue(f"is too long: {format_duration(LONGEST_S)} at most")
    except ScenarioError as error:
        fail(describe(error.problems, shutil.get_terminal_size().columns), USAGE)
    except BadValue as error:
        fail(f"--cooldown {options.cooldown}: {error}", USAGE)
    hide(scenarios)
    for told in dict.fromkeys(shadowed(path) for path in [*files, *(Path(s.origin.file) for s in scenarios)]):
        if told:
            tell(told)
    for scenario, file in zip(scenarios, named, strict=True):
        if options.allow_scripts or (runs and is_script(file)):
            for script in allow_scripts(scenario):
                tell(f"{printable(script)} is a Python program: its workers run it, with your rights")
    if may_ask and sys.stdin.isatty() and sys.stderr.isatty():
        _ask(scenarios)
    problems = [p for s in scenarios for p in untrusted(s, allow_files=options.allow_files)]
    if not runs:  # a check says itself what it leaves out
        problems = [p for p in problems if p.key != SCRIPT]
    if problems:
        fail(describe(problems, shutil.get_terminal_size().columns), USAGE)
    if options.trace and (without := [scenario.name for scenario in scenarios if not scenario.roles]):
        fail(f"--trace prints what clients of roles say: {printable(without[0])} has no [[roles]]", USAGE)
    protect_inputs(options, files, scenarios)
    first = first_of(scenarios, options.from_member)
    earlier = earlier_results(scenarios[:first], options.store_path) if first else []
    for warning in dict.fromkeys(warning for scenario in scenarios[first:] for warning in warnings(scenario)):
        tell(warning)
    try:
        return SuiteRun(
            scenarios,
            name=name if len(scenarios) > 1 else scenarios[0].name,
            cooldown_s=cooldown_s,
            probe_first=not options.no_probe,
            first=first,
            earlier=earlier,
            trace=options.trace,
        )
    except FleetError as error:
        fail(str(error), USAGE)


def _ask(scenarios: list[Scenario]) -> None:
    """Ask once per file and content whether ssh may use it, and whether a script may run: both can do anything."""
    for scenario in scenarios:
        preset = printable(scenario.origin.file)
        if script_problems(scenario) and click.confirm(
            f"{preset} names a Python program that runs with your rights: let it run?", default=False, err=True
        ):
            allow_scripts(scenario)
        if ssh_problem(scenario) is None:
            continue
        question = f"{preset} names its own ssh configuration, which can run programs: use it?"
        if click.confirm(question, default=False, err=True):
            try:
                allow_ssh(scenario)
            except OSError as error:
                tell(f"the answer can't be kept: {error.strerror or error}")


def first_of(scenarios: Sequence[Scenario], wanted: str | None) -> int:
    """Return the index of the member that `--from` names, or end the process."""
    if not wanted:
        return 0
    names = [scenario.name for scenario in scenarios]
    if wanted in names:
        return names.index(wanted)
    near = nearest(wanted, names)
    advice = f"did you mean {quote(near)}?" if near else f"there are {', '.join(names)}"
    return fail(f"--from {quote(wanted)} is not a member of the suite: {advice}", USAGE)


def earlier_results(scenarios: Sequence[Scenario], store: str | None) -> list[Result | None]:
    """Return each scenario's latest complete result in the store, or None."""
    try:
        with Store(Path(store) if store else None, create=False) as opened:
            return [_latest(opened, scenario) for scenario in scenarios]
    except StoreError as error:
        click.echo(f"wstui: {error}", err=True)
        return [None] * len(scenarios)


def _latest(store: Store, scenario: Scenario) -> Result | None:
    asked = masked(scenario)
    for run in store.runs(name=scenario.name):
        verdict = run.summary.verdict
        cut_short = (
            verdict.aborted or verdict.unreachable or verdict.generator_lost or verdict.no_load or verdict.script_failed
        )
        if run.summary.scenario == asked and run.state == "finished" and not cut_short:
            return store.result(run.id)
    return None
