"""What a program and all that it starts use: CPU time and memory of the whole tree, from /proc."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from wstui.execution.calibrate.bench import cpu_ns


@dataclass(frozen=True)
class Sample:
    """The tree at one moment, and what the sink had counted then."""

    at: float
    cpu_ns: int
    memory: int  # bytes; shared pages are counted once (PSS)
    sink: dict[str, int]


class Tree:
    """A process with its descendants. One that has ended keeps what it had used when last seen."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._cpu: dict[int, int] = {}

    def sample(self, sink: dict[str, int]) -> Sample:
        """The state now."""
        memory = 0
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in [self._root, *self._root.children(recursive=True)]:
                with contextlib.suppress(psutil.Error, OSError, ValueError):
                    self._cpu[process.pid] = cpu_ns(process.pid)
                    memory += _proportional(process.pid)
        return Sample(time.monotonic(), sum(self._cpu.values()), memory, sink)


def _proportional(pid: int) -> int:
    for line in Path("/proc", str(pid), "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
