"""A worker that says on SIGUSR1 where its time and its memory went: in a file of the folder `WSTUI_PARTS`."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
import types
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wstui.load import __main__ as program
from wstui.load.client_pool import ClientPool
from wstui.load.deadlines import Deadlines
from wstui.load.drain import DrainController
from wstui.load.pipe_link import PipeLink
from wstui.load.reports import Reports
from wstui.load.worker import Worker

FOLDER = "WSTUI_PARTS"
_ELSEWHERE = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType, types.FrameType, type)


class Spent:
    """Calls of one part: how many, their CPU time in all, and the longest, in ns."""

    def __init__(self) -> None:
        self.calls = self.total_ns = self.longest_ns = 0

    def add(self, ns: int) -> None:
        self.calls += 1
        self.total_ns += ns
        self.longest_ns = max(self.longest_ns, ns)


class Measured(Worker):
    """The worker, known to the signal."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        _known.append(self)


_known: list[Worker] = []
_spent: dict[str, Spent] = {}
_collecting: list[int] = []
_told = 0


def _timed(owner: type, method: str, name: str) -> None:
    """Count the calls of a method, and what they take."""
    inner: Callable[..., Any] = getattr(owner, method)
    spent = _spent[name] = Spent()

    def timed(*arguments: Any, **named: Any) -> Any:
        began = time.thread_time_ns()
        try:
            return inner(*arguments, **named)
        finally:
            spent.add(time.thread_time_ns() - began)

    setattr(owner, method, timed)


def _collected(phase: str, info: dict[str, int]) -> None:
    if phase == "start":
        _collecting.append(time.thread_time_ns())
    elif _collecting:
        name = "full collection" if info["generation"] == 2 else "young collection"
        _spent.setdefault(name, Spent()).add(time.thread_time_ns() - _collecting.pop())


def kinds(root: object) -> dict[str, tuple[int, int]]:
    """Return how many objects of each type can be reached from one, and their bytes. Code and modules don't count."""
    seen = {id(root)}
    waiting = [root]
    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    while waiting:
        found = waiting.pop()
        name = type(found).__name__
        count[name] += 1
        size[name] += sys.getsizeof(found)
        for other in gc.get_referents(found):
            if id(other) not in seen and not isinstance(other, _ELSEWHERE):
                seen.add(id(other))
                waiting.append(other)
    return {name: (count[name], size[name]) for name in count}


def _asked(*_: object) -> None:
    """Tell between two passes of the loop, so that this is no part of what is measured."""
    _known[0]._loop.call_soon_threadsafe(_tell)


def _tell() -> None:
    """Write what was counted since the last time."""
    global _told
    _told += 1
    cpu_ns = time.process_time_ns()
    parts = {name: [spent.calls, spent.total_ns, spent.longest_ns] for name, spent in _spent.items()}
    gc.disable()
    found = {"cpu_ns": cpu_ns, "parts": parts, "kinds": kinds(_known[0]._live) if _known else {}}
    gc.enable()
    for spent in _spent.values():
        spent.calls = spent.total_ns = spent.longest_ns = 0
    found["cpu_ns_after"] = time.process_time_ns()
    path = Path(os.environ[FOLDER], f"{os.getpid()}.{_told}")
    path.with_suffix(".new").write_text(json.dumps(found))
    path.with_suffix(".new").rename(f"{path}.json")


def main() -> None:
    """Run the worker."""
    _timed(Worker, "_do_tick", "tick")
    _timed(Deadlines, "tick", "deadlines and sweep")
    _timed(ClientPool, "reconcile", "who should be there")
    _timed(Reports, "snapshot", "snapshot")
    _timed(Reports, "broadcasts", "broadcasts")
    _timed(DrainController, "advance", "drain")
    _timed(PipeLink, "send", "write to the operator")
    gc.callbacks.append(_collected)
    signal.signal(signal.SIGUSR1, _asked)
    setattr(program, "Worker", Measured)  # noqa: B010
    try:
        program.main()
    finally:
        _tell()


if __name__ == "__main__":
    main()
