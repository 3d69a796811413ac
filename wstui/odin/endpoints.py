"""/health, /metrics and /stats: the server's own figures, as JSON or in the Prometheus text format."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from websockets.datastructures import Headers
from websockets.http11 import Response

from wstui.odin.faults import Faults
from wstui.odin.stats import ConnectionPhase, Stats

_LIE = 1.1
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
_SCRAPED = ("text/plain", "application/openmetrics-text")


class Endpoints:
    """Answers the requests for the endpoints."""

    def __init__(self, stats: Stats, faults: Faults, nats_configured: bool) -> None:
        self._stats = stats
        self._faults = faults
        self._nats_configured = nats_configured

    def answer(self, path: str, query: str, headers: Headers) -> Response:
        """Return the response for `path`; 404 if it is not offered."""
        if path == "/health":
            content = self.health()
            healthy = content["status"] == "healthy"
            return json_response(HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE, content)
        if path == "/metrics":
            metrics = self.metrics()
            if _wants_prometheus(query, headers):
                return _response(HTTPStatus.OK, prometheus_text(metrics, self._stats).encode(), _PROMETHEUS)
            return json_response(HTTPStatus.OK, metrics)
        if path == "/stats":
            return json_response(HTTPStatus.OK, self.stats())
        return json_response(HTTPStatus.NOT_FOUND, {"error": "not found"})

    def health(self) -> dict[str, Any]:
        """Return the state of the server: degraded while a configured NATS is not connected."""
        stats = self._stats
        degraded = self._nats_configured and not stats.nats_connected
        return {
            "status": "degraded" if degraded else "healthy",
            "uptime": int(stats.uptime),
            "nats": "connected" if stats.nats_connected else "disconnected",
            "websocket": {
                "currentConnections": stats.phases[ConnectionPhase.OPEN],
                "totalDelivered": stats.delivered,
            },
            "duplicatesDropped": stats.duplicates,
        }

    def metrics(self) -> dict[str, Any]:
        """Return the counters by their names on the wire; latencies in milliseconds, null before the first."""
        stats, lie = self._stats, self._faults.lie
        handled = stats.published + stats.received
        known = stats.latency_count > 0
        return {
            "messagesPublished": stats.published,
            "messagesDelivered": int(stats.delivered * _LIE) + 1 if lie else stats.delivered,
            "connectionCount": -1 if lie else stats.phases[ConnectionPhase.OPEN],
            "duplicatesDropped": stats.duplicates,
            "reconnectionCount": stats.reconnects,
            "errors": 0 if lie else stats.errors,
            "peakLatency": stats.latency_peak_ms if known else None,
            "averageLatency": stats.latency_sum_ms / stats.latency_count if known else None,
            "errorRate": stats.errors / handled if handled and not lie else 0.0,
            "startTime": stats.started_ms,
            "uptime": round(stats.uptime, 3),
        }

    def stats(self) -> dict[str, Any]:
        """Return the process's figures and every counter, by type and by reason."""
        stats = self._stats
        content: dict[str, Any] = {
            "processes": [stats.process],
            "connections": {
                **{phase.name.lower(): stats.phases[phase] for phase in ConnectionPhase},
                "accepted": stats.accepted,
                "opened": stats.opened,
                "deadPeers": stats.dead_peers,
                "closeTimeouts": stats.close_timeouts,
            },
            "messages": {
                "received": stats.received,
                "receivedByType": {"ping": stats.pongs, **stats.received_by_type},
                "published": stats.published,
                "publishedByType": stats.published_by_type,
                "delivered": stats.delivered,
                "malformed": stats.malformed,
                "unreadable": stats.unreadable,
                "duplicates": stats.duplicates,
            },
            "refused": stats.refused,
            "ejected": stats.ejected,
            "slowConsumers": {"dropped": stats.dropped_slow, "closed": stats.closed_slow},
        }
        if self._faults.active:
            content["faults"] = self._faults.active
        return content


def prometheus_text(metrics: Mapping[str, Any], stats: Stats) -> str:
    """Return all families: what /metrics has too is taken from `metrics`, the rest from `stats`."""
    states = {phase.name.lower(): stats.phases[phase] for phase in list(ConnectionPhase)[:-1]}  # without "closed"
    states["open"] = metrics["connectionCount"]
    families: tuple[tuple[str, str, float | tuple[str, Mapping[str, float]] | None], ...] = (
        ("messages_published_total", "Messages from NATS.", metrics["messagesPublished"]),
        ("messages_delivered_total", "Messages to clients.", metrics["messagesDelivered"]),
        ("messages_received_total", "Messages of clients.", stats.received),
        ("messages_by_type_total", "From NATS by type.", ("type", stats.published_by_type)),
        ("connections", "Connections by state.", ("state", states)),
        ("refused_total", "Refused upgrades by reason.", ("reason", stats.refused)),
        ("ejected_total", "Clients the server closed.", ("reason", stats.ejected)),
        ("duplicates_dropped_total", "Messages seen before.", metrics["duplicatesDropped"]),
        ("slow_consumer_drops_total", "Dropped for slow clients.", stats.dropped_slow),
        ("nats_connected", "Whether NATS is connected.", int(stats.nats_connected)),
        ("nats_reconnects_total", "Reconnections to NATS.", metrics["reconnectionCount"]),
        ("errors_total", "Errors of the server.", metrics["errors"]),
        ("relay_latency_peak_ms", "Age of the oldest message relayed.", metrics["peakLatency"]),
        ("relay_latency_average_ms", "Mean age of messages.", metrics["averageLatency"]),
        ("uptime_seconds", "Seconds since the start.", metrics["uptime"]),
        ("resident_memory_bytes", "Resident memory.", stats.process.get("rssBytes") or 0),
    )
    lines = []
    for name, text, value in families:
        kind = "counter" if name.endswith("_total") else "gauge"
        lines += [f"# HELP odin_{name} {text}", f"# TYPE odin_{name} {kind}"]
        if isinstance(value, tuple):
            label, values = value
            lines += [f'odin_{name}{{{label}="{_escaped(of)}"}} {count}' for of, count in values.items()]
        elif value is not None:
            lines.append(f"odin_{name} {value}")
    return "\n".join(lines) + "\n"


def json_response(status: HTTPStatus, content: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with `content` as JSON, after which the connection is closed."""
    return _response(status, json.dumps(content).encode(), "application/json", headers)


def _response(status: HTTPStatus, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> Response:
    every = {
        **(headers or {}),
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "Connection": "close",
    }
    return Response(status.value, status.phrase, Headers(every), body)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _wants_prometheus(query: str, headers: Headers) -> bool:
    wanted = parse_qs(query).get("format", [""])[0]
    if wanted:
        return wanted == "prometheus"
    accept = ",".join(headers.get_all("Accept"))
    # A program that accepts anything gets JSON; a scraper prefers text.
    return max(_quality(accept, name) for name in _SCRAPED) > _quality(accept, "application/json")


def _quality(accept: str, media_type: str) -> float:
    """Return the weight, 0 to 1, of the most specific range in `accept` that matches (RFC 9110, 12.5.1).

    Without any range every type is accepted. Parameters other than the weight are ignored.
    """
    family = media_type.partition("/")[0]
    found: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name:
            found[name] = max(found.get(name, 0.0), _weight(parameters))
    if not found:
        return 1.0
    return next((found[name] for name in (media_type, f"{family}/*", "*/*") if name in found), 0.0)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            with contextlib.suppress(ValueError):
                return min(1.0, max(0.0, float(value)))
            return 0.0
    return 1.0
