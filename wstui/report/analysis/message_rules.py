"""Findings about replies, broadcasts and what the server writes."""

from __future__ import annotations

from wstui.execution.run.limits import COMPLETE
from wstui.execution.run.metrics import unanswered_pings
from wstui.execution.run.reply_keys import others_replies
from wstui.execution.run.result import Result
from wstui.execution.run.result_figures import counters_in
from wstui.measure import format
from wstui.report.analysis.connection_rules import BROKEN
from wstui.report.analysis.finding import Finding, clients_hit, counted_in, finding_of, last_seen, stages_between

STRAY = 0.01
"""Fewer replies than this share may match no message: servers may send pong frames unasked (RFC 6455 5.5.3)."""


def lost_replies(result: Result) -> int:
    """Return how many replies never came, not even too late."""
    return max(0, result.messages.timed_out - result.messages.late)


def no_replies(result: Result) -> Finding | None:
    seen = result.messages
    if not seen.timed_out:
        return None
    unanswered = counted_in(result, "unanswered", lambda f: f.kind == "timeout")
    began = min((failure.first_s for failure in unanswered), default=None)
    share = format.percentage(min(seen.timed_out / seen.sent, 1.0)) if seen.sent else "some"
    never = f", {format.count(lost_replies(result))} never" if lost_replies(result) else ""
    late = f"; {format.count(seen.late)} replies came too late{never}" if seen.late else ""
    return Finding(
        "no replies",
        "Messages were not answered in time.",
        f"{format.count(seen.timed_out)} of {format.count(seen.sent)} messages ({share}){late}"
        + clients_hit(unanswered),
        "Look at the server's queues: late replies mean that it is behind, missing ones that it lost them",
        began,
        stages_between(result, began, last_seen(unanswered)),
    )


OWN_LIMITS = ("too large", "unsendable")
"""Failures of this side that only the scenario can mend."""


def own_limit(result: Result) -> Finding | None:
    if unsent := [failure for failure in result.failures if failure.kind == "unsendable"]:
        return finding_of(
            result,
            unsent,
            "unsendable",
            "Messages were not sent: a frame of the protocol can't say them.",
            "Mend the values that the scenario puts into them: a row of the feed, or what a step captures",
        )
    seen = [failure for failure in result.failures if failure.kind == "too large"]
    if not seen:
        return None
    return finding_of(
        result,
        seen,
        "max size",
        "Messages came that are larger than target.max_size.",
        "Raise target.max_size: wstui ended these connections itself, with 1009",
    )


def broken_protocol(result: Result) -> Finding | None:
    seen = [failure for failure in result.failures if failure.kind in BROKEN]
    if not seen:
        return None
    closed = " wstui closed the connection with 1002" if any(f.kind == "protocol" for f in seen) else ""
    return finding_of(
        result,
        seen,
        "protocol",
        "The server sent what WebSocket does not allow.",
        "Look at what the server or its proxy writes." + closed,
    )


def broken_expectations(result: Result) -> Finding | None:
    seen = [f for f in result.failures if f.outcome == "unexpected" and f.kind not in BROKEN]
    if not seen:
        return None
    return finding_of(
        result,
        seen,
        "expectations",
        "Replies were not what the scenario expects.",
        "Look at the samples of these failures: is it the server, or what the step expects?",
    )


def failed_steps(result: Result) -> Finding | None:
    seen = [failure for failure in result.failures if failure.outcome == "step"]
    if not seen:
        return None
    return finding_of(
        result,
        seen,
        "steps",
        "Steps failed beside the messages of the load.",
        "Look at the samples of these failures: a wait, a request or a heartbeat had no answer, or the server said no",
    )


def silent_pings(result: Result) -> Finding | None:
    seen = result.connections
    if not unanswered_pings(counters_in(result)):
        return None
    return Finding(
        "pings",
        "Most keepalive pings were not answered.",
        f"{format.count(seen.pings - seen.pongs)} of {format.count(seen.pings)} pings have no pong",
        "The server has to answer pings with pongs (RFC 6455, 5.5.2): look at what reads its connections",
    )


def odd_replies(result: Result) -> Finding | None:
    seen = result.messages
    extra = seen.duplicates + seen.unmatched
    shared = others_replies(result.scenario, clients=result.connections.ready, sent=seen.sent, odd=extra)
    if shared:
        return Finding(
            "replies",
            "Replies to other clients were probably taken for a client's own: the latencies are too short.",
            f"{shared}; {format.count(extra)} replies came again or answer nothing",
            "Put {{id}} or {{client}} into the messages of this step and into what it expects",
        )
    if seen.altered:
        return Finding(
            "replies",
            "Replies were not what was sent.",
            f"{format.count(seen.altered)} of {format.count(seen.received)} messages received were altered",
            "Look at what the server or a proxy does with payloads",
        )
    if seen.duplicates:
        more = f"{format.count(seen.duplicates)} replies too many of {format.count(seen.received)} messages received"
        stray = f"; {format.count(seen.unmatched)} replies match no message" if seen.unmatched else ""
        return Finding(
            "replies",
            f"The server answered {format.count(seen.duplicates)} messages more than once.",
            more + stray,
            "Look at retries, redelivery and handlers that are registered twice",
        )
    if seen.unmatched > 10 and seen.unmatched > STRAY * seen.received:
        return Finding(
            "replies",
            "Most of what arrived answers nothing."
            if 2 * seen.unmatched > seen.received
            else "Replies came that match no message of the client that got them.",
            f"{format.count(seen.unmatched)} of {format.count(seen.received)} messages received",
            "Put {{id}} into the messages of the step and into what it expects, so that nothing else can answer it"
            if result.scenario.get("roles")
            else 'Is messages.exchange right? Messages of other clients are broadcasts: messages.fanout = "on"',
        )
    return None


def numbered(result: Result) -> Finding | None:
    seen = result.sequence
    if seen is None or not (seen.gaps or seen.repeats or seen.disorder):
        return None
    counts = ((seen.gaps, "missing"), (seen.repeats, "came again"), (seen.disorder, "came after a later one"))
    return Finding(
        "sequence",
        "Numbered messages were lost, repeated or out of order.",
        ", ".join(f"{format.count(count)} {word}" for count, word in counts if count)
        + f"; {format.count(seen.received)} received",
        "Look at the server's send buffers and at redelivery: each client is followed by itself",
    )


def fan_out(result: Result) -> Finding | None:
    seen = result.fanout
    if (seen is None or seen.completeness is None) and _asks_for_fan_out(result):
        heard = result.messages
        return Finding(
            "fan-out",
            "No broadcast was measured, though messages.fanout is on.",
            f"{format.count(heard.received)} messages were received, {format.count(heard.unmatched)} of them matched "
            "no reply",
            "Look whether the server broadcasts at all while clients listen; replies are not broadcasts",
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
        f"completeness {format.percentage(seen.completeness)} over {format.count(seen.messages)} broadcasts",
        "Look at the server's send buffers for slow readers, and at broker overflows",
    )


def _asks_for_fan_out(result: Result) -> bool:
    """Return whether the scenario asks for broadcasts to be followed, rather than leaving that to the exchange."""
    messages = result.scenario.get("messages")
    return isinstance(messages, dict) and messages.get("fanout") == "on" and result.connections.ready > 0
