"""How a process ended, in words."""

from __future__ import annotations

import signal


def ended_how(code: int) -> str:
    """ "ended with status 1", or "killed by SIGKILL" for the negative code of a process that a signal ended."""
    if code >= 0:
        return f"ended with status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
