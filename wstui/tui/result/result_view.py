"""What a run measured: the table of latencies, the counts, its stages, and the failures by kind."""

from __future__ import annotations

from wstui.execution.run.result import Result
from wstui.execution.run.result_sections import Latency
from wstui.tui.kit.format import clean, count, ms, pad, percent, rate, short, size, stamp, wrap
from wstui.tui.kit.row_widget import Line, rule

_STATISTICS = ("count", "mean", "min", "p50", "p90", "p95", "p99", "p999", "max")
_HEADS = ("count", "mean", "min", "p50", "p90", "p95", "p99", "p99.9", "max")
_FAILURES = 20


def latency_rows(result: Result, width: int) -> list[Line]:
    """Response time, round trip and connect time by quantile."""
    wide = 7 if width < 96 else 9
    lines = [rule([("latency ms", "text")], width)]
    lines.append([(" " + pad("", 13), "muted"), *((pad(head, wide, right=True), "muted") for head in _HEADS)])
    latency = result.latency_ms
    named = [("response time", latency.response), ("round trip", latency.round_trip), ("connect", latency.connect)]
    if latency.reconnect.count:
        named.append(("reconnect", latency.reconnect))
    for name, shown in named:
        lines.append([(" " + pad(name, 13), "text"), *_quantiles(shown, wide)])
    return lines


def _quantiles(latency: Latency, wide: int) -> Line:
    line: Line = []
    for statistic in _STATISTICS:
        value = getattr(latency, statistic)
        text = rate(value) if statistic == "count" else ms(value)
        strong = statistic in ("p50", "p95", "p99") and value is not None
        line.append((pad(text, wide, right=True), "strong" if strong else "muted" if value is None else "text"))
    return line


def count_rows(result: Result, width: int) -> list[Line]:
    lines = [rule([("what happened", "text")], width)]
    for name, text in _facts(result):
        for index, part in enumerate(wrap(clean(text), width - 15)):
            lines.append([(" " + pad(name if index == 0 else "", 13), "muted"), (part, "text")])
    return lines


def _facts(result: Result) -> list[tuple[str, str]]:
    c, m, g = result.connections, result.messages, result.generator
    endings = [("refused", c.refused), ("timed out", c.timed_out), ("failed", c.failed), ("dropped", c.dropped)]
    endings += [(word, n) for word, n in (("drained", c.drained), ("came back", c.reconnects)) if n]
    facts = [
        (
            "connections",
            f"{count(c.ready)} ready of {count(c.attempted)} attempted ({percent(c.success_rate)} %), "
            + ", ".join(f"{count(number)} {word}" for word, number in endings),
        ),
        (
            "messages",
            f"{count(m.sent)} sent, {count(m.received)} received, {count(m.timed_out)} timed out; "
            f"{rate(m.sent_per_second)}/s and {rate(m.received_per_second)}/s; "
            f"{size(m.bytes_sent)} and {size(m.bytes_received)}",
        ),
    ]
    odd = (
        ("came again", m.duplicates), ("answered nothing", m.unmatched), ("were altered", m.altered),
        ("came too late", m.late), ("were not UTF-8", m.invalid_texts),
    )  # fmt: skip
    if any(number for _, number in odd):
        facts.append(("replies", "▲ " + ", ".join(f"{count(number)} {word}" for word, number in odd if number)))
    if (f := result.fanout) is not None:
        facts.append(
            (
                "fan-out",
                f"{count(f.messages)} broadcasts reached {percent(f.completeness)} % of the clients, "
                f"{count(f.duplicates)} twice; spread p99 {ms(f.spread_ms.p99)} ms, "
                f"delivery p99 {ms(f.delivery_ms.p99)} ms",
            )
        )
    facts += [
        (
            kind.kind.replace("_", " "),
            f"{count(kind.correct)} of {count(kind.attempted)} as expected ({kind.expected}): "
            f"{count(kind.ready)} let in, {count(kind.refused)} refused, {count(kind.other)} otherwise",
        )
        for kind in result.auth
    ]
    if (s := result.subscriptions) is not None:
        told = f"{count(s.asked)} asked, {count(s.acknowledged)} acknowledged, {count(s.filter_leaks)} messages leaked"
        facts.append(("subscriptions", told))
    if (r := result.slow_readers) is not None:
        facts.append(("slow readers", f"{count(r.clients)}, of whom the server ended {count(r.closed)}"))
    if (t := result.target) is not None:
        told = f"says of itself: {t.state}"
        if t.troubled:
            told += f"; in trouble in {count(t.troubled)} of {count(t.polls)} looks"
        if t.memory_first_mib is not None and t.memory_last_mib is not None:
            told += f"; memory {short(t.memory_first_mib)} → {short(t.memory_last_mib)} MiB"
        facts += [("target", told), *(("", f"▲ {difference}") for difference in t.differences)]
    limit = f"; limited: {', '.join(g.limited_by)}" if g.limited_by else "; was not the limit"
    facts.append(
        (
            "generator",
            f"{g.workers} worker{'' if g.workers == 1 else 's'}, cpu {percent(g.cpu)} % (max {percent(g.cpu_max)} %), "
            f"{count(g.late_sends)} late sends{limit}",
        )
    )
    return facts + [
        (
            "hosts" if number == 0 else "",
            f"{host.name}: {host.workers} process{'' if host.workers == 1 else 'es'}"
            + (f", {host.workers_lost} lost" if host.workers_lost else "")
            + f", {count(host.ready)} ready, {count(host.sent)} sent, cpu max {percent(host.cpu_max)} %"
            + (f"; lost: {host.lost}" if host.lost else ""),
        )
        for number, host in enumerate(g.hosts)
    ]


def stage_rows(result: Result, width: int) -> list[Line]:
    if not result.stages:
        return []
    heads = ("from", "to", "ready", "sent/s", "recv/s", "p50", "p99", "timed out")
    wide = 8 if width < 96 else 10
    name = max(10, width - 1 - wide * len(heads)) if width < 96 else 18
    lines = [rule([("stages", "text")], width)]
    lines.append([(" " + pad("", name), "muted"), *((pad(head, wide, right=True), "muted") for head in heads)])
    for stage in result.stages:
        texts = (
            stamp(stage.started_s), stamp(stage.ended_s), count(stage.connections.ready),
            rate(stage.messages.sent_per_second), rate(stage.messages.received_per_second),
            ms(stage.latency_ms.response.p50), ms(stage.latency_ms.response.p99), count(stage.messages.timed_out),
        )  # fmt: skip
        line: Line = [(" " + pad(clean(stage.name), name), "text")]
        lines.append([*line, *((pad(text, wide, right=True), "text") for text in texts)])
    return lines


def failure_rows(result: Result, width: int) -> list[Line]:
    """The failures by kind, the most frequent first."""
    total = sum(failure.count for failure in result.failures)
    if not total:
        return [rule([("failures", "text")], width), [(" ✓ ", "strong-ok"), ("none", "text")]]
    lines = [rule([("failures", "text"), (f"  {count(total)}", "strong"), (" by kind", "text")], width)]
    for failure in sorted(result.failures, key=lambda f: -f.count)[:_FAILURES]:
        span = f"{stamp(failure.first_s)} – {stamp(failure.last_s)}"
        own = " (own)" if failure.local else ""
        room = width - 8 - 17 - len(span) - 2
        told = clean(failure.message)
        sample = clean(failure.samples[-1].detail) if failure.samples else ""
        text: Line = [(pad(told, max(4, room)), "text")]
        if width >= 110 and sample:
            message = max(30, room // 2)
            text = [(pad(told, message), "text"), (pad(sample, room - message), "muted")]
        lines.append(
            [
                (pad(count(failure.count), 8, right=True), "text"),
                ("  " + pad(clean(failure.kind) + own, 14) + " ", "bad"),
                *text,
                (f" {span}", "muted"),
            ]
        )
    if len(result.failures) > _FAILURES:
        lines.append([(f" and {len(result.failures) - _FAILURES} further kinds", "muted")])
    return lines
