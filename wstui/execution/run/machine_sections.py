"""The sections of a result about machines: the generator and its hosts, the target, and the route to it."""

from __future__ import annotations

import msgspec

from wstui.execution.run.result_sections import Latency
from wstui.scenario.errors import BadValue
from wstui.scenario.model import Scenario
from wstui.scenario.route import route_of


class HostSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One of several hosts that made the load, and what its workers did.

    `cpu_max` (share of a core) and `loop_lag_max_ms` are the maxima of its workers, `clients_max` the sum of their
    maxima. `round_trip_ms` is that of the last command, `clock_offset_ms` ± `clock_uncertainty_ms` the lead of its
    monotonic clock, on which no figure depends. `lost` says why it was lost, or "".
    """

    name: str
    workers: int
    workers_lost: int = 0
    ready: int = 0
    sent: int = 0
    received: int = 0
    clients_max: int = 0
    cpu_max: float | None = None
    loop_lag_max_ms: float | None = None
    round_trip_ms: float | None = None
    clock_offset_ms: float | None = None
    clock_uncertainty_ms: float | None = None
    python: str = ""
    lost: str = ""


class GeneratorSummary(msgspec.Struct, frozen=True):
    """The load generator; `cpu` is the mean of the busiest worker (share of a core).

    `hosts` is empty if the operator's machine made the load. `snapshots_missed` counts lost reports of workers; the
    next ones made up for them. `other_programs` is how many processors other programs used, None if the generator was
    not the limit or they used little. The operator's process did not run for `operator_stalled_s`; workers went on.
    """

    workers: int = 0
    workers_lost: int = 0
    cpu: float | None = None
    cpu_max: float | None = None
    loop_lag_ms: Latency = Latency()
    send_delay_ms: Latency = Latency()
    late_sends: int = 0
    open_files: int = 0
    limited_by: list[str] = []
    hosts: list[HostSummary] = []
    snapshots_missed: int = 0
    other_programs: float | None = None
    operator_stalled_s: float = 0.0


class TargetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the target reported at /health, /metrics and /stats, next to what clients saw.

    `state` is the last one; `troubled` counts polls that found it degraded, unhealthy or silent. The connections are
    from the poll under steady load with the largest difference; deliveries (broadcasts to clients) are counted from
    the first poll to the last. Memory growth is in MiB/h ± uncertainty (95 %) over the longest interval of steady
    load, `memory_steady_s` long; None below a minute. `differences` says where report and clients disagree.
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
    """An indirect route to the target: through `proxy` (credentials masked), named by `proxy_from` (target.proxy or a
    variable), to `connect_to` instead of the URL's host, or over a `unix` socket.

    `addresses` counts connections by target address, if they are spread. `text` describes the route.
    """

    text: str
    proxy: str = ""
    proxy_from: str = ""
    connect_to: str = ""
    unix: str = ""
    addresses: dict[str, int] = {}

    @classmethod
    def of(cls, scenario: Scenario, addresses: dict[str, int] | None = None) -> RouteSummary | None:
        """Return the route of a scenario, or None if it is direct."""
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
