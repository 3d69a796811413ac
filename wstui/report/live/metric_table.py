"""The table of live metrics: Prometheus, remote write, OpenTelemetry and the Grafana dashboard are made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wstui.execution.run.status import HostStatus
from wstui.report.live import live_metric as readers
from wstui.report.live.live_metric import GrafanaPanel, LiveMetric

_STEP = ("role", "step", "kind")
_CONNECTS = GrafanaPanel("Connections", "Connects by outcome", "cps", "{{outcome}}")
_FAILURES = GrafanaPanel("Connections", "Failures", "cps", "{{kind}}")
_MESSAGES = GrafanaPanel("Messages", "Messages", "mps", "sent")
_BYTES = GrafanaPanel("Messages", "Bytes", "Bps", "sent")
_REPLIES = GrafanaPanel("Messages", "Replies by outcome", "rps", "{{outcome}}")


def _distribution(name: str, told: str, group: str, title: str) -> LiveMetric:
    """Return the row of a distribution that a panel of its own draws."""
    panel = GrafanaPanel(group, title, "s", "")
    return LiveMetric(f"wstui_{name.replace('.', '_')}", told, "histogram", readers.distribution(name), panel=panel)


def _counter(name: str, told: str, field: str, panel: GrafanaPanel, legend: str = "") -> LiveMetric:
    """Return the row of a field of the counters: a line, with a legend of its own, of a panel that others share."""
    read = readers.number(lambda status: getattr(status.counters, field))
    return LiveMetric(f"wstui_{name}", told, "counter", read, panel=replace(panel, legend=legend or panel.legend))


def _host(
    name: str, told: str, read: Callable[[HostStatus], float | None], title: str, unit: str, combine: str = "max"
) -> LiveMetric:
    """Return the row of a figure of each machine that makes load."""
    panel = GrafanaPanel("Hosts", title, unit, "{{host}}", combine)
    return LiveMetric(f"wstui_host_{name}", told, "gauge", readers.each_host(read), ("host",), panel)


METRICS: tuple[LiveMetric, ...] = (
    LiveMetric(
        "wstui_run_info", "The run that goes on", "gauge", readers.run_info, ("scenario", "url", "state", "stage")
    ),
    LiveMetric("wstui_run_elapsed_seconds", "Time since the start", "gauge", readers.number(lambda s: s.elapsed_s)),
    LiveMetric("wstui_run_plan_seconds", "The plan's clock", "gauge", readers.number(lambda s: s.plan_s)),
    LiveMetric("wstui_run_plan_total_seconds", "Length of the plan", "gauge", readers.number(lambda s: s.plan_total_s)),
    LiveMetric(
        "wstui_clients",
        "Clients by state",
        "gauge",
        readers.counts("wanted", "opening", "open", "closing"),
        ("state",),
        GrafanaPanel("Connections", "Clients", "none", "{{state}}"),
    ),
    _counter("connects_attempted", "Connections tried", "attempted", _CONNECTS, "attempted"),
    LiveMetric(
        "wstui_connects",
        "Connections by outcome",
        "counter",
        readers.counts("ready", "refused", "timed_out", "failed", "drained"),
        ("outcome",),
        _CONNECTS,
    ),
    _distribution("connect", "From the first attempt until ready", "Connections", "Time to connect"),
    _distribution("reconnect", "From a drop until ready again", "Connections", "Time to reconnect"),
    LiveMetric("wstui_failures", "Failures by kind", "counter", readers.failures, ("kind", "local"), _FAILURES),
    _counter("connections_dropped", "Ready clients that the other side ended", "dropped", _FAILURES, "dropped"),
    _counter("messages_sent", "Messages sent", "sent", _MESSAGES),
    _counter("messages_received", "Messages received", "received", _MESSAGES, "received"),
    LiveMetric(
        "wstui_messages_received_by_type",
        "Messages received by type",
        "counter",
        readers.types,
        ("type",),
        GrafanaPanel("Messages", "Messages received by type", "mps", "{{type}}"),
    ),
    _counter("bytes_sent", "Bytes of payload sent", "bytes_sent", _BYTES),
    _counter("bytes_received", "Bytes of payload received", "bytes_received", _BYTES, "received"),
    _distribution("response", "From the intended send to the reply", "Messages", "Response time"),
    _distribution("round_trip", "From the actual write to the reply", "Messages", "Round trip"),
    LiveMetric(
        "wstui_response_quantile_seconds",
        "Response time over the whole run",
        "gauge",
        lambda s: readers.quantiles(s.result.latency_ms.response),
        ("quantile",),
    ),
    LiveMetric(
        "wstui_replies",
        "Replies by what became of them",
        "counter",
        readers.counts("matched", "late", "unmatched", timed_out="reply_timeouts", duplicate="duplicates"),
        ("outcome",),
        _REPLIES,
    ),
    _counter("replies_altered", "Of the unmatched replies: not what was sent", "altered", _REPLIES, "altered"),
    _distribution("delivery", "From publishing to the receipt of a broadcast", "Messages", "Delivery"),
    _distribution(
        "fanout.spread", "From the first receipt of a broadcast to each other", "Messages", "Spread of a broadcast"
    ),
    LiveMetric(
        "wstui_sequence",
        "Numbered messages by what was found",
        "counter",
        readers.sequence,
        ("finding",),
        GrafanaPanel("Messages", "Numbered messages", "mps", "{{finding}}"),
    ),
    LiveMetric(
        "wstui_rounds",
        "Rounds of a role by outcome",
        "counter",
        readers.rounds,
        ("role", "outcome"),
        GrafanaPanel("Steps", "Rounds by outcome", "ops", "{{role}} {{outcome}}"),
    ),
    LiveMetric(
        "wstui_steps",
        "Steps of roles by outcome",
        "counter",
        readers.each_step(readers.step_outcomes),
        (*_STEP, "outcome"),
        GrafanaPanel("Steps", "Steps by outcome", "ops", "{{role}} {{step}} {{outcome}}"),
    ),
    LiveMetric(
        "wstui_step_response",
        "From when a step was due to its answer",
        "histogram",
        readers.each_step(readers.step_response),
        _STEP,
        GrafanaPanel("Steps", "Steps: response time", "s", "{{role}} {{step}}", quantiles=(0.95,)),
    ),
    LiveMetric(
        "wstui_step_response_quantile_seconds",
        "From when a step was due to its answer",
        "gauge",
        readers.each_step(lambda step, _: readers.quantiles(step.response_ms)),
        (*_STEP, "quantile"),
    ),
    LiveMetric(
        "wstui_threshold_kept",
        "1 while kept, 0 while broken",
        "gauge",
        readers.thresholds,
        ("metric", "limit", "stage"),
        GrafanaPanel("Verdict", "Thresholds: 1 kept, 0 broken", "none", "{{metric}} {{limit}} {{stage}}", "min"),
    ),
    LiveMetric(
        "wstui_generator_limited",
        "1 when it limits the run",
        "gauge",
        readers.number(lambda s: float(bool(s.generator.limited_by))),
        panel=GrafanaPanel("Verdict", "The generator limits the run: 1", "none", "limited", "max"),
    ),
    LiveMetric(
        "wstui_generator_cpu_ratio",
        "Share of a core, busiest worker",
        "gauge",
        readers.number(lambda s: s.generator.cpu),
        panel=GrafanaPanel("Generator", "CPU of the busiest worker", "percentunit", "CPU", "max"),
    ),
    LiveMetric(
        "wstui_generator_loop_lag_seconds",
        "Loop lag, worst worker",
        "gauge",
        readers.number(lambda s: s.generator.loop_lag_ms / 1000),
        panel=GrafanaPanel("Generator", "Loop lag of the worst worker", "s", "lag", "max"),
    ),
    LiveMetric(
        "wstui_generator_late_sends",
        "Messages sent too late by this generator",
        "counter",
        readers.number(lambda s: s.generator.late_sends),
        panel=GrafanaPanel("Generator", "Messages sent late", "mps", "late"),
    ),
    LiveMetric(
        "wstui_generator_open_files",
        "Open files",
        "gauge",
        readers.number(lambda s: s.generator.files),
        panel=GrafanaPanel("Generator", "Open files", "none", "files"),
    ),
    LiveMetric(
        "wstui_generator_workers",
        "Workers",
        "gauge",
        readers.own_workers,
        ("state",),
        GrafanaPanel("Generator", "Workers", "none", "{{state}}"),
    ),
    LiveMetric(
        "wstui_host_state",
        "1 for how a host is",
        "gauge",
        readers.host_states,
        ("host", "state"),
        GrafanaPanel("Hosts", "State of each host", "none", "{{host}} {{state}}", "max"),
    ),
    LiveMetric(
        "wstui_host_workers",
        "Workers of a host",
        "gauge",
        readers.host_workers,
        ("host", "state"),
        GrafanaPanel("Hosts", "Workers of each host", "none", "{{host}} {{state}}"),
    ),
    _host("clients", "Open clients of a host", lambda host: host.clients, "Clients of each host", "none", "sum"),
    _host(
        "cpu_ratio",
        "Share of a core, busiest worker of a host",
        lambda host: host.cpu,
        "CPU of each host's busiest worker",
        "percentunit",
    ),
    _host(
        "loop_lag_seconds",
        "Loop lag, worst worker of a host",
        lambda host: host.loop_lag_ms / 1000,
        "Loop lag of each host's worst worker",
        "s",
    ),
    _host(
        "silent_seconds",
        "Since the last word of a worker of a host",
        lambda host: host.age_s,
        "Silence of each host",
        "s",
    ),
    _host(
        "round_trip_seconds",
        "From a command to its acknowledgement",
        lambda host: None if host.round_trip_ms is None else host.round_trip_ms / 1000,
        "Command to acknowledgement",
        "s",
    ),
)
"""Every live metric, in the order in which they are shown."""
