"""The run as Prometheus metrics, made when they are asked for: `http://127.0.0.1:9464/metrics`."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from threading import Thread
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from wstui.execution.run.host_status import MARKS as HOST_MARKS
from wstui.execution.run.result_sections import Latency
from wstui.execution.run.role_sections import StepSummary
from wstui.execution.run.status import HostStatus, RunView, Status
from wstui.measure.histogram import Distribution
from wstui.measure.sanitize import sanitize

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

DEFAULT_PORT = 9464
LOOPBACK = "127.0.0.1"
MOST_LABELS = 50
"""Most label values for what a server names itself: message types, kinds of failure."""
_NS = 1e9
BOUNDS_S = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0
)  # fmt: skip
DURATIONS = {
    "response": "From the intended send to the reply",
    "round_trip": "From the actual write to the reply",
    "connect": "From the first attempt until ready",
}
"""The distributions that are exported, by their names in a picture."""
STEP_RESPONSE = "From when a step was due to its answer"
_HOST_GAUGES: tuple[tuple[str, str, Callable[[HostStatus], float | None]], ...] = (
    ("wstui_host_clients", "Open clients of a host", lambda host: host.clients),
    ("wstui_host_cpu_ratio", "Share of a core, busiest worker of a host", lambda host: host.cpu),
    ("wstui_host_loop_lag_seconds", "Loop lag, worst worker of a host", lambda host: host.loop_lag_ms / 1000),
    ("wstui_host_silent_seconds", "Since the last word of a worker of a host", lambda host: host.age_s),
    (
        "wstui_host_round_trip_seconds",
        "From a command to its acknowledgement",
        lambda host: None if host.round_trip_ms is None else host.round_trip_ms / 1000,
    ),
)
_OUTCOMES = ("ready", "refused", "timed_out", "failed", "drained")
_REPLIES = {
    "matched": "matched",
    "timed_out": "reply_timeouts",
    "late": "late",
    "duplicate": "duplicates",
    "unmatched": "unmatched",
}


class CannotListen(Exception):
    """The endpoint cannot be opened; the text names the address and what to do."""


class MetricsEndpoint:
    """Serves the metrics of a run over HTTP until it is closed."""

    def __init__(self, run: RunView, host: str = LOOPBACK, port: int = DEFAULT_PORT) -> None:
        """Listen at once, on loopback unless told otherwise; port 0 takes any. Raises CannotListen."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(RunCollector(run))
        self._server: WSGIServer
        self._thread: Thread
        try:
            self._server, self._thread = start_http_server(port, host, registry)
            self._server.set_app(_only_for(host, self._server.get_app()))
        except (OSError, OverflowError) as error:
            told = getattr(error, "strerror", None) or str(error)
            raise CannotListen(f"metrics can't be served on {host}:{port}: {told}; choose another port") from None

    @property
    def url(self) -> str:
        """Return the address of the metrics."""
        host, port = self._server.server_address[:2]
        name = str(host)
        return f"http://{f'[{name}]' if ':' in name else name}:{port}/metrics"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _only_for(bound: str, app: Any) -> Any:
    """Answer only requests whose Host is a loopback name or address, or what the endpoint was bound to.

    A web page can have its own name resolve to 127.0.0.1 (DNS rebinding), but it cannot hide that name.
    """

    def guarded(environ: dict[str, Any], start_response: Any) -> Any:
        host = re.sub(r":\d*$", "", str(environ.get("HTTP_HOST", ""))).strip("[]").rstrip(".").lower()
        if _is_ours(host, bound.lower()):
            return app(environ, start_response)
        start_response("421 Misdirected Request", [("Content-Type", "text/plain")])
        return [b"metrics are served only under the address that they were bound to\n"]

    return guarded


def _is_ours(host: str, bound: str) -> bool:
    if host in ("", "localhost", bound) or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _is_wildcard(bound) and host in (socket.gethostname().lower(), socket.getfqdn().lower())
    return address.is_loopback or _is_wildcard(bound)


def _is_wildcard(bound: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(bound).is_unspecified
    return False


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of "9464", "0.0.0.0:9464" or "[::1]:9464". Raises CannotListen."""
    match = re.fullmatch(r"(?:(?P<host>[^:\[\]]+|\[[0-9a-fA-F:]+\]):)?(?P<port>\d{1,5})", text.strip())
    if match is None or int(match["port"]) > 65535:
        raise CannotListen(f"{text!r} is not an address: write a port, such as 9464, or HOST:PORT")
    return (match["host"] or LOOPBACK).strip("[]"), int(match["port"])


class RunCollector:
    """Turns the picture of a run into metrics each time that somebody asks. It never waits for the run."""

    def __init__(self, run: RunView) -> None:
        self._run = run

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        status = self._run.status
        yield from _state(status)
        yield from _connections(status)
        yield from _messages(status)
        yield from _latency(status)
        yield from _steps(status)
        yield from _sequence(status)
        yield from _thresholds(status)
        yield from _generator(status)
        yield from _hosts(status)


def _state(status: Status) -> Iterator[Metric]:
    stage = next((stage.name for stage in status.stages if stage.current), "")
    info = GaugeMetricFamily("wstui_run_info", "The run that goes on", labels=["scenario", "url", "state", "stage"])
    info.add_metric([sanitize(status.scenario.name), sanitize(status.url), str(status.state), sanitize(stage)], 1)
    yield info
    yield GaugeMetricFamily("wstui_run_elapsed_seconds", "Time since the start", value=status.elapsed_s)
    yield GaugeMetricFamily("wstui_run_plan_seconds", "The plan's clock", value=status.plan_s)
    yield GaugeMetricFamily("wstui_run_plan_total_seconds", "Length of the plan", value=status.plan_total_s)


def _connections(status: Status) -> Iterator[Metric]:
    seen = status.counters
    yield _by("wstui_clients", "Clients by state", "state", _fields(seen, ("wanted", "opening", "open", "closing")))
    yield _total("wstui_connects_attempted", "Connections tried", seen.attempted)
    outcomes = CounterMetricFamily("wstui_connects", "Connections by outcome", labels=["outcome"])
    for name, number in _fields(seen, _OUTCOMES):
        outcomes.add_metric([name], number)
    yield outcomes
    yield _total("wstui_connections_dropped", "Ready clients that the other side ended", seen.dropped)
    failures = CounterMetricFamily("wstui_failures", "Failures by kind", labels=["kind", "local"])
    counts: dict[tuple[str, str], int] = {}
    for group in status.result.failures[:MOST_LABELS]:
        key = (sanitize(group.kind, 60), "true" if group.local else "false")
        counts[key] = counts.get(key, 0) + group.count
    for key, number in counts.items():
        failures.add_metric(list(key), number)
    yield failures


def _messages(status: Status) -> Iterator[Metric]:
    seen = status.counters
    yield _total("wstui_messages_sent", "Messages sent", seen.sent)
    yield _total("wstui_messages_received", "Messages received", seen.received)
    yield _total("wstui_bytes_sent", "Bytes of payload sent", seen.bytes_sent)
    yield _total("wstui_bytes_received", "Bytes of payload received", seen.bytes_received)
    replies = CounterMetricFamily("wstui_replies", "Replies by what became of them", labels=["outcome"])
    for name, field in _REPLIES.items():
        replies.add_metric([name], getattr(seen, field))
    yield replies
    yield _total("wstui_replies_altered", "Of the unmatched replies: not what was sent", seen.altered)
    types = CounterMetricFamily("wstui_messages_received_by_type", "Messages received by type", labels=["type"])
    commonest = sorted(status.result.messages.by_type.items(), key=lambda item: -item[1])
    for kind, number in commonest[:MOST_LABELS]:
        types.add_metric([sanitize(kind, 60)], number)
    yield types


def _latency(status: Status) -> Iterator[Metric]:
    quantiles = GaugeMetricFamily(
        "wstui_response_quantile_seconds", "Response time over the whole run", labels=["quantile"]
    )
    for share, value_ms in _quantiles(status.result.latency_ms.response):
        quantiles.add_metric([share], value_ms / 1000)
    yield quantiles
    for name, told in DURATIONS.items():
        data = status.histograms.get(name)
        if data is not None:
            yield _histogram(f"wstui_{name}_seconds", told, data)


def _histogram(name: str, told: str, histogram: Distribution) -> Metric:
    family = HistogramMetricFamily(name, told)
    _fill(family, [], histogram)
    return family


def _fill(family: HistogramMetricFamily, labels: list[str], histogram: Distribution) -> None:
    buckets = [(f"{bound:g}", histogram.count - histogram.above(round(bound * _NS))) for bound in BOUNDS_S]
    family.add_metric(labels, buckets=[*buckets, ("+Inf", histogram.count)], sum_value=histogram.total / _NS)


def _steps(status: Status) -> Iterator[Metric]:
    """Yield the figures of logins and of the steps of roles, and the rounds of each role."""
    result = status.result
    if not result.roles and not result.steps:
        return
    if result.roles:
        rounds = CounterMetricFamily("wstui_rounds", "Rounds of a role by outcome", labels=["role", "outcome"])
        for role in result.roles[:MOST_LABELS]:
            for outcome in ("completed", "failed", "cut"):
                rounds.add_metric([sanitize(role.name), outcome], getattr(role, outcome))
        yield rounds
    labels = ["role", "step", "kind"]
    outcomes = CounterMetricFamily("wstui_steps", "Steps of roles by outcome", labels=[*labels, "outcome"])
    quantiles = GaugeMetricFamily("wstui_step_response_quantile_seconds", STEP_RESPONSE, labels=[*labels, "quantile"])
    responses = HistogramMetricFamily("wstui_step_response_seconds", STEP_RESPONSE, labels=labels)
    for step in result.steps[:MOST_LABELS]:
        values = step_labels(step)
        for outcome in ("done", "lost", "late", "failed", "abandoned", "duplicates"):
            outcomes.add_metric([*values, outcome], getattr(step, outcome))
        for share, value_ms in _quantiles(step.response_ms):
            quantiles.add_metric([*values, share], value_ms / 1000)
        if (data := status.histograms.get(step.histogram)) is not None:
            _fill(responses, values, data)
    yield from (outcomes, quantiles, responses)


def _sequence(status: Status) -> Iterator[Metric]:
    """Yield what became of numbered messages, where a role follows numbers."""
    seen = status.result.sequence
    if seen is None:
        return
    numbers = CounterMetricFamily("wstui_sequence", "Numbered messages by what was found", labels=["finding"])
    for name in ("received", "gaps", "repeats", "disorder"):
        numbers.add_metric([name], getattr(seen, name))
    yield numbers


def step_labels(step: StepSummary) -> list[str]:
    """Return the labels of a step: role, step, kind."""
    return [sanitize(step.role), sanitize(step.name), step.kind]


def _quantiles(latency: Latency) -> Iterator[tuple[str, float]]:
    named = (("0.5", latency.p50), ("0.95", latency.p95), ("0.99", latency.p99), ("0.999", latency.p999))
    return ((share, value) for share, value in named if value is not None)


def _thresholds(status: Status) -> Iterator[Metric]:
    kept = GaugeMetricFamily(
        "wstui_threshold_kept", "1 while kept, 0 while broken", labels=["metric", "limit", "stage"]
    )
    for outcome in status.thresholds:
        if outcome.passed is not None:
            kept.add_metric([outcome.metric, outcome.limit, sanitize(outcome.stage)], float(outcome.passed))
    yield kept


def _generator(status: Status) -> Iterator[Metric]:
    seen = status.generator
    yield GaugeMetricFamily("wstui_generator_cpu_ratio", "Share of a core, busiest worker", value=seen.cpu)
    yield GaugeMetricFamily("wstui_generator_loop_lag_seconds", "Loop lag, worst worker", value=seen.loop_lag_ms / 1000)
    yield GaugeMetricFamily("wstui_generator_open_files", "Open files", value=seen.files)
    yield GaugeMetricFamily("wstui_generator_limited", "1 when it limits the run", value=float(bool(seen.limited_by)))
    yield _total("wstui_generator_late_sends", "Messages sent too late by this generator", seen.late_sends)
    lost = sum(not worker.alive for worker in seen.workers)
    processes = [("there", len(seen.workers) - lost), ("lost", lost)]
    yield _by("wstui_generator_workers", "Workers", "state", processes)


def _hosts(status: Status) -> Iterator[Metric]:
    """The machines that make the load, where it is not this one."""
    hosts = status.generator.hosts[:MOST_LABELS]
    if not hosts:
        return
    state = GaugeMetricFamily("wstui_host_state", "1 for how a host is", labels=["host", "state"])
    processes = GaugeMetricFamily("wstui_host_workers", "Workers of a host", labels=["host", "state"])
    for host in hosts:
        name = sanitize(host.name)
        for mark in HOST_MARKS:
            state.add_metric([name, mark], float(host.mark == mark))
        processes.add_metric([name, "there"], host.workers - host.workers_lost)
        processes.add_metric([name, "lost"], host.workers_lost)
    yield state
    yield processes
    for metric, told, value in _HOST_GAUGES:
        family = GaugeMetricFamily(metric, told, labels=["host"])
        for host in hosts:
            if (figure := value(host)) is not None:
                family.add_metric([sanitize(host.name)], figure)
        yield family


def _fields(counters: object, names: Iterable[str]) -> list[tuple[str, int]]:
    return [(name, getattr(counters, name)) for name in names]


def _by(name: str, told: str, label: str, values: Iterable[tuple[str, int]]) -> Metric:
    family = GaugeMetricFamily(name, told, labels=[label])
    for value, number in values:
        family.add_metric([value], number)
    return family


def _total(name: str, told: str, value: int) -> Metric:
    return CounterMetricFamily(name, told, value=value)
