"""The result as k6 1.x gives it to `handleSummary`: its end-of-test summary, for tools that read that."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from wstui.execution.run.metrics import decided
from wstui.execution.run.result import Result, SuiteResult
from wstui.execution.run.result_figures import counters_in
from wstui.execution.run.result_sections import Latency, ThresholdOutcome
from wstui.execution.run.role_sections import StepSummary
from wstui.report.model.labels import peak_clients, runs_of
from wstui.scenario.threshold import parse_limit

_STATISTIC = re.compile(r"\.(p\d+(?:\.\d+)?|mean|max|min)$")
_CHECK = "connection is ready"


def render(result: Result | SuiteResult) -> str:
    """Return the summary as JSON, of a suite as an array. Metrics that k6 has carry its names; ours begin with wstui_.

    Times are milliseconds. `checks` is the share of connection attempts that became ready, and an iteration is a
    connection, as it is in most scripts.
    """
    summaries = [_summary(run) for run in runs_of(result)]
    whole: Any = summaries if isinstance(result, SuiteResult) else summaries[0]
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _summary(run: Result) -> dict[str, Any]:
    connections, messages, seconds = run.connections, run.messages, run.duration_s - run.paused_s
    ended = decided(counters_in(run))
    metrics = {
        "iterations": _counter(connections.ready, seconds),
        "ws_sessions": _counter(connections.ready, seconds),
        "ws_msgs_sent": _counter(messages.sent, seconds),
        "ws_msgs_received": _counter(messages.received, seconds),
        "data_sent": _counter(messages.bytes_sent, seconds, "data"),
        "data_received": _counter(messages.bytes_received, seconds, "data"),
        "ws_connecting": _trend(run.latency_ms.connect),
        "wstui_response_time": _trend(run.latency_ms.response),
        "wstui_round_trip": _trend(run.latency_ms.round_trip),
        "wstui_unanswered": _counter(messages.timed_out, seconds),
        "wstui_dropped": _counter(connections.dropped, seconds),
        "checks": {
            "type": "rate",
            "contains": "default",
            "values": {
                "rate": connections.ready / ended if ended else 0,
                "passes": connections.ready,
                "fails": ended - connections.ready,
            },
        },
        "vus": _gauge(peak_clients(run)),
        "vus_max": _gauge(peak_clients(run)),
        **{_tagged(step): _trend(step.response_ms) for step in run.steps if step.response_ms.count},
    }
    stages = {stage.name: stage.latency_ms for stage in run.stages}
    for outcome in run.verdict.thresholds:
        name, field, text = _threshold(outcome)
        latency = getattr(stages.get(outcome.stage), field, None) if field else None
        judged = _trend(latency) if latency is not None else _gauge(outcome.value or 0)
        metrics.setdefault(name, judged).setdefault("thresholds", {})[text] = {"ok": outcome.passed is not False}
    checks = metrics["checks"]["values"]
    return {
        "metrics": metrics,
        "root_group": {
            **_named("", ""),
            "groups": [],
            "checks": [{**_named(_CHECK, f"::{_CHECK}"), "passes": checks["passes"], "fails": checks["fails"]}],
        },
        "options": {"summaryTrendStats": list(_trend(Latency())["values"]), "summaryTimeUnit": "ms", "noColor": True},
        "state": {"testRunDurationMs": run.duration_s * 1000, "isStdErrTTY": False, "isStdOutTTY": False},
    }


def _named(name: str, path: str) -> dict[str, str]:
    return {"name": name, "path": path, "id": hashlib.md5(path.encode(), usedforsecurity=False).hexdigest()}


def _tagged(step: StepSummary) -> str:
    """Return the name of a step's trend, with what tells it from others as k6 writes tags."""
    tags = {"role": step.role, "step": step.name, "kind": "" if step.kind == "step" else step.kind}
    return f"wstui_step{{{','.join(f'{name}:{value}' for name, value in tags.items() if value)}}}"


def _counter(count: float, seconds: float, contains: str = "default") -> dict[str, Any]:
    values = {"count": count, "rate": count / seconds if seconds > 0 else 0}
    return {"type": "counter", "contains": contains, "values": values}


def _gauge(value: float) -> dict[str, Any]:
    return {"type": "gauge", "contains": "default", "values": dict.fromkeys(("value", "min", "max"), value)}


def _trend(latency: Latency) -> dict[str, Any]:
    values = {
        "avg": latency.mean,
        "min": latency.min,
        "med": latency.p50,
        "max": latency.max,
        "p(90)": latency.p90,
        "p(95)": latency.p95,
        "p(99)": latency.p99,
        "count": latency.count,
    }
    return {"type": "trend", "contains": "time", "values": {name: value or 0 for name, value in values.items()}}


def _threshold(outcome: ThresholdOutcome) -> tuple[str, str, str]:
    """Return the metric that a threshold belongs to in k6's terms, the field of its latency or "", and its text there.

    The number is in the unit of the metric, as in k6, whose thresholds have none.
    """
    families = {
        "response": ("wstui_response_time", "response"),
        "roundtrip": ("wstui_round_trip", "round_trip"),
        "connect": ("ws_connecting", "connect"),
    }
    limit = parse_limit(outcome.limit)
    bound = f"{limit.op}{limit.value:.15g}"
    found = _STATISTIC.search(outcome.metric)
    family = outcome.metric[: found.start()] if found else ""
    if found is None or family not in families:
        return f"wstui_{outcome.metric.replace('.', '_')}", "", f"value{bound}"
    statistic = found[1]
    in_k6 = {"mean": "avg"}.get(statistic, f"p({statistic[1:]})" if statistic[0] == "p" else statistic)
    tag = f"{{stage:{outcome.stage}}}" if outcome.stage else ""
    name, field = families[family]
    return name + tag, field, f"{in_k6}{bound}"
