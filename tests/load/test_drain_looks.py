"""The graceful end of many clients: its cost does not grow with the square of their number."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

from wstui.load.client_pool import CLOSES_A_TICK
from wstui.load.context import READY
from wstui.load.drain import DrainController

MS = 1_000_000


class Looked(dict[int, Any]):
    """Clients by number that count how often one was looked at."""

    count = 0

    def values(self) -> Iterator[Any]:  # type: ignore[override]
        for client in super().values():
            self.count += 1
            yield client


def drained(clients: int, unanswered: int) -> tuple[float, int]:
    """Drain so many idle clients, of whom the last still wait for a reply for 100 ticks; return looks and ticks."""
    live = Looked()
    for number in range(clients):
        live[number] = SimpleNamespace(
            step=READY, pending={}, conversation=None, expire=lambda now: None, close=partial(live.pop, number)
        )
    waiting = [live[clients - 1 - number] for number in range(unanswered)]
    for client in waiting:
        client.pending[1] = (0, 0)
    drain = DrainController(cast(Any, live), {}, cast(Any, None), 3000 * MS, 5000 * MS)
    begun, ticks = drain._begun_ns, 0
    while not drain.advance(begun + ticks * 10 * MS):
        ticks += 1
        if ticks == 100:
            for client in waiting:
                client.pending.clear()
    return live.count / clients, ticks


def test_waiting_and_closing_look_at_each_client_a_few_times_however_many_there_are() -> None:
    looks, ticks = drained(20_000, 3)
    assert looks < 8
    assert abs(ticks - (100 + 20_000 // CLOSES_A_TICK)) <= 2
