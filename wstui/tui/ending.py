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
    """Wait, on the normal screen, for a run that drains; ctrl+c, SIGTERM or SIGHUP abort it."""
    try:
        with _interrupted_by("SIGTERM", "SIGHUP"):
            if not runner.wait(_SAID_AFTER_S):
                print("waiting for the run to close its connections; ctrl+c drops them", file=sys.stderr)
                runner.wait()
    except KeyboardInterrupt:
        runner.session.abort()
        runner.wait(PATIENCE_S)


@contextlib.contextmanager
def _interrupted_by(*names: str) -> Iterator[None]:
    """Let signals do what ctrl+c does. A terminal that is lost sends SIGHUP, and its shell may send another."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
