"""A made-up run in a real terminal, for tests that send signals: `python -m tests.tui.terminal_program [broken]`."""

from __future__ import annotations

import sys
import threading

from tests.tui import fake
from wstui.tui.app import operate
from wstui.tui.screens.dashboard import Dashboard


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
        drain = session.drain
        session.drain = lambda: threading.Timer(1.0, drain).start()  # type: ignore[method-assign]
    outcome = operate(session)
    verdict = outcome.result.verdict.reason if outcome.result else None
    print(f"OUTCOME commands={session.commands} verdict={verdict!r} error={outcome.error!r} fault={outcome.fault!r}")


if __name__ == "__main__":
    main()
