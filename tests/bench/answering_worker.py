"""A worker that says a snapshot as soon as it has obeyed a ramp: the wait for a command can be measured."""

from __future__ import annotations

import time

from wstui.load import __main__ as worker
from wstui.load.protocol import Command, Ramp
from wstui.load.worker import Worker


class AnsweringWorker(Worker):
    """Answers."""

    def handle(self, command: Command) -> None:
        """Carry out one command, and say so."""
        super().handle(command)
        if isinstance(command, Ramp):
            self.reports.snapshot(time.monotonic_ns(), self.context, self._connector, self.steps())


if __name__ == "__main__":
    setattr(worker, "Worker", AnsweringWorker)  # noqa: B010
    worker.main()
