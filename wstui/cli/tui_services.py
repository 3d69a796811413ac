"""What the terminal can set going by itself: a preset, the demo with a server of its own, one connection, kept runs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from wstui.cli.options import Options
from wstui.cli.rerun import scenario_of
from wstui.cli.run_refs import shown_by
from wstui.execution.run.result import Result
from wstui.report.store.store import Store, StoredRun, default_path
from wstui.scenario.checks import check
from wstui.scenario.model import Scenario
from wstui.tui.kit.format import tilde
from wstui.tui.services import Launcher

if TYPE_CHECKING:
    from wstui.cli.kept_suite import KeptSuite  # loaded with the first run: it takes a fifth of the start
    from wstui.execution.preflight.checklist import Check
    from wstui.execution.preflight.probe import Probe
    from wstui.manual.pages import Manual
    from wstui.report.analysis.compare import Comparison


class StoredRuns:
    """The runs in the store, as the screens want them."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    @contextmanager
    def _store(self) -> Iterator[Store]:
        store = Store(self._path)
        try:
            yield store
        finally:
            store.close()

    def newest(self, limit: int) -> Sequence[StoredRun]:
        """The newest first."""
        with self._store() as store:
            return store.runs(limit=limit)

    def result(self, number: int) -> Result:
        """All of a run."""
        with self._store() as store:
            return store.result(number)

    def compare(self, before: int, after: int) -> Comparison:
        """Two runs, metric by metric."""
        from wstui.report.analysis.compare import compare

        with self._store() as store:
            runs = [store.run(number) for number in (before, after)]
            results = [store.result(number) for number in (before, after)]
        return compare(
            results[0],
            results[1],
            names=(f"{before}", f"{after}"),
            environments=(runs[0].environment, runs[1].environment),
        )

    def delete(self, numbers: Sequence[int]) -> None:
        """Delete runs."""
        with self._store() as store:
            store.delete(numbers)

    def tag(self, number: int, tags: Sequence[str]) -> None:
        """Give a run these tags, and no others."""
        with self._store() as store:
            for tag in tags:
                store.tag(number, tag)
            for tag in store.run(number).tags:
                if tag not in tags:
                    store.untag(tag)

    def scenario(self, number: int) -> Scenario:
        """What a run was asked to do. Raises ScenarioError where a secret that it needs was not kept."""
        with self._store() as store:
            return scenario_of(store.run(number).summary)

    def command(self, number: int) -> str:
        """What shows a run in a shell."""
        return shown_by(number, self._path)

    @property
    def place(self) -> str:
        """The file of the store."""
        return tilde(self._path or default_path())


def launcher(options: Options, troubles: list[str], begun: list[KeptSuite]) -> Launcher:
    """All of it, with the options of the command where they say how runs are kept.

    `troubles` hears what is to be said when the terminal is given back; `begun` is filled with what was set going.
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
        from wstui.execution.preflight.smoke_test import first_client

        await first_client(scenario, seen)

    return Launcher(
        launch,
        demo=demo,
        connect=connect,
        preflight=checks,
        runs=None if options.no_store else StoredRuns(Path(path) if path else None),
        reports=dict(options.reports),
        manual=_manual,
    )


def _manual() -> Manual:
    from wstui.cli.manual import manual_pages

    return manual_pages()
