"""What the tiles read: pure functions from the picture of a run to the faces of its tiles."""

from __future__ import annotations

from wstui.execution.result import ThresholdOutcome
from wstui.execution.status import Status
from wstui.tui.history import History
from wstui.tui.widgets.figures import count, fitting, ms, percent, rate, short, size
from wstui.tui.widgets.limits import limit_ms, limit_words, worst
from wstui.tui.widgets.tile import Face

_LATENCIES = {
    "p50": "response_p50_ms",
    "p95": "response_p95_ms",
    "p99": "response_p99_ms",
    "mean": "response_mean_ms",
    "max": "response_max_ms",
}


def connections(status: Status, history: History) -> Face:
    """How many are open of how many wanted."""
    counters = status.counters
    wanted = max(status.target_clients, counters.wanted)
    details = [f"{count(counters.opening)} opening"]
    # The words and counts of the result.
    losses = {"refused": counters.refused, "timed out": counters.timed_out, "failed": counters.failed}
    details += [
        f"{short(number)} {word}" for word, number in (losses | {"dropped": counters.dropped}).items() if number
    ]
    return Face(
        "connections",
        fitting(counters.open, 9),
        f"/ {fitting(wanted, 9)}",
        (" · ".join(details), " · ".join(details[:2]), details[0]),
        worst(status.thresholds, "connect."),
        history.highs("open"),
        float(wanted),
    )


def messages(status: Status, history: History) -> Face:
    """Messages per second, both ways."""
    sent, received = history.latest("sent_per_s"), history.latest("received_per_s")
    total = None if sent is None or received is None else sent + received
    row = status.rows[-1] if status.rows else None
    volume = f" · {size(row.bytes_sent_per_s + row.bytes_received_per_s)}/s" if row else ""
    ways = f"↑ {rate(sent)}  ↓ {rate(received)}"
    return Face(
        "messages",
        rate(total),
        "msg/s",
        (ways + volume, ways, f"↑ {rate(sent)}"),
        worst(status.thresholds, "messages.", "fanout."),
        [a + b for a, b in zip(history.highs("sent_per_s"), history.highs("received_per_s"), strict=True)],
    )


def latency_limit(status: Status) -> tuple[str, ThresholdOutcome] | None:
    """The limit on response time that is most used up, and the figure it is about ("p99", "mean", …)."""
    limits = [
        (o.metric.removeprefix("response."), o)
        for o in status.thresholds
        if o.metric.startswith("response.") and limit_ms(o) is not None
    ]
    return max(limits, key=lambda pair: pair[1].used or 0.0, default=None)


def limit_of(outcome: ThresholdOutcome) -> str:
    """What a limit allows, without its sign; milliseconds without their unit."""
    return limit_words(outcome.limit).lstrip("<=≤ ").removesuffix(" ms")


def latency(status: Status, history: History) -> Face:
    """The response time of the last second: the figure that a limit is about, or p99."""
    if status.scenario.messages.exchange == "listen":
        return Face(
            "connect p95",
            ms(history.latest("connect_p95_ms")),
            "ms",
            ("listens only: no replies", "listens only"),
            worst(status.thresholds, "connect."),
            history.highs("connect_p95_ms"),
        )
    limit = latency_limit(status)
    about = limit[0] if limit and limit[0] in _LATENCIES else "p99"
    others = [name for name in ("p50", "p95", "p99") if name != about][:2]
    values = [(name, history.latest(_LATENCIES[name])) for name in others]
    details = " · ".join(f"{name} {ms(value)}" for name, value in values)
    tail = f" · limit {limit_of(limit[1])}" if limit and limit[0] == about else ""
    shown: tuple[str, ...] = (details + tail, details, details.replace(" ·", ""), f"{values[0][0]} {ms(values[0][1])}")
    if limit and limit[1].passed is False:  # the figure is that of the last second, the mark that of the whole run
        whole = f"{'' if limit[0] == about else f'{limit[0]} '}{ms(limit[1].value)}"
        shown = (f"whole run {whole} · limit {limit_of(limit[1])}", f"whole run {whole}", *shown)
    return Face(
        f"latency {about}",
        ms(history.latest(_LATENCIES[about])),
        "ms",
        shown,
        worst(status.thresholds, "response.", "roundtrip."),
        history.highs(_LATENCIES[about]),
    )


def errors(status: Status, history: History) -> Face:
    """How many failures, their share, and whether they grow."""
    column = history.column("failures_per_s")
    now, before = column[-5:], column[-15:-5]
    recent = sum(now) / len(now) if now else 0.0
    rising = bool(before) and recent > 1.5 * (sum(before) / len(before)) and recent > 0
    limit = next((o for o in status.thresholds if o.metric == "failures.rate"), None)
    mark = worst(status.thresholds, "failures.", "messages.timed_out")
    if mark in ("", "ok") and recent > 0:
        mark = "near"
    word = (
        f"{rate(recent)}/s, rising"
        if rising
        else f"{rate(recent)}/s"
        if recent
        else "none now"
        if status.failures_total
        else "none"
    )
    tail = f" · limit {limit_of(limit)}" if limit else ""
    return Face(
        "errors",
        fitting(status.failures_total, 9),
        f"{percent(status.failure_rate)} %" if status.failures_total else "",
        (word + tail, word),
        mark,
        history.highs("failures_per_s"),
        1.0,
    )


def generator(status: Status, history: History) -> Face:
    """Whether this box keeps up."""
    own = status.generator
    mark = "bad" if own.limited_by else worst(status.thresholds, "generator.") or "ok"
    if not own.shards:
        mark = ""
    elif mark == "ok" and own.cpu >= 0.85:
        mark = "near"
    late = f"{percent(own.late_share)} % sends late" if own.late_sends else "sends on time"
    return Face(
        "this generator",
        percent(own.cpu) if own.shards else "n/a",
        "% cpu",
        (f"loop lag {ms(own.loop_lag_ms)} ms · {late}", f"loop lag {ms(own.loop_lag_ms)} ms"),
        mark,
        history.highs("cpu"),
        1.0,
    )
