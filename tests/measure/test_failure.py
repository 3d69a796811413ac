from __future__ import annotations

import base64
import random
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wstui.measure.failure import GROUPS_KEPT, SAMPLES_KEPT, FailureLog, fold, merge_failures

EVENTS = st.lists(st.tuples(st.sampled_from(["timeout", "reset"]), st.sampled_from("abc")), max_size=60)


def log_of(events: list[tuple[str, str]]) -> FailureLog:
    log = FailureLog()
    for at, (kind, message) in enumerate(events):
        log.record(kind, message, at, at, f"detail {at}")
    return log


@given(EVENTS)
def test_every_failure_is_counted_under_its_kind_and_message(events: list[tuple[str, str]]) -> None:
    groups = log_of(events).groups()
    assert {(g.kind, g.message): g.count for g in groups} == {e: events.count(e) for e in events}
    for group in groups:
        places = [at for at, e in enumerate(events) if e == (group.kind, group.message)]
        assert (group.first_ns, group.last_ns) == (places[0], places[-1])
        times = [sample.at_ns for sample in group.samples]
        assert times == sorted(times)
        assert len(times) == min(len(places), SAMPLES_KEPT)
        assert times[0] == places[0] and times[-1] == places[-1], "the first and the latest are among the samples"


REASONS: dict[str, Callable[[random.Random], str]] = {
    "session … expired": lambda source: f"session {base64.b64encode(source.randbytes(9)).decode()} expired",
    "request …": lambda source: f"request {uuid.UUID(int=source.getrandbits(128))}",
    "queue position …, try later": lambda source: f"queue position {source.randrange(900)}, try later",
    "trace=…": lambda source: f"trace={source.randbytes(8).hex()}",
    "shutting down.": lambda source: "shutting down.",
}


@pytest.mark.parametrize("folded", REASONS)
def test_reasons_with_random_parts_are_one_group_over_all_workers(folded: str) -> None:
    source = random.Random(7)
    logs = [FailureLog() for _ in range(4)]
    said = [REASONS[folded](source) for _ in range(200)]
    for n, reason in enumerate(said):
        logs[n % 4].record("close 4001", reason, n, n)
    (group,) = merge_failures([log.groups() for log in logs])
    assert (group.kind, group.count) == ("close 4001", 200)
    assert folded in group.message and len(group.message) < 200
    assert {sample.detail for sample in group.samples} <= set(said), "the samples hold the whole text"


def test_a_code_with_words_that_nothing_can_fold_is_one_group_too() -> None:
    log = FailureLog()
    for n in range(10 * GROUPS_KEPT):
        log.record("close 1008", "".join(chr(97 + int(digit)) for digit in str(n)), n, n)
    (group,) = log.groups()
    assert group.count == 10 * GROUPS_KEPT, "none is lost"
    assert group.message == "a · b · c · …"


def test_the_key_of_a_wrong_accept_header_is_in_no_message() -> None:
    log = FailureLog()
    for n in range(50):
        key = base64.b64encode(random.Random(n).randbytes(20)).decode()
        log.record("handshake", f"invalid upgrade: invalid Sec-WebSocket-Accept header: {key}", n, n)
    (group,) = log.groups()
    assert group.message.startswith("invalid upgrade: invalid Sec-WebSocket-Accept header: …")


def test_what_a_status_says_stays() -> None:
    assert fold("bye\\x07") == "bye\\x07", "an escape is no number"
    assert fold("HTTP 503 Service Unavailable") == "HTTP 503 Service Unavailable"
    assert fold("response header larger than 64 KiB") == "response header larger than 64 KiB"
    assert fold("the answer is HTTP/1.0") == "the answer is HTTP/1.0"
    assert fold("HTTP 302 to ws://127.0.0.1:81/login/5f3e9a: set") == "HTTP 302 to ws://127.0.0.1:81/…: set"
    assert fold("the WebSocket server is going away (clientId unknown)") == (
        "the WebSocket server is going away (clientId unknown)"
    )


@given(EVENTS, EVENTS)
def test_logs_of_several_workers_add_up(one: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
    logs = [log_of(one).groups(), log_of(other).groups()]
    merged = merge_failures(logs)
    assert {(g.kind, g.message): g.count for g in merged} == {e: (one + other).count(e) for e in one + other}
    counts = [g.count for g in merged]
    assert counts == sorted(counts, reverse=True)
    assert all(len(g.samples) <= SAMPLES_KEPT for g in merged)
    again = merge_failures(logs)
    assert [(g.message, g.count) for g in again] == [(g.message, g.count) for g in merged], "the logs are as they were"


def test_beyond_the_bound_our_own_failures_and_the_servers_stay_apart() -> None:
    log = FailureLog()
    for n in range(GROUPS_KEPT):
        log.record(f"close {n}", "reason", n, n)
    for n in range(3):
        log.record("local address", f"can't connect from {n}", n, n, local=True)
        log.record(f"close {9000 + n}", "another", n, n)
    assert [(g.kind, g.count, g.local) for g in log.groups()[GROUPS_KEPT:]] == [("other", 3, True), ("other", 3, False)]


def test_a_failure_of_this_generator_is_marked_as_its_own() -> None:
    log = FailureLog()
    log.record("local files", "no file descriptor left", 1, 1, local=True)
    log.record("timeout", "no reply", 1, 1)
    assert [g.local for g in log.groups()] == [True, False]
    assert [g.local for g in merge_failures([log.groups()])] == [True, False]
