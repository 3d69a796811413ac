"""Other programs that took the processors of this machine while it made load."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

import psutil

from wstui.execution.run.limits import OTHERS_SHARE
from wstui.measure.sanitize import sanitize

NAMED = 3
_LOAD = "wstui.load"
_BUNDLED = ("from wstui.cli.odin import ", "wstui.execution.calibrate.sink")
_TARGET = "the bundled target"


@dataclass(frozen=True, slots=True)
class Taken:
    """Processors that other programs took on average, of how many there are, and the names of the largest."""

    processors: float
    of: int
    programs: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        names = ", ".join(f"{name} {share:.1f}" for name, share in self.programs)
        return f"other programs took {self.processors:.1f} of {self.of} processors{f' ({names})' if names else ''}"


@dataclass(frozen=True, slots=True)
class _Reading:
    total: float
    busy: float
    ours: float
    others: dict[int, tuple[str, float]]


class Contention:
    """Compares CPU times since it was made. Only the names of programs are reported, never their arguments."""

    def __init__(self) -> None:
        self._begun = _read()

    def taken(self) -> Taken | None:
        """Return what others took so far; None where that was too little to matter."""
        now, begun = _read(), self._begun
        cores = psutil.cpu_count() or 1
        seconds = (now.total - begun.total) / cores
        if seconds <= 0:
            return None
        others = ((now.busy - begun.busy) - (now.ours - begun.ours)) / seconds
        if others < OTHERS_SHARE * cores:
            return None
        shares: dict[str, float] = {}
        for pid, (name, used) in now.others.items():
            share = (used - begun.others.get(pid, ("", 0.0))[1]) / seconds
            shares[name] = shares.get(name, 0.0) + share
        largest = sorted(shares.items(), key=lambda item: -item[1])[:NAMED]
        return Taken(min(others, cores), cores, tuple((name, share) for name, share in largest if share >= 0.05))


def _read() -> _Reading:
    times = psutil.cpu_times()
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    idle = times.idle + getattr(times, "iowait", 0.0)
    me = os.getpid()
    ours, others = 0.0, {}
    for process in psutil.process_iter(["ppid", "name", "cpu_times"]):
        info = process.info
        if not info["cpu_times"]:
            continue
        used = info["cpu_times"].user + info["cpu_times"].system
        if process.pid == me or (info["ppid"] == me and _makes_load(process)):
            ours += used
        else:
            others[process.pid] = (_name(process, info["name"] or "?"), used)
    return _Reading(total, total - idle, ours, others)


def _name(process: psutil.Process, name: str) -> str:
    """Return what a program is called; the target of a demo is named as such, since "python" could be anything."""
    with contextlib.suppress(psutil.Error):
        if name.startswith("python") and any(part.startswith(_BUNDLED) for part in process.cmdline()):
            return _TARGET
    return sanitize(name, 20)


def _makes_load(process: psutil.Process) -> bool:
    try:
        return _LOAD in process.cmdline()
    except psutil.Error:
        return False
