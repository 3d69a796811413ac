from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.report.example import EVERY, aborted, broken, empty, fan_out, good, limited
from wstui.execution.run.result import Result
from wstui.execution.run.result_sections import Connections, Event, FailureSummary, ThresholdOutcome, Traffic, Verdict
from wstui.measure.sanitize import sanitize
from wstui.measure.timeline import TimelineRow
from wstui.report.analysis.diagnosis import findings
from wstui.report.analysis.finding import Finding
from wstui.report.formats import format_registry
from wstui.report.formats.console import summary
from wstui.report.model.labels import ramp_rates


def causes(result: Result) -> list[str]:
    return [finding.cause for finding in findings(result)]


def with_p99(series: list[float], *, clients: list[int] | None = None, passed: bool = True) -> Result:
    """A run whose p99 per second is `series`; `clients` are open and wanted, 100 throughout unless told."""
    base = good()
    rows: list[dict[str, Any]] = []
    for index, p99 in enumerate(series):
        wanted = clients[index] if clients else 100
        row = TimelineRow(index + 1.0, "ramp" if clients else "hold", wanted=wanted, open=wanted, response_p99_ms=p99)
        rows.append(row.values())
    outcome = ThresholdOutcome("response.p99", "< 20ms", max(series), passed, unit="ms")
    return msgspec.structs.replace(base, timeline=rows, verdict=Verdict(passed=passed, reason="", thresholds=[outcome]))


def test_nothing_is_invented_when_all_is_well() -> None:
    assert findings(good()) == []
    assert findings(aborted()) == []
    assert findings(with_p99([1.0] * 60)) == []


@pytest.mark.parametrize(("pongs", "found"), [(5000, []), (4000, []), (100, ["pings"])])
def test_keepalive_pings_that_nobody_answers_are_found_and_shown(pongs: int, found: list[str]) -> None:
    run = good()
    seen = msgspec.structs.replace(run.connections, ready=100, reconnects=0, pings=5000, pongs=pongs)
    run = msgspec.structs.replace(run, connections=seen)
    assert causes(run) == found
    shown = summary(run)
    assert "keepalive pings 5 000" in shown and ("pings without a pong" in shown) == (pongs < 5000)


@pytest.mark.parametrize(("stalled_s", "found"), [(0.0, []), (1.2, []), (5.0, ["operator"])])
def test_an_operator_that_stood_still_is_a_finding_if_that_was_more_than_a_moment(
    stalled_s: float, found: list[str]
) -> None:
    run = good()
    run = msgspec.structs.replace(run, generator=msgspec.structs.replace(run.generator, operator_stalled_s=stalled_s))
    assert causes(run) == found


def test_workers_that_heard_nothing_of_their_operator_do_not_call_for_less_load() -> None:
    run = limited()
    lost = FailureSummary(
        "worker lost", "worker 0 ended with status 1: no message from the operator for 30 s", 1, 9, 9, True
    )
    run = msgspec.structs.replace(run, failures=[lost])
    assert "what stopped wstui" in findings(run)[0].next_step and findings(run)[0].cause == "generator"


def test_a_little_more_than_very_fast_is_no_finding() -> None:
    assert findings(with_p99([0.3] * 20 + [1.5] * 40)) == []


def test_single_slow_seconds_are_no_knee() -> None:
    assert findings(with_p99(([2.0] * 9 + [90.0]) * 6)) == []


def test_a_knee_names_when_and_at_how_many_clients() -> None:
    growing = [100 * second for second in range(1, 61)]
    (finding,) = findings(with_p99([5.0] * 40 + [5.0 + 10 * extra for extra in range(1, 21)], clients=growing))
    assert finding.cause == "latency" and "as the load grew" in finding.text
    assert finding.began_s == 41, "the first second at more than twice the latency before"
    assert "from 5.00 ms to 150 ms, from about 4 100 clients on" in finding.evidence


def test_latency_that_grows_under_steady_load_is_told_apart_from_a_knee() -> None:
    (finding,) = findings(with_p99([5.0] * 30 + [5.0 + 5 * extra for extra in range(1, 31)]))
    assert "while the load stood still" in finding.text and "at 100 clients" in finding.evidence


def test_a_broken_limit_without_a_turning_point_is_slow_throughout_or_now_and_then() -> None:
    (throughout,) = findings(with_p99([30.0] * 40, passed=False))
    assert "throughout" in throughout.text and "above that in 40 of 40 s" in throughout.evidence
    (spikes,) = findings(with_p99(([2.0] * 9 + [90.0]) * 4, passed=False))
    assert "now and then" in spikes.text and "in 4 of 40 s" in spikes.evidence and spikes.began_s == 10.0
    unseen = msgspec.structs.replace(with_p99([30.0] * 40, passed=False), timeline=[])
    assert not findings(unseen), "nothing is said of seconds that nobody saw"


def test_a_generator_at_its_limit_comes_first_and_the_server_is_not_blamed_for_its_delay() -> None:
    slow = with_p99([30.0] * 40, passed=False)
    result = msgspec.structs.replace(
        slow,
        generator=limited().generator,
        messages=Traffic(sent=100, timed_out=5, late=5),
        connections=Connections(attempted=100, ready=95, dropped=5),
    )
    assert causes(result) == ["generator", "drops"]
    (finding,) = findings(limited())
    assert finding.began_s == 12.0 and finding.stages == ("hold",) and "CPU of worker 1" in finding.evidence


def test_replies_that_never_came_are_told_beside_a_generator_at_its_limit() -> None:
    slow = with_p99([30.0] * 40, passed=False)
    lossy = msgspec.structs.replace(
        slow, generator=limited().generator, messages=Traffic(sent=100, timed_out=5, late=3)
    )
    assert causes(lossy) == ["generator", "no replies"]
    assert "5 of 100 messages (5 %); 3 replies came too late, 2 never" in findings(lossy)[1].evidence


def test_a_target_that_cannot_be_reached_is_the_only_finding() -> None:
    assert causes(empty()) == ["unreachable"]
    refused = FailureSummary("refused", "member, auth: type = 'no'", 10, 0.1, 0.2, outcome="refused")
    (finding,) = findings(msgspec.structs.replace(empty(), failures=[refused]))
    assert "user, password and token" in finding.next_step


@pytest.mark.parametrize(
    ("kind", "message", "cause", "words"),
    [
        ("http 429", "HTTP 429 Too Many Requests", "rate limit", "Ramp more slowly"),
        ("http 503", "HTTP 503: rate limit exceeded", "rate limit", "Ramp more slowly"),
        ("http 401", "HTTP 401 Unauthorized", "refusals", "token"),
        ("http 503", "HTTP 503 Service Unavailable", "refusals", "connection limit"),
        ("connect", "connection refused", "refusals", "listen backlog"),
        ("login 429", "login, session: HTTP 429", "rate limit", "Ramp more slowly"),
        ("login 403", "login, session: HTTP 403", "refusals", "user, password and token"),
        ("refused", "member, auth: type is 'auth_error'", "refusals", "user, password and token"),
        ("close 4401", "unauthorized", "refusals", "one of the server's own"),
    ],
)
def test_refusals_are_told_apart_by_what_the_server_said(kind: str, message: str, cause: str, words: str) -> None:
    result = msgspec.structs.replace(
        good(),
        connections=Connections(attempted=100, ready=90, refused=10, success_rate=0.9),
        failures=[FailureSummary(kind, message, 10, 6.0, 9.0, outcome="refused")],
    )
    (finding,) = findings(result)
    assert finding.cause == cause and words in finding.next_step
    assert "10 of 100 attempts (10 %)" in finding.evidence and message in finding.evidence
    assert finding.when == "from 0:06 on, in ramp"


def test_a_step_of_the_opening_without_an_answer_is_not_laid_on_the_accept_queue() -> None:
    def found(kind: str, message: str) -> Finding:
        connections = Connections(attempted=100, ready=90, timed_out=10, success_rate=0.9)
        failure = FailureSummary(kind, message, 10, 6.0, 9.0, outcome="timed_out")
        (finding,) = findings(msgspec.structs.replace(good(), connections=connections, failures=[failure]))
        return finding

    step = found("timeout", "member, auth: no reply within 5s")
    assert "member, auth" in step.evidence and "accept queue" not in step.next_step
    assert "accept queue" in found("connect timeout", "no answer to the upgrade within 10s").next_step


@pytest.mark.parametrize("kind", ["keepalive", "heartbeat"])
def test_a_server_that_fell_silent_did_not_end_the_connections_itself(kind: str) -> None:
    connections = Connections(attempted=100, ready=100, dropped=10, success_rate=1.0)
    failure = FailureSummary(kind, "silent for 20s", 10, 6.0, 9.0, outcome="dropped")
    (finding,) = findings(msgspec.structs.replace(good(), connections=connections, failures=[failure]))
    assert finding.cause == "drops" and "fell silent" in finding.text and "silent for 20s" in finding.evidence


def test_clients_that_were_dropped_for_sending_too_much_and_came_back_are_counted_as_connections() -> None:
    connections = Connections(attempted=127, ready=127, dropped=97, reconnects=93, success_rate=1.0)
    failure = FailureSummary("close 1013", "too many messages", 97, 2.0, 7.0, outcome="dropped")
    (finding,) = findings(msgspec.structs.replace(good(), connections=connections, failures=[failure]))
    assert "97 of 127 connections: " in finding.evidence and "93 times one came back" in finding.evidence
    assert "send less often" in finding.next_step


def test_a_server_that_says_try_again_later_is_not_said_to_limit_what_clients_send() -> None:
    connections = Connections(attempted=100, ready=100, dropped=10, success_rate=1.0)
    failure = FailureSummary("close 1013", "try again later", 10, 6.0, 9.0, outcome="dropped")
    (finding,) = findings(msgspec.structs.replace(good(), connections=connections, failures=[failure]))
    assert "overloaded or restarting" in finding.next_step and "It limits" not in finding.next_step


def test_a_finding_names_the_addresses_that_failed() -> None:
    several = {f"10.0.0.{number}": number for number in range(1, 7)}
    failure = FailureSummary("connect", "connection refused", 21, 6.0, 9.0, addresses=several)
    connections = Connections(attempted=100, ready=79, refused=21, success_rate=0.79)
    (finding,) = findings(msgspec.structs.replace(good(), connections=connections, failures=[failure]))
    assert "at 10.0.0.6 (6 ×), 10.0.0.5 (5 ×), 10.0.0.4 (4 ×), 10.0.0.3 (3 ×) and 2 more" in finding.evidence


def test_a_run_with_several_causes_names_each_with_its_stages() -> None:
    assert causes(broken()) == ["rate limit", "latency", "drops", "no replies", "slow accept"]
    by_cause = {finding.cause: finding for finding in findings(broken())}
    assert by_cause["drops"].stages == ("hold",) and "close 1011" in by_cause["drops"].evidence
    assert by_cause["latency"].stages == ("ramp", "hold")


def test_broadcasts_that_did_not_reach_everybody_are_a_finding() -> None:
    (finding,) = findings(fan_out())
    assert finding.cause == "fan-out" and "99.71 %" in finding.evidence


def test_a_ramp_that_fell_behind_its_plan_is_a_finding() -> None:
    base = good()
    ramp = msgspec.structs.replace(base.stages[0], connections=Connections(attempted=60, ready=60))
    (finding,) = findings(msgspec.structs.replace(base, stages=[ramp, base.stages[1]]))
    assert finding.cause == "slow ramp" and "6.00/s of 10.0/s planned in ramp" in finding.evidence


def ramped(*stages: dict[str, str | int], steered_at: float | None = None, **ramp: Any) -> Result:
    """A result whose stages are these, and whose first one went like this."""
    base = good()
    events = [] if steered_at is None else [Event(steered_at, "operator", "operator: 50 → 70 clients over 5 s")]
    return msgspec.structs.replace(
        base,
        scenario={**base.scenario, "stages": [*stages]} if stages else base.scenario,
        stages=[msgspec.structs.replace(base.stages[0], **ramp), base.stages[1]],
        events=[*base.events[:2], *events],
    )


def rates(result: Result) -> list[tuple[str, float, float]]:
    return [(ramp.stage, ramp.planned, ramp.achieved) for ramp in ramp_rates(result)]


def test_a_pause_is_no_part_of_a_ramp() -> None:
    result = ramped(ended_s=70.0, active_s=10.0, connections=Connections(attempted=100, ready=100))
    assert rates(result) == [("ramp", 10.0, 10.0)]
    assert findings(result) == []


def test_a_stage_that_ended_late_with_all_its_clients_was_not_slow() -> None:
    assert findings(ramped(ended_s=12.0, connections=Connections(attempted=100, ready=100))) == []
    assert findings(ramped(ended_s=12.0, connections=Connections(attempted=98, ready=98))) != []


def test_clients_that_come_back_do_not_hide_a_slow_ramp() -> None:
    result = ramped(connections=Connections(attempted=100, ready=100, reconnects=40, reconnect_attempts=40))
    assert rates(result) == [("ramp", 10.0, 6.0)]


def test_arrivals_are_part_of_the_plan() -> None:
    came = Connections(attempted=206, ready=206)
    stage: dict[str, str | int] = {"name": "ramp", "over": "10s", "arrive": "20/s", "stay": "1s"}
    assert rates(ramped(stage, {"name": "hold", "over": "30s"}, connections=came)) == [("ramp", 20.0, 20.6)]
    both = ramped({**stage, "clients": 10}, {"name": "hold", "over": "30s"}, connections=came)
    assert rates(both) == [("ramp", 21.0, 20.6)]


def test_where_the_operator_ramped_there_is_no_plan_to_compare_with() -> None:
    stages: tuple[dict[str, str | int], ...] = (
        {"name": "ramp", "over": "10s", "clients": 100},
        {"name": "hold", "over": "30s", "clients": 200},
    )
    assert [name for name, *_ in rates(ramped(*stages))] == ["ramp", "hold"]
    assert rates(ramped(*stages, steered_at=5.0)) == []
    assert [name for name, *_ in rates(ramped(*stages, steered_at=12.0))] == ["ramp"]


def test_a_fan_out_that_was_asked_for_and_not_seen_is_a_finding() -> None:
    base = good()
    asked = {**base.scenario, "messages": {"exchange": "template", "fanout": "on"}}
    (finding,) = findings(msgspec.structs.replace(base, scenario=asked, fanout=None))
    assert finding.cause == "fan-out" and "No broadcast was measured" in finding.text
    assert findings(msgspec.structs.replace(base, fanout=None)) == []


@pytest.mark.parametrize("name", sorted(set(EVERY) - {"suite"}))
def test_every_report_tells_the_findings(name: str) -> None:
    result = EVERY[name]
    assert isinstance(result, Result)
    for form in ("text", "markdown", "junit"):
        report = format_registry.named(form).render(result)
        for finding in findings(result):
            assert finding.text.split(".")[0] in " ".join(report.split()), form
        if not findings(result):
            assert "Findings" not in report
    assert all(sanitize(finding.text) == finding.text for finding in findings(result))


def test_some_of_the_clients_that_were_hit_are_named() -> None:
    evidence = {finding.cause: finding.evidence for finding in findings(broken())}
    assert evidence["rate limit"].startswith("180 of 5 000 attempts (3.6 %): 180 × http 429, Too Many Requests")
    assert "; among them client 17, 4811" in evidence["rate limit"]
    assert evidence["drops"].endswith("; among them client 5")


def asking(key: str) -> list[dict[str, Any]]:
    """A role whose replies are told by this key."""
    step = {"send": f'{{"id":"{key}"}}', "expect": {"id": key}}
    return [{"name": "one", "open": [{"capture": {"user": "id"}}], "loop": [{"choose": [{"steps": [step]}]}]}]


@pytest.mark.parametrize(
    ("counts", "roles", "words"),
    [
        ({"duplicates": 401}, [], "The server answered 401 messages more than once."),
        ({"unmatched": 20, "altered": 20}, [], "Replies were not what was sent."),
        ({"unmatched": 600}, [], "Most of what arrived answers nothing."),
        ({"unmatched": 13}, [], "Replies came that match no message of the client that got them."),
        (
            {"duplicates": 200, "unmatched": 50},
            asking("{{seq}}"),
            "Replies to other clients were probably taken for a client's own: the latencies are too short.",
        ),
        *(
            (
                {"duplicates": 200, "unmatched": 50},
                asking(key),
                "The server answered 200 messages more than once.",
            )
            for key in ("{{id}}", "{{client}}-{{seq}}", "{{random uuid}}", "{{user}}-{{seq}}", "{{feed.name}}")
        ),
    ],
)
def test_replies_that_nobody_waits_for_are_a_finding(
    counts: dict[str, int], roles: list[dict[str, Any]], words: str
) -> None:
    base = good()
    result = msgspec.structs.replace(
        base,
        messages=Traffic(sent=1000, received=1000, **counts),  # type: ignore[arg-type]
        scenario=base.scenario | {"roles": roles},
    )
    assert [finding.text for finding in findings(result)] == [words]


def test_a_connection_that_wstui_ended_is_never_one_that_the_server_ended() -> None:
    limit = FailureSummary(
        "too large", "messages larger than target.max_size (1MiB) came: raise it", 6, 6.0, 9.0, True, outcome="dropped"
    )
    broke = FailureSummary("protocol", "invalid opcode: 0x3", 3, 6.0, 9.0, outcome="dropped")
    seen = Connections(attempted=100, ready=100, dropped=9, success_rate=1.0)
    result = msgspec.structs.replace(good(), connections=seen, failures=[limit, broke])
    assert causes(result) == ["max size", "protocol"]
    assert "target.max_size (1MiB)" in findings(result)[0].evidence
    assert "invalid opcode" in findings(result)[1].evidence and "wstui closed" in findings(result)[1].next_step
    close = FailureSummary("close 1012", "restart", 4, 6.0, 9.0, outcome="dropped")
    more = msgspec.structs.replace(
        result, connections=msgspec.structs.replace(seen, dropped=13), failures=[limit, broke, close]
    )
    (drops,) = [finding for finding in findings(more) if finding.cause == "drops"]
    assert drops.evidence.startswith("4 of 100 ready clients")
