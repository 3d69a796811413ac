"""Metrics that the target reports at /health, /metrics and /stats: claims, not facts."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from wstui.execution.run.limits import need_level
from wstui.execution.run.status import ReportedMetric, TargetHealth
from wstui.measure.format import grouped
from wstui.measure.sanitize import sanitize

PHANTOM_SHARE = 0.05
"""A claimed count this much above ours is flagged: the server counts stale connections."""
PHANTOM_LEAST = 5
_DOWN = ("unhealthy", "down", "error")
_UP = ("", "healthy", "ok", "okay", "up", "pass", "passing", "alive", "live", "ready", "available", "running", "green")


@dataclass(frozen=True, slots=True)
class EndpointAnswer:
    """What an endpoint answered: its HTTP status (0: none came), the JSON in it (None: no object), and a fault."""

    status: int = 0
    document: dict[str, Any] | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Claims:
    """One look at the target: its figures, None where it does not tell; `resident` in bytes.

    `down` is True when the target itself says that it is not healthy; a silent one says nothing.
    """

    shown: TargetHealth
    down: bool = False
    connections: float | None = None
    delivered: float | None = None
    resident: float | None = None


def read_claims(health: EndpointAnswer, metrics: EndpointAnswer, stats: EndpointAnswer, ours: int) -> Claims:
    """The endpoints' answers as a state and a few figures, next to the connections that we hold."""
    offered = [a for a in (health, metrics, stats) if a.document is not None and a.status not in (404, 405)]
    if not offered:
        return Claims(_nothing_offered(health))
    told = _state(_dig(health.document, "status"))
    if health.document is None:
        state, note = "unhealthy" if health.status >= 500 else "not offered", health.fault
    elif health.status >= 500 or told in ("degraded", *_DOWN):
        state, note = ("unhealthy" if told in _DOWN else "degraded"), ""
    elif told in _UP:
        state, note = "healthy", ""
    else:
        state, note = "unknown", f"'{sanitize(told, 30)}'"
    told_at_once = (_dig(health.document, "websocket", "currentConnections"), _dig(metrics.document, "connectionCount"))
    counts = [count for count in map(_number, told_at_once) if count is not None]
    # Where they do not agree, one of them is wrong: the one that is farther from what we hold is shown.
    connections = max(counts, key=lambda count: abs(count - ours), default=None)
    delivered = _number(_dig(metrics.document, "messagesDelivered"))
    processes = _dig(stats.document, "processes")
    found = [p for p in processes if isinstance(p, dict)] if isinstance(processes, list) else [stats.document or {}]
    resident = _sum(found, "rssBytes")
    claims = [
        _connections(connections, ours),
        *_process(found, resident),
        _plain("delivered", delivered),
        _plain("errors", _number(_dig(metrics.document, "errors"))),
        _slow(stats.document),
    ]
    nats = _dig(health.document, "nats")
    if isinstance(nats, str):
        claims.insert(0, ReportedMetric("nats", sanitize(nats, 20), sign="ok" if nats == "connected" else "bad"))
    shown = TargetHealth(state, tuple(claim for claim in claims if claim is not None), note)
    return Claims(shown, told in _DOWN, connections, delivered, resident)


def _nothing_offered(health: EndpointAnswer) -> TargetHealth:
    if health.status in (0, 404, 405) and not health.fault:
        return TargetHealth("not offered")
    if health.status == 0:
        return TargetHealth("unhealthy", note=f"/health {health.fault}")
    return TargetHealth("not offered", note=f"/health answers HTTP {health.status}, {health.fault or 'no object'}")


def counts_differ(claimed: float, ours: int) -> bool:
    """Whether the target counts connections that are not there, misses some that are, or counts fewer than none."""
    return abs(claimed - ours) > max(PHANTOM_LEAST, ours * PHANTOM_SHARE) or claimed < 0


def _connections(claimed: float | None, ours: int) -> ReportedMetric | None:
    if claimed is None:
        return None
    differs = counts_differ(claimed, ours)
    text = grouped(claimed) + (f" (ours {grouped(ours)})" if differs else "")
    return ReportedMetric("sockets", text, sign="near" if differs else "ok")


def _process(found: list[dict[str, Any]], resident: float | None) -> Iterable[ReportedMetric | None]:
    cpu = _sum(found, "cpuPercent")
    if cpu is not None:
        share = cpu / 100 / max(1, len(found))
        yield ReportedMetric(
            "cpu", f"{cpu:.0f} %", min(max(share, 0.0), 1.0), "ok" if need_level(share) == "ok" else "near"
        )
    if resident is not None:
        yield ReportedMetric("memory", f"{resident / 2**20:.0f} MiB", sign="ok")
    yield _plain("files", _sum(found, "openFiles"))


def _slow(stats: dict[str, Any] | None) -> ReportedMetric | None:
    """Return what became of clients that read too slowly."""
    closed = _number(_dig(stats, "slowConsumers", "closed")) or 0
    dropped = _number(_dig(stats, "slowConsumers", "dropped")) or 0
    parts = [f"{closed:.0f} closed"] * (closed > 0) + [f"{dropped:.0f} dropped"] * (dropped > 0)
    return ReportedMetric("slow", ", ".join(parts), sign="near") if parts else None


def _plain(name: str, value: float | None) -> ReportedMetric | None:
    return None if value is None else ReportedMetric(name, grouped(value))


def _sum(found: list[dict[str, Any]], name: str) -> float | None:
    values = [value for value in (_number(p.get(name)) for p in found) if value is not None]
    return sum(values) if values else None


def _number(value: Any) -> float | None:
    """A figure, also one that is written as text; None for anything else."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            figure = float(value)
            return figure if math.isfinite(figure) else None
    return None


def _state(value: Any) -> str:
    """Return a status in words, or "" for true and HTTP success codes."""
    if value is False:
        return "down"
    if value is None or value is True or (isinstance(value, (int, float)) and 200 <= value < 300):
        return ""
    return str(value).strip().lower()


def _dig(document: Any, *names: str) -> Any:
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return document
