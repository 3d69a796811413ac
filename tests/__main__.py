"""`python -m tests`: everything that must hold before a change lands. Lint, format, types, architecture, behaviour."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

# Tests mostly wait, for clients, servers and schedules: one worker more than there are cores.
WORKERS = (os.cpu_count() or 1) + 1

CHECKS = (
    ("lint", [sys.executable, "-m", "ruff", "check", "."]),
    ("format", [sys.executable, "-m", "ruff", "format", "--check", "."]),
    ("types", [sys.executable, "-m", "mypy"]),
    ("imports", [str(BIN / "lint-imports")]),
    ("tests", [sys.executable, "-m", "pytest", "-q", "-n", str(WORKERS), "--durations=10"]),
)


def main() -> int:
    """Run every check, also after one has failed; arguments go to pytest. Returns how many failed."""
    failed = []
    for name, command in CHECKS:
        began = time.monotonic()
        print(f"── {name}", flush=True)
        extra = sys.argv[1:] if name == "tests" else []
        if subprocess.run([*command, *extra], cwd=ROOT, check=False).returncode:
            failed.append(name)
        print(f"── {name}: {'failed' if name in failed else 'ok'}, {time.monotonic() - began:.0f} s\n", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return len(failed)


sys.exit(main())
