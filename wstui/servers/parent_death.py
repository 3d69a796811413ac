"""Ties a process to its parent, so that a killed parent leaves no processes behind.

As a script (`python -I -S parent_death.py PARENT_PID -- PROGRAM ARGS…`) it does so for any program. It imports only the
standard library, because it is started without site-packages.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

POLL_S = 0.3
_PR_SET_PDEATHSIG = 1


def tie_to_parent(parent: int | None = None) -> None:
    """Make the kernel kill this process when its parent dies; outside Linux a thread polls for that.

    `parent` is the expected process id of the parent: if it has already ended, this process ends at once. On Linux the
    parent is, to be exact, the *thread* that started this process.
    """
    expected = os.getppid() if parent is None else parent
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=(expected,), name="tether", daemon=True).start()
    if os.getppid() != expected:
        os.kill(os.getpid(), signal.SIGKILL)


def tethered(argv: list[str]) -> list[str]:
    """Return the command line that runs `argv` tied to this process."""
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), "--", *argv]


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGKILL)


def _guard(parent: int, argv: list[str]) -> int:
    """Run `argv` as a child and end it when `parent` ends, on systems that send no signal for that."""
    child = subprocess.Popen(argv)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: child.send_signal(received))
    while child.poll() is None:
        if os.getppid() != parent:
            child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(POLL_S)
    return child.returncode


def _main() -> None:
    parent, argv = int(sys.argv[1]), sys.argv[3:]
    if sys.platform != "linux":
        sys.exit(_guard(parent, argv))
    tie_to_parent(parent)
    os.execv(argv[0], argv)


if __name__ == "__main__":
    _main()
