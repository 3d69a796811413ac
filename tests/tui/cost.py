"""What the dashboard costs: `python -m tests.tui.cost` prints the CPU of the screen and the bytes to the terminal.

The made-up run changes every figure at each picture and adds a row a second, so nothing is saved by standing still.
"""

from __future__ import annotations

import os
import select
import sys
import time
from dataclasses import replace

import msgspec
import psutil

from tests.terminal import on_pty
from tests.tui import fake
from wstui.execution.run.status import StageStatus, Status
from wstui.tui.run_app import operate

WARM_S = 4.0
SECONDS = 20.0


class LiveSession(fake.FakeSession):
    """A run that goes on by itself."""

    def __init__(self) -> None:
        super().__init__()
        self._rows = fake.rows(900)
        self._plain = fake.status()
        self._begun = time.monotonic()

    @property
    def status(self) -> Status:
        """The picture of this moment."""
        passed = time.monotonic() - self._begun
        elapsed = fake.ELAPSED_S + passed
        plain = self._plain
        jitter = int(passed * 40) % 23
        return replace(
            plain,
            elapsed_s=elapsed,
            plan_s=elapsed,
            stages=(plain.stages[0], StageStatus("hold", 600.0, elapsed - 120, current=True), plain.stages[2]),
            rows=self._rows[: int(elapsed)],
            counters=msgspec.structs.replace(plain.counters, open=11_987 - jitter, opening=jitter),
            generator=replace(
                plain.generator, cpu=0.5 + jitter / 100, loop_lag_ms=1 + jitter / 10, files=12_000 + jitter
            ),
        )


PLAY = [sys.executable, "-m", "tests.tui.cost", "--play"]
PLAY_IN = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}


def play() -> None:
    """The application itself, in the child."""
    operate(LiveSession())


def measure(columns: int, rows: int) -> tuple[float, float]:
    """Share of a core, and bytes a second, of a screen of this size."""
    with on_pty(PLAY, size=(columns, rows), env=PLAY_IN) as (child, master):
        watched = psutil.Process(child.pid)
        _drain(master, WARM_S)
        before, begun = watched.cpu_times(), time.monotonic()
        size = _drain(master, SECONDS)
        after, took = watched.cpu_times(), time.monotonic() - begun
        cpu = (after.user + after.system) - (before.user + before.system)
        return cpu / took, size / took


def _drain(master: int, seconds: float) -> int:
    end = time.monotonic() + seconds
    size = 0
    while (left := end - time.monotonic()) > 0:
        if select.select([master], [], [], left)[0]:
            size += len(os.read(master, 1 << 16))
    return size


def main() -> None:
    """Measure the three sizes."""
    if "--play" in sys.argv:
        play()
        return
    for columns, rows in ((80, 24), (120, 40), (200, 50)):
        cpu, size = measure(columns, rows)
        print(f"{columns}×{rows}: {cpu * 100:.1f} % of a core, {size / 1024:.1f} KiB/s")


if __name__ == "__main__":
    main()
