"""A Grafana dashboard for the metrics of a run, from Prometheus or from a collector that got them by OTLP.

Both have the same names: an OTLP receiver adds the unit and `_total` as Prometheus's own naming does.
"""

from __future__ import annotations

from typing import Any

_RATE = "[$__rate_interval]"
_QUANTILES = ("0.5", "0.95", "0.99")


def _rate(metric: str, by: str = "") -> str:
    return f'sum{f" by ({by})" if by else ""} (rate({metric}{{job=~"$job"}}{_RATE}))'


def _gauge(metric: str, by: str = "") -> str:
    return f'sum{f" by ({by})" if by else ""} ({metric}{{job=~"$job"}})'


def _quantiles(metric: str) -> list[tuple[str, str]]:
    return [(f"p{float(q) * 100:g}", f"histogram_quantile({q}, {_rate(f'{metric}_bucket', 'le')})") for q in _QUANTILES]


PANELS: tuple[tuple[str, str, list[tuple[str, str]]], ...] = (
    ("Clients", "none", [("{{state}}", _gauge("wstui_clients", "state"))]),
    ("Connects by outcome", "cps", [("{{outcome}}", _rate("wstui_connects_total", "outcome"))]),
    ("Response time", "s", _quantiles("wstui_response_seconds")),
    ("Round trip", "s", _quantiles("wstui_round_trip_seconds")),
    ("Time to connect", "s", _quantiles("wstui_connect_seconds")),
    (
        "Messages",
        "mps",
        [("sent", _rate("wstui_messages_sent_total")), ("received", _rate("wstui_messages_received_total"))],
    ),
    ("Bytes", "Bps", [("sent", _rate("wstui_bytes_sent_total")), ("received", _rate("wstui_bytes_received_total"))]),
    ("Replies by outcome", "rps", [("{{outcome}}", _rate("wstui_replies_total", "outcome"))]),
    (
        "Steps: response time, p95",
        "s",
        [
            (
                "{{role}} {{step}}",
                f"histogram_quantile(0.95, {_rate('wstui_step_response_seconds_bucket', 'le, role, step')})",
            )
        ],
    ),
    ("Steps by outcome", "ops", [("{{step}} {{outcome}}", _rate("wstui_steps_total", "step, outcome"))]),
    (
        "Failures",
        "cps",
        [
            ("{{kind}}", _rate("wstui_failures_total", "kind")),
            ("dropped", _rate("wstui_connections_dropped_total")),
        ],
    ),
    (
        "Thresholds (1 kept, 0 broken)",
        "none",
        [("{{metric}} {{limit}} {{stage}}", 'min by (metric, limit, stage) (wstui_threshold_kept{job=~"$job"})')],
    ),
    (
        "Generator: busiest worker",
        "percentunit",
        [("CPU", 'max (wstui_generator_cpu_ratio{job=~"$job"})'), ("limited", _gauge("wstui_generator_limited"))],
    ),
    (
        "Generator: lag and late sends",
        "s",
        [
            ("loop lag", 'max (wstui_generator_loop_lag_seconds{job=~"$job"})'),
            ("late sends a second", _rate("wstui_generator_late_sends_total")),
        ],
    ),
)
"""Title, unit, and (legend, query) of each panel, in rows of two."""


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it; it asks for a data source of the kind Prometheus."""
    source = {"type": "prometheus", "uid": "${source}"}
    panels = [
        {
            "id": number + 1,
            "type": "timeseries",
            "title": title,
            "datasource": source,
            "gridPos": {"h": 8, "w": 12, "x": number % 2 * 12, "y": number // 2 * 8},
            "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
            "options": {"tooltip": {"mode": "multi"}, "legend": {"displayMode": "list", "placement": "bottom"}},
            "targets": [
                {"refId": chr(65 + index), "expr": query, "legendFormat": legend, "datasource": source}
                for index, (legend, query) in enumerate(queries)
            ],
        }
        for number, (title, unit, queries) in enumerate(PANELS)
    ]
    job = {
        "name": "job",
        "type": "query",
        "datasource": source,
        "query": "label_values(wstui_run_info, job)",
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
        "allValue": ".*",
        "refresh": 2,
    }
    return {
        "title": "wstui",
        "uid": "wstui",
        "tags": ["wstui", "websocket"],
        "schemaVersion": 39,
        "timezone": "browser",
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}, job]},
        "panels": panels,
    }
