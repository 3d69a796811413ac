from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wstui.measure.failure import GROUPS_KEPT, SAMPLES_KEPT, FailureLog, merge_failures

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


def test_a_server_that_invents_reasons_does_not_fill_the_memory() -> None:
    log = FailureLog()
    for n in range(10 * GROUPS_KEPT):
        log.record("close 1008", f"reason {n}", n, n)
    groups = log.groups()
    assert len(groups) == GROUPS_KEPT + 1
    assert sum(g.count for g in groups) == 10 * GROUPS_KEPT, "none is lost"
    assert groups[-1].kind == "other"


@given(EVENTS, EVENTS)
def test_logs_of_several_shards_add_up(one: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
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
        log.record("close 1008", f"reason {n}", n, n)
    for n in range(3):
        log.record("local address", f"can't connect from {n}", n, n, local=True)
        log.record("close 1008", f"another {n}", n, n)
    assert [(g.kind, g.count, g.local) for g in log.groups()[GROUPS_KEPT:]] == [("other", 3, True), ("other", 3, False)]


def test_a_failure_of_this_generator_is_marked_as_its_own() -> None:
    log = FailureLog()
    log.record("local files", "no file descriptor left", 1, 1, local=True)
    log.record("timeout", "no reply", 1, 1)
    assert [g.local for g in log.groups()] == [True, False]
    assert [g.local for g in merge_failures([log.groups()])] == [True, False]
