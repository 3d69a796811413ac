"""Watches a run from a thread of its own, by polling. Whatever goes wrong in here, the run goes on."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.status import RunView

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # without one, logging would print to the terminal


class ExportError(Exception):
    """Watching failed; the text says why. `lasting` means that trying again makes no sense."""

    def __init__(self, text: str, *, lasting: bool) -> None:
        super().__init__(text)
        self.lasting = lasting


class Observer(ABC):
    """Calls `follow` every `every_s` seconds while the run goes, then `finish` once, both in one thread of its own.

    `problem` says why nothing (more) is done, "" while all is well; `on_problem` is called with it, from that thread.
    """

    def __init__(
        self, name: str, run: RunView, *, every_s: float, on_problem: Callable[[str], None] | None = None
    ) -> None:
        self.problem = ""
        self._name = name
        self._run = run
        self._every_s = every_s
        self._on_problem = on_problem
        self._end = threading.Event()
        self._result: Result | SuiteResult | None = None
        self._thread = threading.Thread(target=self._watch, name=name, daemon=True)

    @abstractmethod
    def follow(self) -> None:
        """Take in what is new. May raise Trouble."""

    @abstractmethod
    def finish(self, result: Result | SuiteResult | None) -> None:
        """Take in the end; `result` is None when the run was cut short. May raise Trouble."""

    @abstractmethod
    def release(self) -> None:
        """Give back what is held; called last, whatever happened."""

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self, result: Result | SuiteResult | None, *, timeout_s: float = 10.0) -> None:
        """Take in the end of the run: its result, or None when it was cut short. Waits `timeout_s` at most."""
        self._result = result
        self._end.set()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._report(f"the {self._name} did not answer within {timeout_s:g} s: the run's end is not in it")

    def pause_s(self) -> float:
        """Return how long to wait before the next look."""
        return self._every_s

    def _watch(self) -> None:
        try:
            while True:
                ending = self._end.wait(self.pause_s())
                lasting = self._attempt(ending)
                if ending or lasting:
                    return
        finally:
            self.release()

    def _attempt(self, ending: bool) -> bool:
        """Do a step; True when no further one can succeed."""
        try:
            if ending:
                self.finish(self._result)
            else:
                self.follow()
        except ExportError as trouble:
            self._report(str(trouble))
            return trouble.lasting
        except Exception as error:
            # A mistake of ours in here must not cost anybody a run.
            log.exception("the %s failed", self._name)
            self._report(f"the {self._name} failed: {error!r}")
            return True
        self.problem = ""
        return False

    def _report(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            if self._on_problem is not None:
                self._on_problem(problem)
