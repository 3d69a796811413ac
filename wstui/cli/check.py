"""`wstui check`: everything that a run needs, looked at before it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence

import click

from wstui.cli import completion
from wstui.cli.exit_codes import ABORTED, BROKEN, KEPT, tell
from wstui.cli.options import RunOptions, scenario_options
from wstui.cli.prepare import prepare
from wstui.execution.preflight.checklist import Check, CheckMark
from wstui.execution.preflight.preflight import lacking_here, preflight
from wstui.execution.suite import SuiteRun
from wstui.fleet.host_facts import settings_fixed
from wstui.measure.sanitize import sanitize
from wstui.report.formats.atomic_write import STDOUT, write
from wstui.report.model.cell_text import paragraph
from wstui.report.model.labels import Tone
from wstui.report.model.terminal import Paint, terminal_width, wants_colour
from wstui.scenario.file_refs import is_shipped
from wstui.scenario.hosts import parse_host
from wstui.scenario.model import Scenario
from wstui.scenario.trust import sends_away, uses

SCHEMA = "wstui.check/1"
_SIGNS = {CheckMark.PASS: ("✓", Tone.GOOD), CheckMark.WARN: ("▲", Tone.NEAR), CheckMark.FAIL: ("✗", Tone.BAD)}
_NAME_WIDTH = 11


@click.command()
@click.argument("presets", nargs=-1, required=True, metavar="PRESET...", shell_complete=completion.presets)
@scenario_options
@click.option("--fix", is_flag=True, help="First set what the kernel lacks, until the next boot: as root, asked first.")
@click.option("--json", "as_json", is_flag=True, help="The checks as JSON on stdout.")
def check(presets: tuple[str, ...], fix: bool, as_json: bool, options: RunOptions) -> None:
    """Look at everything that a run of PRESET needs, each with the fix when it is missing.

    NATS (where NATS_URL is set), the target, one client all the way, one message and its answer, the health endpoints,
    the token until the planned end, the clocks, and this machine: files, ports, sysctls, processors, memory. With
    --hosts, on each of these instead: ssh, versions, whether the target can be reached from there, and the same.

    Exit status: 0 nothing is missing (there may be warnings), 1 something is, 2 usage or scenario error.
    """
    suite = prepare(presets, options, runs=False)
    for scenario in suite.scenarios:
        for used in uses(scenario) if not (as_json or is_shipped(scenario.origin.file)) else ():
            click.echo(f"wstui: {scenario.name} {used}", err=True)
    if fix:
        _fix(suite.scenarios)
    paint, width = Paint(wants_colour(sys.stdout)), terminal_width(sys.stdout)
    hosts = [parse_host(host).name for scenario in suite.scenarios for host in scenario.fleet.hosts]
    column = _NAME_WIDTH + max((len(name) + 1 for name in hosts), default=0)

    def say(found: Check) -> None:
        if not as_json:
            click.echo("\n".join(_lines(found, paint, width, column)))

    try:
        checks = asyncio.run(_collect(suite, say))
    except KeyboardInterrupt:
        sys.exit(ABORTED)
    failed = sum(found.mark is CheckMark.FAIL for found in checks)
    if as_json:
        write(STDOUT, _document(suite, checks) + "\n")
    else:
        warned = sum(found.mark is CheckMark.WARN for found in checks)
        counts = [f"{n} {word}" for n, word in ((failed, "failed"), (warned, "warned")) if n]
        click.echo(f"\n{len(checks)} checks: {', '.join(counts) or 'all passed'}")
    sys.exit(BROKEN if failed else KEPT)


def _fix(scenarios: Sequence[Scenario]) -> None:
    """Set what the kernel of this machine lacks, if the operator agrees."""
    if all(scenario.fleet.is_remote for scenario in scenarios):
        tell("--fix sets this machine only, and other hosts make the load: their commands are below")
        return
    settings = lacking_here(scenarios)
    if not settings:
        tell("--fix: the kernel's settings are enough for this load")
        return
    commands = "".join(f"\n  {setting.command}" for setting in settings)
    if os.geteuid() != 0:
        tell(f"--fix needs root (sudo wstui check --fix). Nothing was set; the commands are:{commands}")
        return
    try:
        if not click.confirm(f"Set until the next boot:{commands}\nDo it?", default=False, err=True):
            return
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)
        tell("--fix: nobody answered, and nothing was set")
        return
    for setting in settings:
        try:
            setting.apply()
        except OSError as error:
            more = f"; {setting.outside}" if settings_fixed() else ""
            tell(f"--fix can't set {setting.name} = {setting.wanted}: {error.strerror or error}{more}")


async def _collect(suite: SuiteRun, say: Callable[[Check], None]) -> list[Check]:
    found = []
    async for check in preflight(suite.scenarios, suite.pauses_s, os.environ.get("NATS_URL", "")):
        say(check)
        found.append(check)
    return found


def _lines(found: Check, paint: Paint, width: int, column: int) -> list[str]:
    glyph, tone = _SIGNS[found.mark]
    indent = " " * (column + 3)
    lines = paragraph(
        sanitize(found.text), width=width, indent=indent, first=f"{glyph} {sanitize(found.name):<{column}} "
    )
    if found.fix:
        lines += paragraph(found.fix, width=width, indent=indent + "  ", first=indent + "→ ")
    return [paint.tone(line, tone) if found.mark is not CheckMark.PASS else line for line in lines]


def _document(suite: SuiteRun, checks: list[Check]) -> str:
    return json.dumps(
        {
            "schema": SCHEMA,
            "presets": [scenario.name for scenario in suite.scenarios],
            "sends": {scenario.name: sent for scenario in suite.scenarios if (sent := sends_away(scenario))},
            "passed": all(found.mark is not CheckMark.FAIL for found in checks),
            "checks": [
                {"name": found.name, "state": found.mark.value, "text": found.text, "fix": found.fix}
                for found in checks
            ],
        },
        indent=2,
        ensure_ascii=False,
    )
