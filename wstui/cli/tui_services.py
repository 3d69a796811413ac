"""Services for the terminal UI: start a preset, the demo or one connection; read stored runs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wstui.cli.options import RunOptions
from wstui.cli.run_refs import shown_by
from wstui.execution.run.result import Result
from wstui.report.model.cell_text import tilde
from wstui.report.store.store import Store, StoredRun, default_path
from wstui.scenario.changes import remade
from wstui.scenario.checks import check
from wstui.scenario.errors import Key, Problem, ScenarioError
from wstui.scenario.model import Scenario
from wstui.scenario.presets import open_preset
from wstui.scenario.secret_fields import VARIABLES, masked
from wstui.scenario.secrets import MASK
from wstui.tui.services import Launcher

if TYPE_CHECKING:
    from wstui.cli.kept_suite import KeptSuite  # loaded with the first run: it takes a fifth of the start
    from wstui.execution.preflight.checklist import Check
    from wstui.execution.preflight.detection import Detection
    from wstui.execution.preflight.probe import Probe
    from wstui.manual.pages import Manual
    from wstui.report.analysis.compare import Comparison
    from wstui.report.analysis.trend import Trend
    from wstui.report.store.pictures import Recording

TREND_RUNS = 50
"""How many runs a trend shows."""


class StoredRuns:
    """The runs in the store, as the screens want them."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def newest(self, limit: int) -> Sequence[StoredRun]:
        with Store(self._path) as store:
            return store.runs(limit=limit)

    def result(self, number: int) -> Result:
        with Store(self._path) as store:
            return store.result(number)

    def recording(self, number: int) -> Recording:
        with Store(self._path) as store:
            return store.recording(number)

    def compare(self, before: int, after: int) -> Comparison:
        """Compare two runs, metric by metric."""
        from wstui.report.analysis.compare import compare

        with Store(self._path) as store:
            runs = [store.run(number) for number in (before, after)]
            results = [store.result(number) for number in (before, after)]
        return compare(
            results[0],
            results[1],
            names=(str(before), str(after)),
            environments=(runs[0].environment, runs[1].environment),
        )

    def trend(self, preset: str, metric: str) -> Trend:
        from wstui.report.analysis.trend import stored_trend

        with Store(self._path) as store:
            return stored_trend(store, preset, metric, TREND_RUNS)

    def delete(self, numbers: Sequence[int]) -> None:
        with Store(self._path) as store:
            store.delete(numbers)

    def tag(self, number: int, tags: Sequence[str]) -> None:
        """Give a run exactly these tags."""
        with Store(self._path) as store:
            for tag in tags:
                store.tag(number, tag)
            for tag in store.run(number).tags:
                if tag not in tags:
                    store.untag(tag)

    def scenario(self, number: int) -> Scenario:
        """Return the scenario of a run. Raises ScenarioError if a secret that it needs was not stored."""
        with Store(self._path) as store:
            return scenario_of(store.run(number).summary)

    def command(self, number: int) -> str:
        """Return the shell command that shows a run."""
        return shown_by(number, self._path)

    @property
    def place(self) -> str:
        """Return the file of the store."""
        return tilde(self._path or default_path())


def launcher(options: RunOptions, troubles: list[str], begun: list[KeptSuite]) -> Launcher:
    """Return the services, with the command's options on how runs are stored.

    `troubles` collects what to print when the terminal is restored, `begun` the runs that were started.
    """
    keeping, path = options.kept, options.store_path

    def launch(scenarios: Sequence[Scenario], name: str, cooldown_s: float, probe_first: bool) -> KeptSuite:
        from wstui.cli.kept_suite import KeptSuite

        for scenario in scenarios:
            check(scenario)
        made = KeptSuite(keeping, troubles, scenarios, name=name, cooldown_s=cooldown_s, probe_first=probe_first)
        begun.append(made)
        return made

    def demo() -> KeptSuite:
        from wstui.cli.kept_suite import demo_suite

        begun.append(made := demo_suite(keeping, troubles))
        return made

    def checks(scenarios: Sequence[Scenario], pauses_s: float) -> AsyncIterator[Check]:
        from wstui.execution.preflight.preflight import preflight

        return preflight(scenarios, pauses_s, os.environ.get("NATS_URL", ""))

    async def connect(scenario: Scenario, seen: Probe) -> None:
        from wstui.execution.preflight.first_message import first_client

        await first_client(scenario, seen)

    return Launcher(
        launch,
        demo=demo,
        connect=connect,
        look=_look,
        preflight=checks,
        runs=None if options.no_store else StoredRuns(Path(path) if path else None),
        reports=dict(options.reports),
        manual=_manual,
    )


async def _look(url: str) -> Detection:
    from wstui.execution.preflight.detection import detect

    return await detect(url)


def _manual() -> Manual:
    from wstui.cli.manual import manual_pages

    return manual_pages()


def scenario_of(result: Result, environ: Mapping[str, str] | None = None) -> Scenario:
    """Return the preset of that name if it is unchanged, else the scenario as it was run.

    Secrets come from the preset, or from AUTH_TOKEN and JWT_SECRET. Raises ScenarioError if one is missing.
    """
    environ = os.environ if environ is None else environ
    asked = result.scenario
    try:
        preset = open_preset(str(asked.get("name", "")), environ)
    except ScenarioError:
        preset = None
    if isinstance(preset, Scenario) and masked(preset) == asked:
        return preset
    empty: dict[Key, str] = {("auth", "token"): "${AUTH_TOKEN:-}"}  # a run that was made without one
    made = remade(Scenario(), _unmasked(asked, environ), {} if (asked.get("auth") or {}).get("token") else empty)
    assert isinstance(made, Scenario)
    return made


def _unmasked(asked: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the scenario as plain data, with the masked secrets filled in."""
    data = dict(asked)
    auth = dict(data.get("auth") or {})
    for name, variable in VARIABLES.items():
        if auth.get(name) == MASK:
            if not environ.get(variable):
                raise ScenarioError(Problem("", f"auth.{name}", f"was not kept: set {variable}, or run the preset"))
            auth[name] = environ[variable]
    data["auth"] = auth
    for name in data.keys() - {"name", "description", "auth"}:
        if MASK in str(data.get(name)):
            raise ScenarioError(Problem("", name, "held a secret, which was not kept: run the preset"))
    return data
