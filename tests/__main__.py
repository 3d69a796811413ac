"""`python -m tests`: everything that must hold before a change lands. Lint, format, types, architecture, behaviour."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CHECKS = (
    ("lint", [sys.executable, "-m", "ruff", "check", "."]),
    ("format", [sys.executable, "-m", "ruff", "format", "--check", "."]),
    ("types", [sys.executable, "-m", "mypy"]),
    ("imports", [str(BIN / "lint-imports")]),
    ("tests", [sys.executable, "-m", "pytest", "-q", "--durations=10"]),
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
