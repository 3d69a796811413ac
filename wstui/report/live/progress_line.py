"""The line that a headless run prints every few seconds."""

from __future__ import annotations

import json
from collections.abc import Iterator

from wstui.execution.run.result_figures import failures
from wstui.execution.run.state import State
from wstui.execution.run.status import Status
from wstui.load.protocol import TraceLine
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


_LONGEST = 1000


class TracePrinter:
    """Writes the lines of the first `clients` of each role: each worker follows that many of its own."""

    def __init__(self, clients: int) -> None:
        self._clients = clients
        self._seen: dict[str, set[int]] = {}

    def lines(self, traced: TraceLine) -> Iterator[str]:
        """Yield a line for the message, and one for each value that it captured."""
        seen = self._seen.setdefault(traced.role, set())
        if traced.client not in seen and len(seen) >= self._clients:
            return
        seen.add(traced.client)
        head = f"{traced.at_ms / 1000:9.3f}s {sanitize(traced.role)} {traced.client}"
        text = sanitize(traced.text, _LONGEST)
        if not traced.received:
            yield f"{head} → " + (f"{sanitize(traced.step)}: {text}" if traced.step else text)
            return
        yield f"{head} ← {text}"
        if traced.step:
            expected = f": {sanitize(traced.expected, _LONGEST)}" if traced.expected else ""
            yield f"{'':10} ✓ {sanitize(traced.step)}{expected}"
        for name, value in traced.captured.items():
            yield f"{'':10} {sanitize(name)} = {sanitize(str(value), _LONGEST)}"


def watched_rows(line: TraceLine, pretty: bool = False) -> list[str]:
    """Return what a watched client did as rows: time, direction, size, text; below it what it matched and captured."""
    head = f"{line.at_ms / 1000:9.3f}s "
    if line.kind == "state":
        return [f"{head}• {sanitize(line.text, _LONGEST)}"]
    kind = f"{line.kind} " if line.kind else ""
    step = f"{sanitize(line.step)}: " if line.step and not line.received else ""
    text = [sanitize(line.text, _LONGEST)]
    if pretty and line.text[:1] in "{[":
        try:
            document = json.loads(line.text)
        except (ValueError, RecursionError):  # or longer than what is kept of it
            pass
        else:
            text = [
                "",
                *(sanitize(row, _LONGEST) for row in json.dumps(document, indent=2, ensure_ascii=False).split("\n")),
            ]
    rows = [f"{head}{'←' if line.received else '→'} {line.size:>6} B  {kind}{step}{text[0]}"]
    rows += [f"{'':12}{row}" for row in text[1:]]
    if line.received and line.step:
        expected = f": {sanitize(line.expected, _LONGEST)}" if line.expected else ""
        rows.append(f"{'':10} ✓ {sanitize(line.step)}{expected}")
    rows += [f"{'':10} {sanitize(name)} = {sanitize(str(value), _LONGEST)}" for name, value in line.captured.items()]
    return rows
