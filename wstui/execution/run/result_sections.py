"""What a result holds of runs that ask for more: tokens of several kinds, subscriptions, slow readers, the target's
own account."""

from __future__ import annotations

import msgspec

from wstui.scenario.errors import BadValue
from wstui.scenario.model import Scenario
from wstui.scenario.route import route_of


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


class RouteSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The way to the target where it is not straight: by `proxy` (credentials masked), which `proxy_from` names
    (target.proxy or a variable), to `connect_to` in place of the URL's host, or over a `unix` socket.

    `addresses` counts connections by address of the target, where they are spread over all. `text` says it in words.
    """

    text: str
    proxy: str = ""
    proxy_from: str = ""
    connect_to: str = ""
    unix: str = ""
    addresses: dict[str, int] = {}

    @classmethod
    def of(cls, scenario: Scenario, addresses: dict[str, int] | None = None) -> RouteSummary | None:
        """That of a scenario, None where it is straight."""
        try:
            route = route_of(scenario)
        except BadValue:
            return None
        addresses = dict(sorted((addresses or {}).items()))
        spread = ", ".join(f"{address} × {count}" for address, count in addresses.items())
        text = ", ".join(filter(None, (route.shown, f"spread over {spread}" if spread else "")))
        if not text:
            return None
        proxy = route.proxy.shown if route.proxy is not None else ""
        return cls(
            text=text,
            proxy=proxy,
            proxy_from=route.source,
            connect_to=scenario.target.connect_to,
            unix=route.unix,
            addresses=addresses,
        )


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
    filter_leaks: int


class SlowReadersResult(msgspec.Struct, frozen=True):
    """Clients that stopped reading when they were ready: how many, how many of them the other side ended, and how
    ("close 1013: reads too slowly"). They are among the ready ones of `connections`, and never among the dropped."""

    clients: int
    closed: int
    endings: dict[str, int] = {}
