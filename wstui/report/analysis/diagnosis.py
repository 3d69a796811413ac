"""What the figures say in words: what limited the run, since when, in which stages, and where to look next.

Each finding names the figures that it rests on. A run in which all is well has none: nothing is said for the sake of
saying something.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from wstui.execution.preflight.advice import for_failure
from wstui.execution.run.result import FailureSummary, Result
from wstui.report.analysis.finding import Finding, stages_between, stages_since
from wstui.report.analysis.latency_rules import slow_responses
from wstui.report.model import format
from wstui.report.model.labels import ramp_rates

MOST = 5
SLOW_RAMP = 0.9
COMPLETE = 0.9995
_BROKEN = ("protocol", "invalid text")


def findings(result: Result) -> list[Finding]:
    """The findings of a run, the one that casts doubt on all others first; empty when all is well."""
    if result.verdict.no_load:
        return [_no_load(result)]
    if not result.connections.attempted and not result.verdict.unreachable:
        return []
    found = [finding for rule in _RULES if (finding := rule(result)) is not None]
    if found and found[0].cause == "generator":
        # What this generator may have caused itself is not held against the server.
        found = [finding for finding in found if finding.cause not in ("latency", "slow ramp", "no replies")]
    return found[:MOST]


def _no_load(result: Result) -> Finding:
    return Finding(
        "no load",
        "No load was made: nothing is said of the target.",
        result.verdict.reason.removeprefix("no load was made: "),
        "Make the run last longer than clients need to be ready and to send once: `wstui presets validate`",
    )


def _generator(result: Result) -> Finding | None:
    seen = result.generator
    local = [failure for failure in result.failures if failure.local]
    if local and all(failure.kind == "too large" for failure in local) and len(seen.limited_by) <= len(local):
        return None  # a limit of the scenario's: said in words of its own
    if not seen.limited_by and not local:
        return None
    reasons = list(seen.limited_by) or [f"{format.count(failure.count)} × {failure.message}" for failure in local]
    began = [event.at_s for event in result.events if event.kind in ("generator", "worker")]
    began += [failure.first_s for failure in local]
    return Finding(
        "generator",
        "This generator was the limit: the figures say little about the server.",
        "; ".join(reasons),
        "End the other programs, or make the load from another machine: less load would hardly help"
        if seen.other_programs
        else "Make less load from here (--scale 0.5) or give it more cores or hosts: `wstui calibrate`",
        min(began, default=None),
        stages_since(result, min(began, default=None)),
    )


def _unreachable(result: Result) -> Finding | None:
    if not result.verdict.unreachable:
        return None
    top = _most(result.failures, lambda failure: not failure.local)
    return Finding(
        "unreachable",
        "No client became ready.",
        _told(top) if top else result.verdict.reason,
        _remedy(result, top) or "`wstui check` tries one client all the way and names what is missing",
    )


def _refusals(result: Result) -> Finding | None:
    seen = result.connections
    refusing = _counted_in(result, "refused", lambda f: _is_refusal(f) and f.count <= seen.refused)
    if result.verdict.unreachable or not seen.refused or not refusing or _as_expected(result):
        return None
    began = min(failure.first_s for failure in refusing)
    top = max(refusing, key=lambda failure: failure.count)
    share = format.percent(seen.refused / seen.attempted)
    hit = f"{format.count(seen.refused)} of {format.count(seen.attempted)} attempts ({share})"
    evidence = f"{hit}: {_told(top)}{_whom(refusing)}"
    open_then = _at(result, began, "open")
    clients = f"; {format.count(open_then)} clients were open when it began" if open_then else ""
    if _is_rate_limit(top):
        asked, admitted = (_mean(result, rate, began, _last(refusing)) for rate in ("attempted_per_s", "ready_per_s"))
        rates = f"; {format.rate(admitted)} of {format.rate(asked)} were admitted meanwhile"
        return Finding(
            "rate limit",
            "The server limits how fast clients may connect.",
            evidence + (rates if admitted < 0.98 * asked else ""),
            "Ramp more slowly (--ramp), or raise the limit at the server or its proxy",
            began,
            stages_between(result, began, _last(refusing)),
        )
    if top.kind in ("http 401", "http 403", "close 4001", "close 1008"):
        return Finding(
            "refusals",
            "The server did not let clients in.",
            evidence,
            _remedy(result, top) or "Is the token valid, and for longer than the run? `wstui check` tells",
            began,
            stages_between(result, began, _last(refusing)),
        )
    return Finding(
        "refusals",
        "The server refused connections.",
        evidence + clients,
        ("" if top.kind == "http 503" else _remedy(result, top))
        or "Look at the server's connection limit, listen backlog and open files",
        began,
        stages_between(result, began, _last(refusing)),
    )


def _as_expected(result: Result) -> bool:
    """Whether all who were refused brought a bad token on purpose."""
    expected = sum(row.refused for row in result.auth if row.expected == "out")
    return bool(result.auth) and result.connections.refused == expected


def _slow_accept(result: Result) -> Finding | None:
    seen = result.connections
    slow = _counted_in(result, "timed_out", lambda f: f.kind == "connect timeout")
    if not seen.timed_out or result.verdict.unreachable or (not slow and _proxy(result)):
        return None
    began = min((failure.first_s for failure in slow), default=None)
    connect = result.latency_ms.connect
    what = f": {max(slow, key=lambda failure: failure.count).message}{_whom(slow)}" if slow else ""
    return Finding(
        "slow accept",
        "Some clients waited for their connection until they gave up.",
        f"{format.count(seen.timed_out)} of {format.count(seen.attempted)} attempts timed out{what}; those "
        f"that came through took p50 {format.milliseconds(connect.p50)}, p99 {format.milliseconds(connect.p99)}",
        "Look at what the server does on connect, at its accept queue and its CPU",
        began,
        stages_between(result, began, _last(slow)),
    )


def _unreached(result: Result) -> Finding | None:
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


def _proxy(result: Result) -> Finding | None:
    failed = [failure for failure in result.failures if failure.kind == "proxy"]
    if not failed or result.verdict.unreachable:
        return None
    began = min(failure.first_s for failure in failed)
    hit = f"{format.count(sum(f.count for f in failed))} of {format.count(result.connections.attempted)} attempts"
    top = max(failed, key=lambda failure: failure.count)
    return Finding(
        "proxy",
        "The proxy gave clients no way to the target.",
        f"{hit}: {top.message}{_whom(failed)}",
        "Look at the proxy's log and limits; --proxy off goes without it",
        began,
        stages_between(result, began, _last(failed)),
    )


def _network(result: Result) -> Finding | None:
    lost = _counted_in(result, "failed", lambda f: f.kind in ("network", "reset", "dns", "tls"))
    if not lost or result.verdict.unreachable or not result.connections.failed:
        return None
    began = min(failure.first_s for failure in lost)
    total = sum(failure.count for failure in lost)
    return Finding(
        "network",
        "Connections broke below WebSocket.",
        f"{format.count(total)} times: {_told(max(lost, key=lambda failure: failure.count))}{_whom(lost)}",
        "Look at proxy, balancer, firewall and connection tracking, and at the listen backlog",
        began,
        stages_between(result, began, _last(lost)),
    )


def _drops(result: Result) -> Finding | None:
    seen = result.connections
    if not seen.dropped:
        return None
    closing = _counted_in(result, "dropped", lambda f: f.kind.startswith("close ") and f.count <= seen.dropped)
    closing = closing or _counted_in(result, "dropped", lambda f: f.kind in ("reset", "keepalive"))
    closing = [failure for failure in closing if failure.kind not in _BROKEN]  # wstui ended these
    if not closing and any(failure.outcome == "dropped" for failure in result.failures):
        return None  # each of them was ended by a limit of our own
    dropped = min(seen.dropped, sum(failure.count for failure in closing)) if closing else seen.dropped
    top = _most(closing, lambda failure: True)
    began = min((failure.first_s for failure in closing), default=None)
    told = f": {_told(top)}" if top else ""
    back = f"; {format.count(seen.reconnects)} times one came back" if seen.reconnects else ""
    return Finding(
        "drops",
        "The server ended connections that were in use.",
        f"{format.count(dropped)} of {format.count(seen.ready)} ready clients{told}{_whom(closing)}{back}",
        "Look in the server's log at that time: restarts, buffer limits, idle timeouts",
        began,
        stages_between(result, began, _last(closing)),
    )


def _no_replies(result: Result) -> Finding | None:
    seen = result.messages
    if not seen.timed_out:
        return None
    unanswered = _counted_in(result, "unanswered", lambda f: f.kind == "timeout")
    began = min((failure.first_s for failure in unanswered), default=None)
    share = format.percent(min(seen.timed_out / seen.sent, 1.0)) if seen.sent else "some"
    late = f"; {format.count(seen.late)} replies came too late" if seen.late else ""
    return Finding(
        "no replies",
        "Messages were not answered in time.",
        f"{format.count(seen.timed_out)} of {format.count(seen.sent)} messages ({share}){late}{_whom(unanswered)}",
        "Look at the server's queues: late replies mean it is behind, none that it lost them",
        began,
        stages_between(result, began, _last(unanswered)),
    )


def _own_limit(result: Result) -> Finding | None:
    seen = [failure for failure in result.failures if failure.kind == "too large"]
    if not seen:
        return None
    return _told_of(
        result,
        seen,
        "max size",
        "Messages came that are larger than target.max_size.",
        "Raise target.max_size: wstui ended these connections itself, with 1009",
    )


def _broken_protocol(result: Result) -> Finding | None:
    seen = [failure for failure in result.failures if failure.kind in _BROKEN]
    if not seen:
        return None
    closed = " wstui closed the connection with 1002" if any(f.kind == "protocol" for f in seen) else ""
    return _told_of(
        result,
        seen,
        "protocol",
        "The server sent what WebSocket does not allow.",
        "Look at what the server or its proxy writes." + closed,
    )


def _odd_replies(result: Result) -> Finding | None:
    seen = result.messages
    extra = seen.duplicates + seen.unmatched
    shared = _shared_key(result)
    if shared and extra > 0.05 * max(1, seen.sent):
        return Finding(
            "replies",
            "Replies to other clients were probably taken for a client's own: the latencies are too short.",
            f"several clients send the same key {shared}; {format.count(extra)} replies came again or answer nothing",
            "Leave messages.templates.key out, so that it names the client, and write {{key}} into the payload",
        )
    if seen.altered:
        return Finding(
            "replies",
            "Replies were not what was sent.",
            f"{format.count(seen.altered)} of {format.count(seen.received)} messages received were altered",
            "Look at what the server or a proxy does with payloads",
        )
    if seen.duplicates:
        return Finding(
            "replies",
            f"The server answered {format.count(seen.duplicates)} messages more than once.",
            f"{format.count(seen.duplicates)} replies too many of {format.count(seen.received)} messages received",
            "Look at retries, redelivery and handlers that are registered twice",
        )
    if seen.unmatched > 10 and 2 * seen.unmatched > seen.received:
        return Finding(
            "replies",
            "Most of what arrived answers nothing.",
            f"{format.count(seen.unmatched)} of {format.count(seen.received)} messages received",
            'Is reply_field right? Messages of other clients are broadcasts: messages.fanout = "on"',
        )
    return None


def _shared_key(result: Result) -> str:
    """The key of a template that does not tell the clients apart; "" where all do."""
    messages = result.scenario.get("messages") or {}
    for template in messages.get("templates") or () if messages.get("exchange") == "template" else ():
        key, payload = template.get("key") or "", template.get("payload") or ""
        key = key or ("{{seq}}" if "{{seq}}" in payload and "{{key}}" not in payload else "{{id}}")
        if template.get("reply") == "field" and not any(word in key for word in ("{{id", "{{client", "uuid", "hex")):
            return str(key)
    return ""


def _told_of(result: Result, seen: Sequence[FailureSummary], cause: str, text: str, next_step: str) -> Finding:
    """A finding that rests on failures, the most frequent in words."""
    began = min(failure.first_s for failure in seen)
    top = max(seen, key=lambda failure: failure.count)
    return Finding(cause, text, _told(top) + _whom(seen), next_step, began, stages_between(result, began, _last(seen)))


def _fan_out(result: Result) -> Finding | None:
    seen = result.fanout
    if seen is None and _asks_for_fan_out(result):
        heard = result.messages
        return Finding(
            "fan-out",
            "No broadcast was measured, though messages.fanout is on.",
            f"{format.count(heard.received)} messages were received, {format.count(heard.unmatched)} of them matched "
            "no reply",
            "Look whether the server broadcasts at all while clients listen; replies are no broadcasts",
        )
    if seen is None or seen.completeness is None or (seen.completeness >= COMPLETE and not seen.duplicates):
        return None
    if seen.completeness >= COMPLETE:
        return Finding(
            "fan-out",
            "Some clients received a broadcast more than once.",
            f"{format.count(seen.duplicates)} duplicates of {format.count(seen.messages)} broadcasts",
            "Look at subscriptions that are made twice, and at redelivery between the broker and the server",
        )
    return Finding(
        "fan-out",
        "Not every client received every broadcast.",
        f"completeness {format.percent(seen.completeness)} over {format.count(seen.messages)} broadcasts",
        "Look at the server's send buffers for slow readers, and at broker overflows",
    )


def _asks_for_fan_out(result: Result) -> bool:
    """Return whether the scenario asks for broadcasts to be followed, rather than leaving that to the exchange."""
    messages = result.scenario.get("messages")
    return isinstance(messages, dict) and messages.get("fanout") == "on" and result.connections.ready > 0


def _slow_ramp(result: Result) -> Finding | None:
    slow = [ramp for ramp in ramp_rates(result) if ramp.achieved < SLOW_RAMP * ramp.planned]
    if not slow or result.verdict.aborted or result.verdict.unreachable:
        return None
    worst = min(slow, key=lambda ramp: ramp.achieved / ramp.planned)
    return Finding(
        "slow ramp",
        "Clients came more slowly than planned.",
        f"{format.rate(worst.achieved)} of {format.rate(worst.planned)} planned in {worst.stage}",
        "Look at this generator's loop lag and at how long a connection takes",
        stages=tuple(ramp.stage for ramp in slow),
    )


_RULES: tuple[Callable[[Result], Finding | None], ...] = (
    _generator,
    _unreachable,
    _refusals,
    slow_responses,
    _own_limit,
    _drops,
    _broken_protocol,
    _no_replies,
    _odd_replies,
    _slow_accept,
    _unreached,
    _proxy,
    _network,
    _fan_out,
    _slow_ramp,
)


def _counted_in(result: Result, outcome: str, or_else: Callable[[FailureSummary], bool]) -> list[FailureSummary]:
    """The target's failures that make up a count; `or_else` picks them where a stored result does not know."""
    known = any(failure.outcome for failure in result.failures)
    return [f for f in result.failures if not f.local and (f.outcome == outcome if known else or_else(f))]


def _is_refusal(failure: FailureSummary) -> bool:
    return not failure.local and (
        failure.kind.startswith("http ") or failure.kind in ("connect", "close 1008", "close 1013")
    )


def _is_rate_limit(failure: FailureSummary) -> bool:
    words = f"{failure.kind} {failure.message}".lower()
    return failure.kind in ("http 429", "close 1013") or "rate limit" in words or "too many" in words


def _remedy(result: Result, failure: FailureSummary | None) -> str:
    """What the first client would have been told to do about it, "" if nothing is known."""
    if failure is None:
        return ""
    detail = failure.samples[0].detail if failure.samples else ""
    fix = for_failure(failure.kind, failure.message, detail, result.scenario)
    return fix[:1].upper() + fix[1:]


def _told(failure: FailureSummary) -> str:
    said = failure.message if failure.kind in failure.message.lower() else f"{failure.kind}, {failure.message}"
    return f"{format.count(failure.count)} × {said}"


def _whom(failures: Sequence[FailureSummary]) -> str:
    """Some of the clients that were hit, by number."""
    clients = sorted({sample.client for failure in failures for sample in failure.samples})
    if not clients:
        return ""
    some = [clients[0], *clients[len(clients) // 2 : len(clients) // 2 + 1], clients[-1]]
    return f"; among them client {', '.join(map(str, dict.fromkeys(some)))}"


def _most(failures: Sequence[FailureSummary], wanted: Callable[[FailureSummary], bool]) -> FailureSummary | None:
    return max((f for f in failures if wanted(f)), key=lambda failure: failure.count, default=None)


def _last(failures: Sequence[FailureSummary]) -> float | None:
    return max((failure.last_s for failure in failures), default=None)


def _at(result: Result, at_s: float, column: str) -> int:
    row: dict[str, Any] = next((row for row in result.timeline if float(row.get("at_s") or 0) >= at_s), {})
    return int(row.get(column) or 0)


def _mean(result: Result, column: str, since_s: float, until_s: float | None) -> float:
    """The mean of a rate between two times."""
    values = [
        float(row.get(column) or 0)
        for row in result.timeline
        if float(row.get("at_s") or 0) >= since_s and (until_s is None or float(row.get("at_s") or 0) <= until_s + 1)
    ]
    return fmean(values) if values else 0.0
