"""/health, /metrics and /stats: what the server says of itself, as JSON or as Prometheus text."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import psutil
from websockets.datastructures import Headers
from websockets.http11 import Response

from wstui.odin.admission import json_response
from wstui.odin.faults import Faults
from wstui.odin.stats import Stats

_PROCESS_EVERY_S = 0.5
_LIE = 1.1


@dataclass(frozen=True, slots=True)
class Now:
    """What is true at this moment and counted nowhere: connections by state, and the line to NATS."""

    handshaking: int
    open: int
    closing: int
    closed: int
    nats_configured: bool
    nats_connected: bool


class Endpoints:
    """Answers the requests for the endpoints; `now` tells the present state."""

    def __init__(self, stats: Stats, faults: Faults, now: Callable[[], Now]) -> None:
        self._stats = stats
        self._faults = faults
        self._now = now
        self._process = psutil.Process()
        self._process.cpu_percent()
        self._process_at = 0.0
        self._process_figures: dict[str, Any] = {}

    def answer(self, path: str, query: str, headers: Headers) -> Response:
        """The response for `path`; 404 for one that is not offered."""
        if path == "/health":
            content = self.health()
            healthy = content["status"] == "healthy"
            return json_response(HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE, content)
        if path == "/metrics":
            if _wants_prometheus(query, headers):
                return _text_response(self.prometheus())
            return json_response(HTTPStatus.OK, self.metrics())
        if path == "/stats":
            return json_response(HTTPStatus.OK, self.stats())
        return json_response(HTTPStatus.NOT_FOUND, {"error": "not found"})

    def health(self) -> dict[str, Any]:
        """Whether all is well; degraded while NATS is gone."""
        now = self._now()
        degraded = now.nats_configured and not now.nats_connected
        return {
            "status": "degraded" if degraded else "healthy",
            "uptime": int(self._stats.uptime),
            "nats": "connected" if now.nats_connected else "disconnected",
            "websocket": {"currentConnections": now.open, "totalDelivered": self._stats.delivered},
            "duplicatesDropped": self._stats.duplicates,
        }

    def metrics(self) -> dict[str, Any]:
        """The counters by their names on the wire; latencies in milliseconds, null before the first."""
        stats = self._stats
        factor = _LIE if self._faults.lie else 1.0
        handled = stats.published + stats.received
        return {
            "messagesPublished": stats.published,
            "messagesDelivered": int(stats.delivered * factor),
            "connectionCount": -1 if self._faults.lie else self._now().open,
            "duplicatesDropped": stats.duplicates,
            "reconnectionCount": stats.reconnects,
            "errors": 0 if self._faults.lie else stats.errors,
            "peakLatency": stats.latency_peak_ms if stats.latency_count else None,
            "averageLatency": stats.latency_sum_ms / stats.latency_count if stats.latency_count else None,
            "errorRate": stats.errors / handled if handled else 0.0,
            "startTime": stats.started_ms,
            "uptime": round(stats.uptime, 3),
        }

    def stats(self) -> dict[str, Any]:
        """The process and everything that is counted, by type and by reason."""
        stats, now = self._stats, self._now()
        content: dict[str, Any] = {
            "process": self._figures(),
            "connections": {
                "handshaking": now.handshaking,
                "open": now.open,
                "closing": now.closing,
                "accepted": stats.accepted,
                "opened": stats.opened,
                "closed": now.closed,
                "deadPeers": stats.dead_peers,
                "closeTimeouts": stats.close_timeouts,
            },
            "messages": {
                "received": stats.received,
                "receivedByType": {"ping": stats.pongs, **stats.received_by_type},
                "publishedByType": dict(stats.published_by_type),
                "delivered": stats.delivered,
                "malformed": stats.malformed,
                "unreadable": stats.unreadable,
                "duplicates": stats.duplicates,
            },
            "refused": dict(stats.refused),
            "ejected": dict(stats.ejected),
            "slowConsumers": {"dropped": stats.dropped_slow, "closed": stats.closed_slow},
        }
        if self._faults.active:
            content["faults"] = self._faults.active
        return content

    def prometheus(self) -> str:
        """The same figures in the Prometheus text format."""
        metrics, stats, now = self.metrics(), self._stats, self._now()
        lines: list[str] = []

        def family(name: str, kind: str, text: str, samples: dict[str, float | None]) -> None:
            lines.append(f"# HELP odin_{name} {text}")
            lines.append(f"# TYPE odin_{name} {kind}")
            lines.extend(f"odin_{name}{labels} {value}" for labels, value in samples.items() if value is not None)

        family("messages_published_total", "counter", "Messages relayed from NATS.", _only(stats.published))
        family(
            "messages_delivered_total",
            "counter",
            "Messages written to clients.",
            _only(metrics["messagesDelivered"]),
        )
        family("messages_received_total", "counter", "Messages of clients.", _only(stats.received))
        family(
            "messages_by_type_total",
            "counter",
            "Messages relayed from NATS by type.",
            _labelled("type", stats.published_by_type),
        )
        family(
            "connections",
            "gauge",
            "Connections by state.",
            {
                '{state="handshaking"}': now.handshaking,
                '{state="open"}': metrics["connectionCount"],
                '{state="closing"}': now.closing,
            },
        )
        family(
            "refused_total",
            "counter",
            "Upgrade requests refused, by reason.",
            _labelled("reason", stats.refused),
        )
        family("ejected_total", "counter", "Clients closed by the server.", _labelled("reason", stats.ejected))
        family("duplicates_dropped_total", "counter", "Messages seen before.", _only(stats.duplicates))
        family(
            "slow_consumer_drops_total",
            "counter",
            "Messages dropped for slow clients.",
            _only(stats.dropped_slow),
        )
        family("nats_connected", "gauge", "Whether NATS is there.", _only(int(now.nats_connected)))
        family("nats_reconnects_total", "counter", "Times NATS came back.", _only(stats.reconnects))
        family("errors_total", "counter", "Errors of the server.", _only(metrics["errors"]))
        family(
            "relay_latency_peak_ms",
            "gauge",
            "Age of the oldest message when it was relayed.",
            _only(metrics["peakLatency"]),
        )
        family("uptime_seconds", "gauge", "Seconds since the start.", _only(metrics["uptime"]))
        family("resident_memory_bytes", "gauge", "Resident memory.", _only(self._figures().get("rssBytes")))
        return "\n".join(lines) + "\n"

    def _figures(self) -> dict[str, Any]:
        now = time.monotonic()
        if now - self._process_at >= _PROCESS_EVERY_S:
            self._process_at = now
            with self._process.oneshot():
                self._process_figures = {
                    "pid": self._process.pid,
                    "cpuPercent": self._process.cpu_percent(),
                    "rssBytes": self._process.memory_info().rss,
                    "openFiles": self._process.num_fds() if psutil.POSIX else None,
                }
        return self._process_figures


def _only(value: float | None) -> dict[str, float | None]:
    return {"": value}


def _labelled(label: str, counts: dict[str, int]) -> dict[str, float | None]:
    return {f'{{{label}="{_escape(name)}"}}': count for name, count in counts.items()}


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _wants_prometheus(query: str, headers: Headers) -> bool:
    wanted = parse_qs(query).get("format", [""])[0]
    if wanted:
        return wanted == "prometheus"
    accept = ",".join(headers.get_all("Accept"))
    return "text/plain" in accept or "application/openmetrics-text" in accept


def _text_response(text: str) -> Response:
    body = text.encode()
    headers = Headers()
    headers["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8"
    headers["Content-Length"] = str(len(body))
    headers["Cache-Control"] = "no-store"
    headers["Connection"] = "close"
    return Response(HTTPStatus.OK.value, HTTPStatus.OK.phrase, headers, body)
