"""What a result holds of runs that ask for more: tokens of several kinds, subscriptions, slow readers, the target's
own account."""

from __future__ import annotations

import msgspec


class TargetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the target said of itself at /health, /metrics and /stats: its claims, next to what clients saw.

    `state` is the last one, `troubled` counts the polls that found it degraded, unhealthy or silent. The connections
    are those of the poll, among those under a steady load, in which claim and clients were farthest apart; the
    deliveries (broadcasts to clients) are counted from the first poll to the last. The memory grew by so many MiB an
    hour ± the uncertainty (95 %), told from the longest stretch of a steady load, `memory_steady_s` long: a minute at
    least, else it is None. `differences` says in words where
    the claims are not what the clients saw.
    """

    state: str
    polls: int
    troubled: int = 0
    connections_claimed: float | None = None
    connections_open: int | None = None
    delivered_claimed: float | None = None
    delivered_received: int | None = None
    memory_first_mib: float | None = None
    memory_last_mib: float | None = None
    memory_growth_mib_per_hour: float | None = None
    differences: list[str] = []
    memory_growth_uncertainty: float | None = None
    memory_steady_s: float | None = None


class AuthOutcome(msgspec.Struct, frozen=True):
    """How the clients with one kind of token fared. `expected` is "in" for good tokens, "out" for all others.

    attempted = ready + refused + other; `refused` were turned away for their token (HTTP 401 or 403, or a close
    frame before ready), `other` ended otherwise, which proves nothing. `correct` went as expected.
    """

    kind: str
    expected: str
    attempted: int = 0
    ready: int = 0
    refused: int = 0
    other: int = 0
    correct: int = 0


class Subscriptions(msgspec.Struct, frozen=True):
    """Clients that asked for some tokens only: how many asked, how many were acknowledged, and how many messages came
    after that about none of a client's tokens."""

    asked: int
    acknowledged: int
    leaks: int


class SlowReaders(msgspec.Struct, frozen=True):
    """Clients that stopped reading when they were ready: how many, how many of them the other side ended, and how
    ("close 1013: reads too slowly"). They are among the ready ones of `connections`, and never among the dropped."""

    clients: int
    closed: int
    endings: dict[str, int] = {}
