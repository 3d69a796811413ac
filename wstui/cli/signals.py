"""Handle SIGINT, SIGTERM and SIGHUP while load is running or results are being written."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

from wstui.execution.run.commands import AbortRun, DrainRun, RunControl

_NUMBERS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_HANGUP = getattr(signal, "SIGHUP", None)
_STDERR = 2


@contextlib.contextmanager
def draining(run: RunControl) -> Iterator[None]:
    """Drain the run on the first signal, abort it on a further SIGINT or SIGTERM. For the main thread.

    A closed terminal, its shell and tmux each send SIGHUP, so it only ever drains.
    """
    signals = 0

    def stop(number: int) -> None:
        nonlocal signals
        if number == _HANGUP:
            run.send(DrainRun())
            return
        signals += 1
        if signals == 1:
            _say("\nwstui: draining; once more to drop every connection")
            run.send(DrainRun())
        else:
            run.send(AbortRun())

    with _handled(stop):
        yield


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Let results be written despite a first signal; the next one raises KeyboardInterrupt.

    An operator who presses ctrl+c twice to end a run soon still wants its results.
    """
    signals = 0

    def wait(number: int) -> None:
        nonlocal signals
        told, again = "\nwstui: the run is over, its results are being written", "; once more to lose them"
        if number == _HANGUP:
            _say(told)
            return
        signals += 1
        if signals > 1:
            raise KeyboardInterrupt
        _say(told + again)

    with _handled(wait):
        yield


@contextlib.contextmanager
def _handled(act: Callable[[int], None]) -> Iterator[None]:
    # Not the event loop's own handlers: those are gone before the results are written.
    before = {
        number: signal.signal(number, lambda came, _: act(came)) for number in _NUMBERS if not _is_ignored(number)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _is_ignored(number: int) -> bool:
    """Return whether SIGHUP is ignored, as under nohup."""
    return number == _HANGUP and signal.getsignal(number) is signal.SIG_IGN


def _say(text: str) -> None:
    # A signal may come in the middle of a write to sys.stderr, which can't be entered twice.
    with contextlib.suppress(OSError):
        os.write(_STDERR, f"{text}\n".encode())
