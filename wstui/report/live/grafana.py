"""A Grafana dashboard for the live metrics of a run, from Prometheus or from a receiver that got them by OTLP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

from wstui.report.live.live_metric import GrafanaPanel, LiveMetric
from wstui.report.live.metric_table import METRICS

_SOURCE = {"type": "prometheus", "uid": "${source}"}
_OF_JOB = '{job=~"$job"}'
_HIGH, _WIDE = 8, 12


def queries(metric: LiveMetric, panel: GrafanaPanel, *, suffixes: bool = True) -> list[tuple[str, str]]:
    """Return (legend, query) of each line that a panel draws of a metric.

    Without `suffixes` the metrics are called as OTLP does, to which some receivers add no unit and no `_total`.
    """
    labels = re.findall(r"{{(\w+)}}", panel.legend)
    name = metric.exposed if suffixes else metric.name
    if metric.kind == "gauge":
        return [(panel.legend, f"{panel.combine}{_by(labels)} ({name}{_OF_JOB})")]
    if metric.kind == "counter":
        return [(panel.legend, _rate(name, labels))]
    rate = _rate(f"{name}_bucket", ["le", *labels])
    return [
        (f"{panel.legend} p{share * 100:g}".strip(), f"histogram_quantile({share}, {rate})")
        for share in panel.quantiles
    ]


def _rate(name: str, labels: list[str]) -> str:
    return f"sum{_by(labels)} (rate({name}{_OF_JOB}[$__rate_interval]))"


def _by(labels: list[str]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""


def _rows() -> dict[str, dict[str, list[tuple[LiveMetric, GrafanaPanel]]]]:
    rows: dict[str, dict[str, list[tuple[LiveMetric, GrafanaPanel]]]] = {}
    for metric in METRICS:
        if (panel := metric.panel) is not None:
            rows.setdefault(panel.group, {}).setdefault(panel.title, []).append((metric, panel))
    return rows


def _panels(*, suffixes: bool) -> Iterator[dict[str, Any]]:
    """Yield a heading for each group, and below it its panels, two beside each other."""
    number, y = count(1), 0
    for group, panels in _rows().items():
        heading = {"h": 1, "w": 2 * _WIDE, "x": 0, "y": y}
        yield {"id": next(number), "type": "row", "title": group, "collapsed": False, "panels": [], "gridPos": heading}
        y += 1
        for at, (title, drawn) in enumerate(panels.items()):
            lines = [line for metric, panel in drawn for line in queries(metric, panel, suffixes=suffixes)]
            yield {
                "id": next(number),
                "type": "timeseries",
                "title": title,
                "description": ". ".join(dict.fromkeys(metric.told for metric, _ in drawn)),
                "datasource": _SOURCE,
                "gridPos": {"h": _HIGH, "w": _WIDE, "x": at % 2 * _WIDE, "y": y + at // 2 * _HIGH},
                "fieldConfig": {"defaults": {"unit": drawn[0][1].unit, "min": 0}, "overrides": []},
                "options": {"tooltip": {"mode": "multi"}, "legend": {"displayMode": "list", "placement": "bottom"}},
                "targets": [
                    {"refId": chr(65 + index), "expr": query, "legendFormat": legend, "datasource": _SOURCE}
                    for index, (legend, query) in enumerate(lines)
                ],
            }
        y += (len(panels) + 1) // 2 * _HIGH


def dashboard(*, suffixes: bool = True) -> dict[str, Any]:
    """Return the dashboard as Grafana imports it; it asks for a data source of the kind Prometheus."""
    job = {
        "name": "job",
        "type": "query",
        "datasource": _SOURCE,
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
        "panels": list(_panels(suffixes=suffixes)),
    }
