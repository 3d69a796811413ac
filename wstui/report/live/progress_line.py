"""The line that a headless run prints every few seconds."""

from __future__ import annotations

from wstui.execution.run.result_figures import failures
from wstui.execution.run.status import State, Status
from wstui.measure import format
from wstui.measure.sanitize import sanitize


def live_line(status: Status) -> str:
    """Return the state of a run in one line."""
    if status.state is State.COOLDOWN and status.suite:
        following = status.suite.names[min(status.suite.index + 1, len(status.suite.names) - 1)]
        left = format.clock(status.suite.cooldown_left_s)
        return f"{_position(status)}cooldown · {sanitize(following, 40)} starts in {left}"
    stage = next((s.name for s in status.stages if s.current), "")
    doing = sanitize(stage, 20) if status.state is State.RUNNING and stage else str(status.state)
    last = status.rows[-1] if status.rows else None
    p99 = status.result.latency_ms.response.p99
    if last is not None and last.response_p99_ms is not None:
        p99 = last.response_p99_ms
    facts = [
        f"{format.clock(status.elapsed_s)}/{format.clock(status.plan_total_s)} {doing}",
        f"{format.count(status.counters.open)}/{format.count(status.counters.wanted)} clients",
        f"out {format.per_second(last.sent_per_s if last else 0)} "
        f"in {format.per_second(last.received_per_s if last else 0)}",
        f"p99 {format.milliseconds(p99)}",
        f"{format.count(failures(status.result))} failed",
    ]
    facts += _search(status)
    if status.awaited:
        facts.append(status.awaited)
    if not status.state.ended:
        facts.append(f"ETA {format.clock(status.plan_total_s - status.plan_s)}")
    facts += [
        f"✗ {sanitize(host.name, 30)} {host.mark}" for host in status.generator.hosts if host.mark in ("stale", "lost")
    ]
    if status.generator.limited_by:
        facts.append(f"▲ generator: {sanitize(status.generator.limited_by[0], 60)}")
    return _position(status) + " · ".join(facts)


def _search(status: Status) -> list[str]:
    """Return the state of the search for a limit."""
    search = status.breakpoint
    if search is None:
        return []
    facts = [f"tries {format.count(search.load)} {search.unit}"] if search.load else []
    if search.low is not None:
        facts.append(f"holds {format.count(search.low)}")
    if search.high is not None:
        facts.append(f"breaks at {format.count(search.high)}")
    return facts


def _position(status: Status) -> str:
    suite = status.suite
    if not suite:
        return ""
    return f"[{suite.index + 1}/{len(suite.names)} {sanitize(suite.names[suite.index], 30)}] "
