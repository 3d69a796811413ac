"""A made-up run in a real terminal, for tests that send signals: `python -m tests.tui.terminal_program [broken]`."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import Future
from pathlib import Path

from tests.tui import fake
from tests.tui.cost import LiveSession
from wstui.execution.run.commands import CommandAnswer, DrainRun, RunCommand
from wstui.execution.run.result import Result, SuiteResult
from wstui.tui.dashboard.dashboard_screen import Dashboard
from wstui.tui.run_app import operate


class Beating(LiveSession):
    """A run that leaves a trace of its going on, and changes the screen at every picture."""

    def __init__(self, trace: Path) -> None:
        super().__init__()
        self._trace = trace

    def execute(self) -> Result | SuiteResult:
        """One byte every 20 ms."""
        while not self.ended.wait(0.02):
            with self._trace.open("a") as file:
                file.write(".")
        return super().execute()


def main() -> None:
    """Operate, then tell on the normal screen what came back."""
    session = fake.FakeSession()
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    if mode == "broken":
        poll = Dashboard.poll
        calls: list[int] = []

        def broken(self: Dashboard, *, charts: bool = False) -> None:
            calls.append(1)
            if len(calls) > 3:
                secret = "do-not-show"
                raise ZeroDivisionError(f"a widget failed, {len(secret)}")
            poll(self, charts=charts)

        Dashboard.poll = broken  # type: ignore[method-assign]
    if mode == "slow":
        send = session.send

        def slow(command: RunCommand, *, by: str = "operator") -> Future[CommandAnswer]:
            if isinstance(command, DrainRun):
                threading.Timer(1.0, lambda: send(command)).start()
                return Future()
            return send(command)

        session.send = slow  # type: ignore[method-assign]
    if mode == "beating":
        session = Beating(Path(sys.argv[2]))
    outcome = operate(session)
    verdict = outcome.result.verdict.reason if outcome.result else None
    print(f"OUTCOME commands={session.commands} verdict={verdict!r} error={outcome.error!r} fault={outcome.fault!r}")


if __name__ == "__main__":
    main()
