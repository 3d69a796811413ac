"""`python -m tests`: everything that must hold before a change lands. Lint, format, types, architecture, behaviour."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

WORKERS_MOST = 8
"""Each test may start several processes: beyond this they are in each other's way."""
UNLUCKY_MOST = 5
"""So many tests may have failed because the machine had no time for them; more than that is no bad luck."""

CHECKS = (
    ("lint", [sys.executable, "-m", "ruff", "check", "."]),
    ("format", [sys.executable, "-m", "ruff", "format", "--check", "."]),
    ("types", [sys.executable, "-m", "mypy"]),
    ("imports", [str(BIN / "lint-imports")]),
)


def cores() -> int:
    """The processors that this may use: a container may have fewer than its machine."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # no such file, or no limit in it
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        allowed = min(allowed, -(-int(quota) // int(period)))
    return max(1, allowed)


def behaves(arguments: list[str]) -> bool:
    """Run the tests, side by side; a few that fail have a second chance alone, and are named.

    They start servers and load on whatever machine this is. Where others use it as well, a test may have to do
    without a processor for seconds, and so may the server that it watches.
    """
    # Tests mostly wait, for clients, servers and schedules: one worker more than there are cores.
    workers = min(cores() + 1, WORKERS_MOST)
    with tempfile.TemporaryDirectory(prefix="wstui-tests-") as folder:
        pytest = [sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={folder}"]
        beside = ["-n", str(workers), "--dist", "worksteal", "--durations=10"]
        status = subprocess.run([*pytest, *beside, *arguments], cwd=ROOT, check=False).returncode
        failed = _failed(Path(folder))
        if status != 1 or not 0 < len(failed) <= UNLUCKY_MOST:
            return status == 0
        print("── once more, alone: " + ", ".join(failed), flush=True)
        return subprocess.run([*pytest, *failed], cwd=ROOT, check=False).returncode == 0


def _failed(cache: Path) -> list[str]:
    """The tests that failed the last time."""
    with contextlib.suppress(OSError, ValueError):
        return list(json.loads((cache / "v/cache/lastfailed").read_text()))
    return []


def main() -> int:
    """Run every check, also after one has failed; arguments go to pytest. Returns how many failed."""
    failed = []
    for name, command in (*CHECKS, ("tests", None)):
        began = time.monotonic()
        print(f"── {name}", flush=True)
        if command is None:
            fine = behaves(sys.argv[1:])
        else:
            fine = subprocess.run(command, cwd=ROOT, check=False).returncode == 0
        if not fine:
            failed.append(name)
        print(f"── {name}: {'ok' if fine else 'failed'}, {time.monotonic() - began:.0f} s\n", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
