"""Servers that misbehave towards ready clients: what is counted is what happened."""

from __future__ import annotations

import pytest

from tests.execution.running import Finished, finish, scenario, together
from tests.servers.server import Server
from tests.servers.talk import (
    Backwards,
    Breaking,
    Chatting,
    ClosingEarly,
    Deaf,
    Dropping,
    Fragmenting,
    Freezing,
    Late,
    Losing,
    Odd,
    Pinging,
    Stubborn,
    Twice,
)

CLIENTS = 8


async def against(server: Server, **settings: object) -> Finished:
    async with server:
        finished = await finish(scenario(server.url, **{"clients": CLIENTS, **settings}))  # type: ignore[arg-type]
    c, clients = finished.counters, settings.get("clients", CLIENTS)
    assert (c.attempted, c.ready) == (clients, clients)
    return finished


async def test_a_server_that_does_all_right_is_reported_so() -> None:
    servers = [Server() for _ in range(6)]
    finished = await together(
        against(servers[0]),
        against(servers[1], workers=2),
        against(servers[2], exchange="echo", ready="open", settle=0.1),
        against(servers[3], exchange="echo", text=False),
        against(servers[4], exchange="ping"),
        against(servers[5], exchange="listen"),
    )
    for one, server in zip(finished, servers, strict=True):
        c = one.counters
        assert one.failures == {}
        assert c.sent == c.matched == sum(server.messages.values())
        assert (c.sent > 0) == (one.run.scenario.messages.exchange != "listen")
        assert (c.unmatched, c.duplicates, c.late, c.dropped) == (0, 0, 0, 0)
        assert server.ends == {"close 1000": CLIENTS}, "every connection is closed as it should be"
        assert server.accepted == server.upgraded == CLIENTS
        assert one.result.passed
        assert c.received == c.matched + CLIENTS  # the welcomes
        assert [worker.clients for worker in one.run.status.generator.workers] == [0] * one.run.scenario.fleet.workers


async def test_a_closed_loop_sends_when_the_reply_is_there() -> None:
    servers = [Server(), Server(), Server()]
    finished = await together(
        against(servers[0], every=0, hold=0.5),
        against(servers[1], every=0, hold=0.5, exchange="echo", ready="open", settle=0.5),
        against(servers[2], every=0, hold=0.5, exchange="ping", workers=2),
    )
    for one in finished:
        c, latency = one.counters, one.result.latency_ms
        assert c.sent == c.matched > 10 * CLIENTS
        assert latency.response.p50 == pytest.approx(latency.round_trip.p50, abs=50)
        assert latency.response.max is not None and latency.round_trip.max is not None
        # Nothing is due before the client is ready: the wait for that is not the server's.
        assert latency.response.max < latency.round_trip.max + 250
        assert c.late_sends <= c.sent // 2


async def test_a_freeze_shows_in_the_tail_of_every_client() -> None:
    one, two = await together(
        against(Freezing(), clients=CLIENTS, hold=4.5, every=0.1, timeout=10),
        against(Freezing(), clients=CLIENTS, hold=4.5, every=0.1, timeout=10, workers=2),
    )
    for finished in (one, two):
        c, response = finished.counters, finished.result.latency_ms.response
        assert c.sent == c.matched > CLIENTS * 35, "the schedule was kept while the server stood still"
        assert response.max is not None and response.max > 2500
        # Two thirds of the sends fell into the freeze, and waited for its end, each from its intended time: an
        # even spread up to 3 s. One slow reply for each client would not even reach the 95th percentile.
        assert response.p50 is not None and response.p50 > 200
        assert response.p90 is not None and response.p90 > 2000
        assert response.mean is not None and response.mean > 500


async def test_a_freeze_longer_than_the_timeout_is_counted_as_timeouts() -> None:
    (finished,) = await together(against(Freezing(freeze_s=1.5), hold=2.5, every=0.1, timeout=0.5))
    c, response = finished.counters, finished.result.latency_ms.response
    assert c.reply_timeouts == finished.failures["timeout"] > CLIENTS * 5
    assert c.sent == c.matched + c.reply_timeouts
    assert 0 < c.late <= c.reply_timeouts, "the replies came, but too late to count"
    assert c.unmatched == c.duplicates == 0
    assert response.max is not None and 500 <= response.max < 1500, "a timeout counts with what was waited"
    assert response.p50 is not None


async def test_a_reply_after_the_timeout_is_late_and_not_a_reply() -> None:
    one, two = await together(
        against(Late(delay_s=0.45), every=0.2, timeout=0.3),
        against(Late(delay_s=0.45), every=0.2, timeout=0.3, workers=2),
    )
    for finished in (one, two):
        c = finished.counters
        assert c.matched == 0
        assert c.sent == c.reply_timeouts >= c.late > 0
        assert c.unmatched == c.duplicates == 0
        assert finished.failures == {"timeout": c.sent}
        assert finished.messages == ["no reply within 0.3 s"]
        response = finished.result.latency_ms.response
        assert response.min is not None and response.min >= 300
        assert finished.result.latency_ms.round_trip.mean is None


async def test_a_plan_that_ends_with_messages_in_flight_counts_each_of_them() -> None:
    slow, never, long = await together(
        against(Late(delay_s=0.8), every=0.2, timeout=5, hold=0.5),
        against(Losing(every=1), every=0.2, timeout=1.0, hold=0.5),
        # Longer than any grace but the timeout itself.
        against(Losing(every=1), every=0.05, timeout=5.5, hold=0.3),
    )
    assert slow.counters.matched == slow.counters.sent > 0
    assert never.counters.reply_timeouts == never.counters.sent > 0
    assert long.counters.reply_timeouts == long.counters.sent > 0


async def test_replies_are_matched_by_what_they_answer() -> None:
    twice, backwards, odd, fragments = await together(
        against(Twice()),
        against(Backwards(), every=0.05, timeout=2.5),
        against(Odd()),
        against(Fragmenting(), workers=2),
    )
    c = twice.counters
    assert c.sent == c.matched == c.duplicates
    assert c.unmatched == 0 and twice.failures == {}

    c = backwards.counters
    assert c.matched > c.sent * 0.7
    assert c.reply_timeouts <= 2 * CLIENTS, "only those that the server still held at the end"
    assert c.unmatched == c.duplicates == c.late == 0
    trip = backwards.result.latency_ms.round_trip
    assert trip.max is not None and trip.min is not None and trip.max > 80 and trip.min < 50

    c = odd.counters
    types = odd.result.messages.by_type
    assert c.sent == c.matched > 0
    assert odd.failures == {"invalid text": c.matched}
    assert c.unmatched == 2 * c.matched
    assert c.received == 10 * c.matched + CLIENTS
    for name in ("(empty)", "(no type)", "(binary)", "(invalid UTF-8)", "never:heard:of", "(not JSON)", "tick", "tock"):
        assert types[name] == c.matched, name
    assert types["\\x1b[2Jclear"] == c.matched
    assert types["pong"] == 3 * c.matched

    c = fragments.counters
    assert c.sent == c.matched > 0
    assert fragments.result.messages.by_type == {"connection:established": CLIENTS, "pong": c.matched}


async def test_one_lost_reply_in_a_hundred_is_one_timeout_in_a_hundred() -> None:
    server = Losing(every=25)
    (finished,) = await together(against(server, clients=20, every=0.05, timeout=2.5))
    c = finished.counters
    assert server.messages["ping"] == c.sent
    assert c.reply_timeouts == c.sent // 25
    assert c.unmatched == c.late == c.duplicates == 0, "a lost reply shifts nothing"


async def test_a_duplicate_in_a_closed_loop_is_never_taken_for_the_next_reply() -> None:
    (finished,) = await together(against(Twice(), every=0, hold=0.5, clients=2))
    c = finished.counters
    assert c.sent == c.matched
    assert abs(c.matched - c.duplicates - c.unmatched) < c.matched * 0.02


async def test_a_server_that_answers_pings_gets_its_own_answered() -> None:
    pinging, chatting = Pinging(), Chatting()
    one, two = await together(against(pinging), against(chatting, exchange="listen"))
    assert one.counters.matched == one.counters.sent > 0
    assert one.failures == {}
    assert two.counters.sent == 0
    assert two.result.messages.by_type["price:update"] == two.counters.received - CLIENTS > CLIENTS
    assert two.result.latency_ms.response.p50 is None


async def test_a_server_that_does_not_read_fills_no_memory_and_its_silence_is_counted() -> None:
    (deaf,) = await together(against(Deaf(), exchange="echo", every=0.02, timeout=0.5, hold=1.0))
    c = deaf.counters
    assert c.matched == 0
    assert c.sent == c.reply_timeouts > CLIENTS * 20


async def test_a_close_that_nobody_asked_for_is_a_drop_whatever_its_code() -> None:
    server = ClosingEarly(codes=(1000, 1001, 1011, 4000), reason="bye\x07")
    (finished,) = await together(against(server, hold=1.0, workers=2))
    c = finished.counters
    assert (c.dropped, c.closed) == (CLIENTS, 0)
    for code in server.codes:
        assert finished.failures[f"close {code}"] == server.ends[f"close {code}"] == CLIENTS // 4, "each was answered"
    assert "bye\\x07" in finished.messages
    assert finished.result.connections.success_rate == 1.0
    assert [row.open for row in finished.run.status.rows[-1:]] == [0]


async def test_a_reset_is_a_drop_and_takes_what_was_in_flight_with_it() -> None:
    (finished,) = await together(against(Dropping(), every=0.1, hold=1.0))
    c = finished.counters
    assert c.dropped == finished.failures["reset"] == CLIENTS
    assert c.sent == c.matched + c.reply_timeouts
    assert c.reply_timeouts >= CLIENTS
    assert finished.failures["timeout"] == c.reply_timeouts


async def test_a_broken_frame_ends_the_connection_and_is_named() -> None:
    broken = {
        "invalid opcode": b"\x83\x00",
        "reserved bits must be 0": b"\xc1\x00",
        "incorrect masking": b"\x81\x85\0\0\0\0hello",
        "exceeds limit": b"\x81\x7f\x00\x00\x00\x00\x7f\xff\xff\xff",
        "unexpected continuation frame": b"\x80\x00",
        "control frame too long": b"\x89\x7e\x00\x7e" + b"x" * 126,
    }
    server = Breaking(broken=tuple(broken.values()))
    (finished,) = await together(against(server, hold=0.6, clients=12))
    assert finished.counters.dropped == 12
    assert (finished.failures["protocol"], finished.failures["too large"]) == (10, 2)
    (ours,) = [group for group in finished.result.failures if group.local]
    assert ours.message == "messages larger than target.max_size (1MiB) came: raise it"
    counts = {group.message.replace("messages larger", "exceeds limit"): group.count
              for group in finished.result.failures}  # fmt: skip
    for why in broken:
        assert [count for message, count in counts.items() if why in message] == [2], why
    assert server.ends == {"close 1002": 10, "close 1009": 2}, "the server is told"


async def test_a_server_that_ignores_a_close_is_left_after_the_close_timeout() -> None:
    stubborn, compressed = await together(
        against(Stubborn(), hold=0.3, close_timeout=0.5), against(Server(), compression=True)
    )
    assert stubborn.counters.closed == CLIENTS
    assert stubborn.result.duration_s < 30
    assert stubborn.failures == {}
    # A server that knows no compression is spoken to without.
    assert compressed.counters.matched == compressed.counters.sent > 0
