"""Where a suite is resumed, and what is known from earlier of the members before that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from wstui.cli.exit_codes import USAGE, fail
from wstui.execution.run.result import Result
from wstui.report.store.database import StoreError
from wstui.report.store.store import Store
from wstui.scenario.errors import nearest, quote
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import masked


def first_of(scenarios: Sequence[Scenario], wanted: str | None) -> int:
    """The place (from 0) of the member that `--from` names; ends the process when there is none."""
    if not wanted:
        return 0
    names = [scenario.name for scenario in scenarios]
    if wanted in names:
        return names.index(wanted)
    near = nearest(wanted, names)
    advice = f"did you mean {quote(near)}?" if near else f"there are {', '.join(names)}"
    return fail(f"--from {quote(wanted)} is not a member of the suite: {advice}", USAGE)


def earlier_results(scenarios: Sequence[Scenario], store: str | None) -> list[Result | None]:
    """For each scenario the latest result in the store of exactly this scenario, run to its end; None without one."""
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
        cut_short = verdict.aborted or verdict.unreachable or verdict.generator_lost or verdict.no_load
        if run.summary.scenario == asked and run.state == "finished" and not cut_short:
            return store.result(run.id)
    return None
