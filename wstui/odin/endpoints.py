"""/health, /metrics and /stats: what the server says of itself."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from websockets.datastructures import Headers
from websockets.http11 import Response

from wstui.odin.faults import Faults
from wstui.odin.metrics_page import CONTENT_TYPE, exposition
from wstui.odin.negotiation import quality
from wstui.odin.responses import json_response, response
from wstui.odin.stats import Phase, Stats

_LIE = 1.1
_TEXT = ("text/plain", "application/openmetrics-text")


class Endpoints:
    """Answers the requests for the endpoints; `stats` tells the present figures of the whole server."""

    def __init__(self, stats: Callable[[], Stats], faults: Faults, nats_configured: bool) -> None:
        self._stats = stats
        self._faults = faults
        self._nats_configured = nats_configured

    def answer(self, path: str, query: str, headers: Headers) -> Response:
        """The response for `path`; 404 for one that is not offered."""
        if path == "/health":
            content = self.health()
            healthy = content["status"] == "healthy"
            return json_response(HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE, content)
        if path == "/metrics":
            metrics = self.metrics()
            if _wants_prometheus(query, headers):
                return response(HTTPStatus.OK, exposition(metrics, self._stats()).encode(), CONTENT_TYPE)
            return json_response(HTTPStatus.OK, metrics)
        if path == "/stats":
            return json_response(HTTPStatus.OK, self.stats())
        return json_response(HTTPStatus.NOT_FOUND, {"error": "not found"})

    def health(self) -> dict[str, Any]:
        """Whether all is well; degraded while NATS is gone. A server that was given no NATS is not degraded."""
        stats = self._stats()
        degraded = self._nats_configured and not stats.nats_connected
        return {
            "status": "degraded" if degraded else "healthy",
            "uptime": int(stats.uptime),
            "nats": "connected" if stats.nats_connected else "disconnected",
            "websocket": {
                "currentConnections": stats.phases[Phase.OPEN],
                "totalDelivered": stats.delivered,
            },
            "duplicatesDropped": stats.duplicates,
        }

    def metrics(self) -> dict[str, Any]:
        """The counters by their names on the wire; latencies in milliseconds, null before the first."""
        stats, lie = self._stats(), self._faults.lie
        handled = stats.published + stats.received
        known = stats.latency_count > 0
        return {
            "messagesPublished": stats.published,
            "messagesDelivered": int(stats.delivered * _LIE) + 1 if lie else stats.delivered,
            "connectionCount": -1 if lie else stats.phases[Phase.OPEN],
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
        """The processes and everything that is counted, by type and by reason."""
        stats = self._stats()
        content: dict[str, Any] = {
            "processes": stats.processes,
            "connections": {
                **{phase.name.lower(): stats.phases[phase] for phase in Phase},
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


def _wants_prometheus(query: str, headers: Headers) -> bool:
    wanted = parse_qs(query).get("format", [""])[0]
    if wanted:
        return wanted == "prometheus"
    accept = ",".join(headers.get_all("Accept"))
    # Programs that take anything, or both alike, get JSON; one that scrapes asks for text first.
    return max(quality(accept, name) for name in _TEXT) > quality(accept, "application/json")
