"""Findings about connecting and staying connected."""

from __future__ import annotations

from wstui.execution.run.result import Result
from wstui.execution.run.result_sections import FailureSummary
from wstui.measure import format
from wstui.report.analysis.finding import (
    Finding,
    clients_hit,
    column_at,
    counted_in,
    finding_of,
    last_seen,
    mean_of,
    most_frequent,
    remedy,
    stages_between,
    top_failure,
)

BROKEN = ("protocol", "invalid text")
"""Failures after which wstui itself ends the connection."""
SILENT = ("keepalive", "heartbeat")
"""Drops of clients that have heard nothing for too long: wstui itself ends the connection, as a real client would."""


def refusals(result: Result) -> Finding | None:
    seen = result.connections
    refusing = counted_in(result, "refused", lambda f: _is_refusal(f) and f.count <= seen.refused)
    if result.verdict.unreachable or not seen.refused or not refusing or _as_expected(result):
        return None
    began = min(failure.first_s for failure in refusing)
    top = max(refusing, key=lambda failure: failure.count)
    share = format.percentage(seen.refused / seen.attempted)
    hit = f"{format.count(seen.refused)} of {format.count(seen.attempted)} attempts ({share})"
    evidence = f"{hit}: {top_failure(top)}{clients_hit(refusing)}"
    open_then = column_at(result, began, "open")
    clients = f"; {format.count(open_then)} clients were open when it began" if open_then else ""
    if _is_rate_limit(top):
        asked, admitted = (
            mean_of(result, rate, began, last_seen(refusing)) for rate in ("attempted_per_s", "ready_per_s")
        )
        rates = f"; {format.per_second(admitted)} of {format.per_second(asked)} were admitted meanwhile"
        return Finding(
            "rate limit",
            "The server limits how fast clients may connect.",
            evidence + (rates if admitted < 0.98 * asked else ""),
            "Ramp more slowly (--ramp), or raise the limit at the server or its proxy",
            began,
            stages_between(result, began, last_seen(refusing)),
        )
    if advice := on_entry(top):
        return Finding(
            "refusals",
            "The server did not let clients in.",
            evidence,
            remedy(result, top) or advice,
            began,
            stages_between(result, began, last_seen(refusing)),
        )
    return Finding(
        "refusals",
        "The server refused connections.",
        evidence + clients,
        ("" if top.kind == "http 503" else remedy(result, top))
        or "Look at the server's connection limit, listen backlog and open files",
        began,
        stages_between(result, began, last_seen(refusing)),
    )


def _as_expected(result: Result) -> bool:
    """Return whether all who were refused brought a bad token on purpose."""
    expected = sum(row.refused for row in result.auth if row.expected == "out")
    return bool(result.auth) and result.connections.refused == expected


def _is_refusal(failure: FailureSummary) -> bool:
    return not failure.local and (
        failure.kind.startswith("http ") or failure.kind in ("connect", "close 1008", "close 1013")
    )


def on_entry(failure: FailureSummary) -> str:
    """Return what to look at if the server turned the client itself away, and not one connection too many; else ""."""
    kind, _, code = failure.kind.partition(" ")
    if failure.kind in ("http 401", "http 403", "close 4001", "close 1008"):
        return "Is the token valid, and for longer than the run? `wstui check` tells"
    if kind in ("refused", "login"):
        return "Look at what it answered, in the samples: are user, password and token right for every client?"
    if kind == "close" and code.isdigit() and int(code) >= 3000:
        return "The code is one of the server's own: its documentation or log says what it means"
    return ""


def _is_rate_limit(failure: FailureSummary) -> bool:
    return failure.kind in ("http 429", "login 429", "close 1013") or _names_a_rate(failure)


def _names_a_rate(failure: FailureSummary) -> bool:
    words = f"{failure.kind} {failure.message}".lower()
    return "rate limit" in words or "too many" in words


def slow_accept(result: Result) -> Finding | None:
    seen = result.connections
    slow = counted_in(result, "timed_out", lambda f: f.kind == "connect timeout")
    if not seen.timed_out or result.verdict.unreachable or (not slow and proxy(result)):
        return None
    began = min((failure.first_s for failure in slow), default=None)
    connect = result.latency_ms.connect
    top = max(slow, key=lambda failure: failure.count, default=None)
    what = f": {top.message}{clients_hit(slow)}" if top else ""
    # A timeout of a step is told with its name; one of the way in is a "connect timeout".
    in_a_step = top is not None and top.kind == "timeout"
    return Finding(
        "slow accept",
        "Some clients waited for their connection until they gave up.",
        f"{format.count(seen.timed_out)} of {format.count(seen.attempted)} attempts timed out{what}; those "
        f"that came through took p50 {format.milliseconds(connect.p50)}, p99 {format.milliseconds(connect.p99)}",
        "Look at what the server does in this step, or whether it expects something else there: `wstui check`"
        if in_a_step
        else "Look at what the server does on connect, at its accept queue and its CPU",
        began,
        stages_between(result, began, last_seen(slow)),
    )


def unreached(result: Result) -> Finding | None:
    seen = result.connections
    if not seen.unreached or result.verdict.unreachable or result.verdict.aborted or result.breakpoint:
        return None
    return Finding(
        "unreached",
        "Not all planned clients were connected by the end.",
        f"{format.count(seen.unreached)} clients had not begun to connect, or had no answer yet; "
        f"{format.count(seen.attempted)} attempts, {format.count(seen.ready)} ready",
        "Ramp more slowly or hold longer, and look at what the server does on connect",
    )


def proxy(result: Result) -> Finding | None:
    failed = [failure for failure in result.failures if failure.kind == "proxy"]
    if not failed or result.verdict.unreachable:
        return None
    hit = f"{format.count(sum(f.count for f in failed))} of {format.count(result.connections.attempted)} attempts"
    return finding_of(
        result,
        failed,
        "proxy",
        "The proxy gave clients no way to the target.",
        "Look at the proxy's log and limits; --proxy off goes without it",
        evidence=f"{hit}: {max(failed, key=lambda failure: failure.count).message}",
    )


def network(result: Result) -> Finding | None:
    lost = counted_in(result, "failed", lambda f: f.kind in ("network", "reset", "dns", "tls"))
    if not lost or result.verdict.unreachable or not result.connections.failed:
        return None
    total = sum(failure.count for failure in lost)
    return finding_of(
        result,
        lost,
        "network",
        "Connections broke below WebSocket.",
        "Look at proxy, balancer, firewall and connection tracking, and at the listen backlog",
        evidence=f"{format.count(total)} times: {top_failure(max(lost, key=lambda failure: failure.count))}",
    )


def drops(result: Result) -> Finding | None:
    seen = result.connections
    if not seen.dropped:
        return None
    closing = counted_in(result, "dropped", lambda f: f.kind.startswith("close ") and f.count <= seen.dropped)
    closing = closing or counted_in(result, "dropped", lambda f: f.kind in ("reset", "keepalive"))
    closing = [failure for failure in closing if failure.kind not in BROKEN]  # wstui ended these
    if not closing and any(failure.outcome == "dropped" for failure in result.failures):
        return None  # each of them was ended by a limit of our own
    dropped = min(seen.dropped, sum(failure.count for failure in closing)) if closing else seen.dropped
    top = most_frequent(closing, lambda failure: True)
    began = min((failure.first_s for failure in closing), default=None)
    told = f": {top_failure(top)}" if top else ""
    back = f"; {format.count(seen.reconnects)} times one came back" if seen.reconnects else ""
    text, advice = (
        "The server ended connections that were in use.",
        "Look in the server's log at that time: restarts, buffer limits, idle timeouts",
    )
    if top is not None and top.kind in SILENT:
        text = "The server fell silent, and clients gave it up."
        advice = "Look at what keeps the server from sending at that time, and at its heartbeat interval"
    elif top is not None and _names_a_rate(top):
        advice = "It limits what a client may send: send less often (--every), or raise the limit at the server"
    elif top is not None and top.kind == "close 1013":  # "try again later" tells no cause
        advice = "Is it overloaded or restarting then, or do clients send too often for it (--every)?"
    # A client that came back was ready more than once.
    ready = f"{format.count(seen.ready)} {'connections' if seen.reconnects else 'ready clients'}"
    return Finding(
        "drops",
        text,
        f"{format.count(dropped)} of {ready}{told}{clients_hit(closing)}{back}",
        advice,
        began,
        stages_between(result, began, last_seen(closing)),
    )
