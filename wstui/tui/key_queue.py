"""Takes keys one at a time, so that none overtakes another, and leaves out those that come too late to be meant."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import ClassVar

from textual import events
from textual.app import ScreenStackError
from textual.message import Message
from textual.widget import Widget

from wstui.tui.services import SessionOutcome
from wstui.tui.theme import ThemedApp

_ROUNDS = 4
"""How often the way of a key is looked at again for what came of it: a dialog, another focus, a message."""
_LOOK_S = 0.05
"""How soon it is noticed that a key has ended its way with the widget that it went to."""
_PATIENCE_S = 10.0
"""Whatever becomes of a key, it holds up the others no longer than this."""


class Passed(Message, bubble=True, verbose=True):
    """Follows a key from widget to widget up to the application: where it arrives, the key has done its work."""

    def __init__(self, number: int, rounds: int, start: Widget) -> None:
        super().__init__()
        self.number, self.rounds, self.start = number, rounds, start


class KeyQueue(ThemedApp[SessionOutcome]):
    """Handles keys before any screen sees them.

    Textual hands each key to the widget that has the focus, but runs what is bound to it only when it has come up to
    the application: of several keys that arrive at once (a slow line, a quick hand) the second may be typed before the
    first has opened the dialog that it was meant for.
    """

    BOUNCE_S: ClassVar[float] = 0.3
    """How long a key is held back that has just closed a dialog."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[events.Key | events.Paste] = deque()
        self._number = 0
        self._passed: Passed | None = None  # what follows the key that is on its way
        self._pressed = ""  # the key pressed last
        self._deaf: tuple[str, float] = ("", 0.0)

    def ignore_keys_for(self, seconds: float, pressed: str = "") -> None:
        """Let a key, or all of them, do nothing for a moment."""
        self._deaf = (pressed, time.monotonic() + seconds)

    def write_control(self, sequence: str) -> None:
        """Write a control sequence that draws nothing."""
        if self._driver is not None:
            self._driver.write(sequence)

    def dialog_closed(self) -> None:
        """Ignore a second press of the key that closed a dialog: it was not meant for the screen below."""
        self.ignore_keys_for(self.BOUNCE_S, self._pressed)

    async def on_event(self, event: events.Event) -> None:
        """Textual's own way, but for keys: those wait until the one before has done its work."""
        if not isinstance(event, events.Key | events.Paste):
            await super().on_event(event)
            return
        with contextlib.suppress(ScreenStackError):  # it came while the application was closing
            if event.is_forwarded:
                await super().on_event(event)
            elif self._passed is not None:
                self._waiting.append(event)
            else:
                await self._take(event)

    async def _take(self, event: events.Key | events.Paste) -> None:
        if isinstance(event, events.Key) and self._is_late(event.key):
            return
        self._number += 1
        self._passed = passed = Passed(self._number, _ROUNDS, self._start)
        self._look_after(self._number, time.monotonic() + _PATIENCE_S)
        await super().on_event(event)
        passed.start.post_message(passed)

    @property
    def _start(self) -> Widget:
        """Return the widget that gets the next key."""
        return self.focused or self.screen

    def _look_after(self, number: int, until: float) -> None:
        """Go on also where nothing comes back: a dialog that closes takes along what was on its way through it."""
        passed = self._passed
        if passed is None or passed.number != number:
            return
        if passed.start.is_attached and time.monotonic() < until:
            asyncio.get_running_loop().call_later(_LOOK_S, self._look_after, number, until)
        else:
            self.post_message(Passed(number, 0, passed.start))

    async def on_passed(self, passed: Passed) -> None:
        """Look again where something may have come of the key, else go on to the next one."""
        passed.stop()
        if self._passed is None or passed.number != self._passed.number:
            return
        with contextlib.suppress(ScreenStackError):
            start = self._start
            if passed.rounds == _ROUNDS or (passed.rounds and start is not passed.start):
                self._passed = Passed(passed.number, passed.rounds - 1, start)
                start.post_message(self._passed)
                return
            self._passed = None
            while self._waiting and self._passed is None:
                await self._take(self._waiting.popleft())

    def _is_late(self, pressed: str) -> bool:
        meant, until = self._deaf
        late = time.monotonic() < until and (not meant or meant == pressed)
        if not late:
            self._deaf, self._pressed = ("", 0.0), pressed
        return late
