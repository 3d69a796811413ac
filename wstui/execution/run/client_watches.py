"""Which clients are watched or traced, and what they did."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wstui.execution.run.commands import CommandAnswer, WatchClient
from wstui.load.protocol import TraceLine, WatchClients
from wstui.load.role_spec import RoleShares
from wstui.measure.append_log import AppendLog, new_since

if TYPE_CHECKING:
    from wstui.execution.run.commands import RunControl
    from wstui.execution.run.status import Status

LEASE_S = 10.0
"""A watch ends by itself when it is not renewed for this long."""
_AGAIN_S = 0.25
MOST_WATCHED = 10
LINES_KEPT = 1000
_LOOKED_AT = 10_000
"""How many clients are looked through for those of a role."""


def watch_log() -> AppendLog[TraceLine]:
    """Return an empty log that forgets its oldest lines."""
    return AppendLog(keep=LINES_KEPT, fold=lambda lines: ())


@dataclass(frozen=True, slots=True)
class Tracing:
    """How many clients of each role are followed by each worker, and what gets their messages."""

    clients: int = 0
    note: Callable[[TraceLine], None] = lambda _: None


UNTRACED = Tracing()


class ClientWatches:
    """The clients that are watched now; of more than ten, those asked for last."""

    def __init__(self, send: Callable[[WatchClients], None]) -> None:
        self.lines = watch_log()
        self._send = send
        self._until: dict[int, float] = {}  # by client

    @property
    def command(self) -> WatchClients:
        return WatchClients(list(self._until))

    def watch(self, client: int) -> None:
        """Watch a client from now on, or for longer."""
        known = self._until.pop(client, None) is not None
        self._until[client] = time.monotonic() + LEASE_S
        if not known:
            while len(self._until) > MOST_WATCHED:
                del self._until[next(iter(self._until))]
            self._send(self.command)

    def expire(self) -> None:
        """End the watches that are not asked for any more."""
        now = time.monotonic()
        if over := [client for client, until in self._until.items() if until < now]:
            for client in over:
                del self._until[client]
            self._send(self.command)

    def take(self, lines: list[TraceLine], missed: int) -> None:
        """Keep what watched clients did."""
        for line in lines:
            self.lines.append(line)
        if missed:
            last = lines[-1]
            text = f"{missed} more lines in this moment are not shown"
            self.lines.append(TraceLine(last.at_ms, last.role, last.client, False, text, kind="state"))


class WatchedLines:
    """Watches one client of a run, here or elsewhere, for as long as `renew` is called."""

    def __init__(self, run: RunControl, client: int) -> None:
        self.client = client
        self._run = run
        self._asked = 0.0
        self._answer: Future[CommandAnswer] | None = None
        self._started = run.status.started
        self._seen = new_since(run.status.watched, 0)[1]

    def renew(self) -> str:
        """Ask for more if it is time to; return why there is no more, or "". Does not wait."""
        now, asked = time.monotonic(), self._answer
        is_refused = asked is not None and asked.done() and not asked.result().done  # between two runs, say
        if now - self._asked < (_AGAIN_S if is_refused else LEASE_S / 3):
            return ""
        self._asked = now
        self._answer = asked = self._run.send(WatchClient(self.client))
        return asked.result().text if asked.done() and not asked.result().done else ""

    def new(self) -> list[TraceLine]:
        """Return what the client has done since the last call."""
        status = self._run.status
        if status.started != self._started:  # the next run of a suite
            self._started, self._seen, self._asked = status.started, 0, 0.0
        lines, self._seen = new_since(status.watched, self._seen)
        return [line for line in lines if line.client == self.client]


def drawn(status: Status, role: str = "") -> int:
    """Return the number of a client drawn at random, of those of a role if it is named."""
    many = max(1, status.counters.open or status.target_clients)
    names = [known.name for known in status.scenario.roles]
    if role in names:
        roles = status.scenario.roles
        shares = RoleShares([one.clients or 0 for one in roles], [one.share for one in roles])
        mine = [number for number in range(min(many, _LOOKED_AT)) if shares.index_of(number) == names.index(role)]
        if mine:
            return random.choice(mine)
    return random.randrange(many)
