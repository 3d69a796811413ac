"""Calls the operator when a threshold breaks or the run ends: a bell, and a notification of the terminal."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Literal, get_args

from wstui.execution.run.status import Status
from wstui.measure.append_log import new_since
from wstui.measure.sanitize import sanitize
from wstui.tui.services import SessionOutcome

Alert = Literal["off", "bell", "desktop"]
ALERTS: tuple[Alert, ...] = get_args(Alert)
_QUIET_S = 5.0
"""Thresholds that break and recover in turn call once in this time."""
_LENGTH = 120


class Alerts:
    """Follows one run; `write` puts control sequences into the terminal."""

    def __init__(self, how: Alert, name: str, write: Callable[[str], None]) -> None:
        self._how, self._name, self._write = how, name, write
        self._seen: int | None = None
        self._started: object = None
        self._called = -_QUIET_S

    def look(self, status: Status) -> None:
        """Call if a threshold has broken since the last look."""
        if status.started != self._started:  # the next run of a suite
            self._started, self._seen = status.started, None if self._started is None else 0
        marks, end = new_since(status.marks, self._seen or 0)
        broken = [mark.text for mark in marks if mark.kind == "broken"] if self._seen is not None else []
        self._seen = end
        if broken and time.monotonic() - self._called >= _QUIET_S:
            self._called = time.monotonic()
            self.call(broken[-1])

    def ended(self, outcome: SessionOutcome) -> None:
        self.call(outcome.result.verdict.reason if outcome.result is not None else outcome.error or "the run has ended")

    def call(self, text: str) -> None:
        """Ring, and with "desktop" say why: terminals know OSC 9 or OSC 777, and ignore the other."""
        if self._how == "off":
            return
        parts = ["\a"]
        if self._how == "desktop":
            title = sanitize(f"wstui {self._name}", _LENGTH).replace(";", ",")
            what = sanitize(text, _LENGTH)
            parts += [_osc(f"9;{title}: {what}"), _osc(f"777;notify;{title};{what}")]
        self._write("".join(parts))


def _osc(text: str) -> str:
    """Return an operating system command; tmux passes it on if `allow-passthrough` is on."""
    plain = f"\x1b]{text}\x1b\\"
    return f"\x1bPtmux;{plain.replace(chr(27), chr(27) * 2)}\x1b\\" if os.environ.get("TMUX") else plain
