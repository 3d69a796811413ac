"""The end of the screen: why it came, and the wait for a run that has not ended yet."""

from __future__ import annotations

import contextlib
import signal
import sys
import traceback
from collections.abc import Iterator

from wstui.tui.runner import Runner

PATIENCE_S = 5.0
"""How long a run that was aborted may take to end."""
_SAID_AFTER_S = 0.5


def reason() -> str:
    """The exception that is being handled, in one line."""
    return "".join(traceback.format_exception_only(sys.exception())).strip()


def wait_for(runner: Runner) -> None:
    """Wait, on the normal screen, for a run that drains; ctrl+c or SIGTERM abort it."""
    try:
        with _interrupted_by(signal.SIGTERM):
            if not runner.wait(_SAID_AFTER_S):
                print("waiting for the run to close its connections; ctrl+c drops them", file=sys.stderr)
                runner.wait()
    except KeyboardInterrupt:
        runner.session.abort()
        runner.wait(PATIENCE_S)


@contextlib.contextmanager
def _interrupted_by(number: int) -> Iterator[None]:
    """Let a signal do what ctrl+c does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    try:
        yield
    finally:
        signal.signal(number, before)
