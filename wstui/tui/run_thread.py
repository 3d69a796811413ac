"""Carries a session out in a thread of its own.

Not in Textual's event loop and not in its executor: a terminal that stalls (a frozen SSH link blocks every write)
must not hold up the load, and closing the terminal must not wait for the run.
"""

from __future__ import annotations

import threading

from wstui.tui.services import Session, SessionOutcome


class Runner:
    """One session on its way; `outcome` is there once `done` is set."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.done = threading.Event()
        self.outcome = SessionOutcome()
        self._thread = threading.Thread(target=self._carry_out, name="wstui-run", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def started(self) -> bool:
        return self._thread.ident is not None

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until the run has ended; whether it has."""
        return self.done.wait(timeout_s)

    def _carry_out(self) -> None:
        try:
            self.outcome = SessionOutcome(result=self.session.execute())
        except Exception as error:
            from wstui.execution.preflight.probe import Unreachable

            refused = (error.what, error.fix) if isinstance(error, Unreachable) else None
            # what was measured before is worth keeping
            result = self.session.status.result
            kept = None if result.verdict.running else result
            self.outcome = SessionOutcome(result=kept, error=str(error) or type(error).__name__, refused=refused)
        finally:
            self.done.set()
