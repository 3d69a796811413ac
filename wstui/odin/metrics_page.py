"""The figures of the server in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wstui.odin.stats import Phase, Stats

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_COUNTER, _GAUGE = "counter", "gauge"


def exposition(metrics: Mapping[str, Any], stats: Stats) -> str:
    """All families: those that /metrics has too take their values from `metrics`, the others from `stats`."""
    states = {phase.name.lower(): stats.phases[phase] for phase in Phase if phase is not Phase.CLOSED}
    states["open"] = metrics["connectionCount"]
    memory = sum(process.get("rssBytes") or 0 for process in stats.processes)
    families = (
        _family("messages_published_total", _COUNTER, "Messages from NATS.", metrics["messagesPublished"]),
        _family("messages_delivered_total", _COUNTER, "Messages to clients.", metrics["messagesDelivered"]),
        _family("messages_received_total", _COUNTER, "Messages of clients.", stats.received),
        _labelled("messages_by_type_total", _COUNTER, "From NATS by type.", "type", stats.published_by_type),
        _labelled("connections", _GAUGE, "Connections by state.", "state", states),
        _labelled("refused_total", _COUNTER, "Refused upgrades by reason.", "reason", stats.refused),
        _labelled("ejected_total", _COUNTER, "Clients the server closed.", "reason", stats.ejected),
        _family("duplicates_dropped_total", _COUNTER, "Messages seen before.", metrics["duplicatesDropped"]),
        _family("slow_consumer_drops_total", _COUNTER, "Dropped for slow clients.", stats.dropped_slow),
        _family("nats_connected", _GAUGE, "Whether NATS is there.", int(stats.nats_connected)),
        _family("nats_reconnects_total", _COUNTER, "Times NATS came back.", metrics["reconnectionCount"]),
        _family("errors_total", _COUNTER, "Errors of the server.", metrics["errors"]),
        _family("relay_latency_peak_ms", _GAUGE, "Oldest message relayed.", metrics["peakLatency"]),
        _family("relay_latency_average_ms", _GAUGE, "Mean age of messages.", metrics["averageLatency"]),
        _family("uptime_seconds", _GAUGE, "Seconds since the start.", metrics["uptime"]),
        _family("resident_memory_bytes", _GAUGE, "Resident memory.", memory),
    )
    return "".join(families)


def _family(name: str, kind: str, text: str, value: float | None) -> str:
    samples = "" if value is None else f"odin_{name} {value}\n"
    return _head(name, kind, text) + samples


def _labelled(name: str, kind: str, text: str, label: str, values: Mapping[str, float]) -> str:
    samples = (f'odin_{name}{{{label}="{_escaped(of)}"}} {value}\n' for of, value in values.items())
    return _head(name, kind, text) + "".join(samples)


def _head(name: str, kind: str, text: str) -> str:
    return f"# HELP odin_{name} {text}\n# TYPE odin_{name} {kind}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
