"""From a preset's name and a command's options to a suite that is ready to run."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from wstui.cli.exit_codes import USAGE, fail, hide, tell
from wstui.cli.options import Options
from wstui.cli.output_files import spare_inputs
from wstui.cli.resume import earlier_results, first_of
from wstui.execution.suite import SuiteRun
from wstui.fleet.transport import FleetError
from wstui.scenario.checks import warnings
from wstui.scenario.errors import BadValue, ScenarioError, describe, printable
from wstui.scenario.model import Scenario, Suite
from wstui.scenario.presets import find, members, open_preset, shadowed
from wstui.scenario.trust import allow_ssh, ssh_problem, untrusted
from wstui.scenario.types import LONGEST_S
from wstui.scenario.units import format_duration, parse_duration


def prepare(
    names: tuple[str, ...],
    options: Options,
    environ: Mapping[str, str] | None = None,
    *,
    shipped: bool = False,
    may_ask: bool = False,
) -> SuiteRun:
    """The suite that was asked for; ends the process with a clear message when something about it is wrong.

    `may_ask`: somebody at a terminal is asked whether a preset's own ssh configuration is used.
    """
    environ = os.environ if environ is None else environ
    scenarios = []
    files: list[Path] = []
    cooldown_s = 30.0
    name = "+".join(names)
    try:
        for preset in names:
            files.append(find(preset, shipped=shipped))
            opened = open_preset(preset, environ, options.overrides, shipped=shipped)
            if isinstance(opened, Suite):
                scenarios.extend(members(opened, environ, options.overrides))
                cooldown_s = opened.cooldown
                name = opened.name if len(names) == 1 else name
            else:
                scenarios.append(opened)
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
    if may_ask and sys.stdin.isatty() and sys.stderr.isatty():
        _ask(scenarios)
    if problems := [p for s in scenarios for p in untrusted(s, allow_files=options.allow_files)]:
        fail(describe(problems, shutil.get_terminal_size().columns), USAGE)
    spare_inputs(options, files, scenarios)
    first = first_of(scenarios, options.from_member)
    earlier = earlier_results(scenarios[:first], options.store_path) if first else []
    for scenario in scenarios[first:]:
        for warning in warnings(scenario):
            tell(warning)
    try:
        return SuiteRun(
            scenarios,
            name=name if len(scenarios) > 1 else scenarios[0].name,
            cooldown_s=cooldown_s,
            probe_first=not options.no_probe,
            first=first,
            earlier=earlier,
        )
    except FleetError as error:
        fail(str(error), USAGE)


def _ask(scenarios: list[Scenario]) -> None:
    """Ask once per file and content whether ssh may use it: what it says may run programs."""
    for scenario in scenarios:
        if ssh_problem(scenario) is None:
            continue
        preset = printable(scenario.origin.file)
        question = f"{preset} names its own ssh configuration, which can run programs: use it?"
        if click.confirm(question, default=False, err=True):
            try:
                allow_ssh(scenario)
            except OSError as error:
                tell(f"the answer can't be kept: {error.strerror or error}")
