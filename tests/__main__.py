"""`python -m tests`: everything that must hold before a change lands. Lint, format, types, architecture, behaviour."""

from __future__ import annotations

import compileall
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

WORKERS_MOST = 8
"""Each test may start several processes: beyond this they are in each other's way."""
SECOND_CHANCES = 2
"""Failed tests that run once more, alone: a busy machine may starve one or two; more than that is a fault."""

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


def behaves(arguments: list[str]) -> tuple[bool, list[str]]:
    """Run the tests side by side. Return whether all pass, and which passed only when they ran again, alone.

    They start servers and load. On a machine that others use too, a test may get no processor for
    seconds, and so may its server.
    """
    # Where bytecode is not written, each of the many processes that tests start would compile the package again.
    compileall.compile_dir(ROOT / "wstui", quiet=2)
    # Tests mostly wait, for clients, servers and schedules: two workers a core kept cores busy two thirds of the time.
    workers = min(2 * cores() + 1, WORKERS_MOST)
    with tempfile.TemporaryDirectory(prefix="wstui-tests-") as folder:
        pytest = [sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={folder}"]
        if not any((ROOT / "tests").rglob("*-pytest-*.pyc")):
            # Once for all workers: to compile tests with their assertions takes longer than to collect and import them.
            subprocess.run([*pytest, "--collect-only", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        # File by file: what a file starts for all its tests, a broker or a browser, is started once.
        beside = ["-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder", "--durations=10"]
        status = subprocess.run([*pytest, *beside, *arguments], cwd=ROOT, check=False).returncode
        failed = _failed(Path(folder))
        if status != 1 or not 0 < len(failed) <= SECOND_CHANCES:
            return status == 0, []
        print("── once more, alone: " + ", ".join(failed), flush=True)
        return subprocess.run([*pytest, *failed], cwd=ROOT, check=False).returncode == 0, failed


def _failed(cache: Path) -> list[str]:
    """The tests that failed the last time."""
    with contextlib.suppress(OSError, ValueError):
        return list(json.loads((cache / "v/cache/lastfailed").read_text()))
    return []


def holds(name: str, command: list[str]) -> bool:
    """Run a check that looks at the source alone; tests that run meanwhile go before it."""
    began = time.monotonic()
    command = ["nice", *command] if shutil.which("nice") else command
    done = subprocess.run(command, cwd=ROOT, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    _tell(name, done.stdout, not done.returncode, began)
    return done.returncode == 0


def _tell(name: str, said: str, fine: bool, began: float) -> None:
    print(f"── {name}\n{said}── {name}: {'ok' if fine else 'failed'}, {time.monotonic() - began:.0f} s\n", flush=True)


def main() -> int:
    """Run every check, also after one has failed; arguments go to pytest. Return how many failed."""
    began = time.monotonic()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # nothing is compiled twice by the processes that this starts
    with ThreadPoolExecutor(1) as beside:
        held = [(name, beside.submit(holds, name, command)) for name, command in CHECKS]
        fine, again = behaves(sys.argv[1:])
        failed = [name for name, check in held if not check.result()]
    _tell("tests", "", fine, began)
    failed += ["tests"] * (not fine)
    lucky = f"; passed only when run again alone: {', '.join(again)}" if again and not failed else ""
    print(f"failed: {', '.join(failed)}" if failed else f"all checks passed{lucky}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
