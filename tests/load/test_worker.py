"""One worker on the test's own loop, against servers on the same loop: commands in, snapshots out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.load.leading import spec as spec_with
from tests.servers.failing_handshake import Gatekeeper, Rationing, Refusing, Silent
from tests.servers.server import PATIENCE_S, GuestBook, Server, until
from tests.servers.talk import Deaf, Late, Losing, Mute, Stubborn
from wstui.load.buffered_client import BufferedClient
from wstui.load.client import LoadClient
from wstui.load.client_pool import CONNECTS_A_PASS, CONNECTS_BEHIND
from wstui.load.connect_outcome import Cause, cause_of
from wstui.load.pacer import Pacer
from wstui.load.protocol import Abort, Drain, Go, Message, Pace, Pause, Ramp, Resume, Spec
from wstui.load.schedule import phase
from wstui.load.timer_queue import sends_a_pass
from wstui.load.worker import Worker
from wstui.measure.snapshot import Counters, Snapshot

MS = 1_000_000
S = 1_000 * MS


def spec(url: str, **settings: Any) -> Spec:
    defaults = {
        "every_ns": 50 * MS,
        "reply_timeout_ns": 5 * S,
        "timeout_ns": 10 * S,
        "close_timeout_ns": 2 * S,
        "settle_ns": 100 * MS,
    }
    return spec_with(url, **{**defaults, **settings})


class Watched(Worker):
    """A worker whose snapshots are kept, and which is gone at the end of the test."""

    def __init__(self, what: Spec) -> None:
        self.said: list[Snapshot] = []
        super().__init__(what, self._note)

    def _note(self, message: Message) -> None:
        if isinstance(message, Snapshot):
            self.said.append(message)

    @property
    def c(self) -> Counters:
        return self.tally.counters

    async def drained(self, grace_ns: int = 2 * S) -> Counters:
        self.handle(Drain(grace_ns))
        await asyncio.wait_for(self.ended_event.wait(), PATIENCE_S)
        return self.c


@contextlib.asynccontextmanager
async def worker_at(url: str, **settings: Any) -> AsyncIterator[Watched]:
    worker = Watched(spec(url, **settings))
    await worker.prepare()
    worker.handle(Go())
    try:
        yield worker
    finally:
        if not worker.ended_event.is_set():
            worker.handle(Abort())
            await asyncio.wait_for(worker.ended_event.wait(), PATIENCE_S)
        c = worker.c
        assert c.attempted == c.ready + c.refused + c.timed_out + c.failed + c.drained
        assert (c.open, c.opening, c.closing) == (0, 0, 0)
        assert c.ready == c.dropped + c.closed


def test_the_client_for_asyncio_has_no_memory_of_its_own() -> None:
    assert issubclass(BufferedClient, LoadClient) and not BufferedClient.__slots__


async def test_a_ramp_up_and_down_and_up_again_ends_at_exact_numbers() -> None:
    async with Server() as server, worker_at(server.url) as worker:
        for to in (20, 5, 12, 0, 7):
            worker.handle(Ramp(to, 100 * MS))
            await until(lambda to=to: (worker.c.open, worker.c.closing, worker.c.opening) == (to, 0, 0))
            assert worker.c.wanted == to
        assert len(server.live) == 7
        c = await worker.drained()
        assert c.sent == c.matched > 0
        assert c.attempted == 20 + 7 + 7
        assert server.ends == {"close 1000": 34}


async def test_a_worker_owns_its_share_of_the_clients() -> None:
    async with Server() as server, worker_at(server.url, worker=1, workers=3) as worker:
        worker.handle(Ramp(11, 0))
        await until(lambda: worker.c.open == 4)
        assert sorted(client.number for client in worker._live.values()) == [1, 4, 7, 10]
        await worker.drained()


async def test_a_number_that_is_taken_again_before_its_first_client_is_gone_loses_neither() -> None:
    async with Late(delay_s=0.5) as server, worker_at(server.url) as worker:
        worker.handle(Ramp(6, 0))
        await until(lambda: worker.c.sent >= 12)
        worker.handle(Ramp(0, 0))  # each waits for its replies before it closes
        worker.handle(Ramp(6, 0))
        await until(lambda: worker.c.ready == 12)
        await until(lambda: worker.c.closed == 6)
        await until(lambda: worker.c.closing == 0)
        assert worker.c.open == 6
        c = await worker.drained()
        assert c.sent == c.matched + c.reply_timeouts
        assert server.ends == {"close 1000": 12}


async def test_clients_that_retire_before_their_upgrade_is_answered_time_out_as_all_others_do() -> None:
    async with Silent() as server, worker_at(server.url, timeout_ns=1 * S) as worker:
        worker.handle(Ramp(6, 0))
        await until(lambda: server.accepted == 6)
        worker.handle(Ramp(2, 0))
        await until(lambda: worker.c.timed_out == 6)
        assert (await worker.drained()).drained == 0


async def test_clients_that_never_were_count_against_the_ramp_that_asked_for_them() -> None:
    async with Rationing() as server, worker_at(server.url) as worker:
        worker.handle(Ramp(10, 0))
        await until(lambda: worker.c.ready + worker.c.refused == 10)
        assert worker.c.open == 5
        worker.handle(Ramp(4, 0))
        await until(lambda: worker.c.closed == 3)
        assert worker.c.open == 2
        await worker.drained()


async def test_a_pause_stops_sends_and_keeps_connections() -> None:
    async with Server() as server, worker_at(server.url, every_ns=20 * MS) as worker:
        worker.handle(Ramp(8, 0))
        await until(lambda: worker.c.matched > 20)
        worker.handle(Pause())
        sent = worker.c.sent
        await until(lambda: worker.c.matched == sent)
        await asyncio.sleep(0.6)
        assert worker.c.sent == sent and len(server.live) == 8
        worker.handle(Resume())
        await until(lambda: worker.c.sent > sent + 20)
        c = await worker.drained()
        assert c.sent == c.matched
        # The schedule stood still as a whole: nothing was due in the pause, so nothing is late after it.
        assert worker.tally.send_delay.high < 500 * MS


async def test_a_ramp_stands_still_in_a_pause() -> None:
    async with Server() as server, worker_at(server.url) as worker:
        worker.handle(Ramp(1000, 10 * S))
        await until(lambda: worker.c.open >= 10)
        worker.handle(Pause())
        await until(lambda: worker.c.opening == 0)
        await asyncio.sleep(0.05)
        wanted = worker.c.wanted
        await asyncio.sleep(0.15)
        assert worker.c.wanted == worker.c.open == wanted
        worker.handle(Resume())
        await until(lambda: worker.c.open > wanted + 10)
        # Ten seconds to a thousand is a hundred a second: the pause was not caught up with.
        assert worker.c.wanted < wanted + 150
        await worker.drained()


async def test_a_pause_in_a_closed_loop_ends_with_every_loop_going_on() -> None:
    async with Server() as server, worker_at(server.url, every_ns=0) as worker:
        worker.handle(Ramp(4, 0))
        await until(lambda: worker.c.matched > 50)
        worker.handle(Pause())
        sent = worker.c.sent
        await until(lambda: worker.c.matched == sent)
        await asyncio.sleep(0.05)
        assert worker.c.sent == sent
        worker.handle(Resume())
        await until(lambda: worker.c.sent > sent + 50)
        assert all(len(client.pending) <= 1 for client in worker._live.values())
        await worker.drained()


async def test_the_pace_can_be_changed_to_a_closed_loop_and_back() -> None:
    async with Late(delay_s=0.06) as server, worker_at(server.url, every_ns=20 * MS) as worker:
        worker.handle(Ramp(3, 0))
        await until(lambda: worker.c.matched > 10)
        assert any(len(client.pending) > 1 for client in worker._live.values())
        worker.handle(Pace(0))
        await until(lambda: all(len(client.pending) <= 1 for client in worker._live.values()))
        matched = worker.c.matched
        await until(lambda: worker.c.matched > matched + 10)
        assert all(len(client.pending) <= 1 for client in worker._live.values()), "one in flight for each client"
        worker.handle(Pace(3600 * S))
        await until(lambda: not any(client.pending for client in worker._live.values()))
        sent = worker.c.sent
        await asyncio.sleep(0.1)
        assert worker.c.sent == sent
        worker.handle(Pace(10 * MS))
        await until(lambda: worker.c.sent > sent + 10)
        await worker.drained()


async def test_a_pause_in_the_middle_of_a_burst_keeps_its_rest_for_later() -> None:
    # All numbers are the same modulo the grid when the interval is long: force one bucket by asking at once.
    async with Server() as server, worker_at(server.url, every_ns=3600 * S) as worker:
        worker.handle(Ramp(40, 0))
        await until(lambda: worker.c.open == 40)
        pacer = worker._pacer
        pacer._wheel.clear()
        for client in worker._live.values():
            client.next_ns = pacer.clock()
            pacer._wheel.add(client.next_ns, client)
        pacer._arm()
        while not 0 < worker.c.sent < 40:
            await asyncio.sleep(0)
        worker.handle(Pause())
        sent = worker.c.sent
        await asyncio.sleep(0.05)
        assert worker.c.sent == sent < 40
        worker.handle(Resume())
        await until(lambda: worker.c.sent == 40)
        c = await worker.drained()
        assert c.matched == 40


async def test_the_first_message_of_a_closed_loop_is_due_when_its_client_is_ready() -> None:
    settings = {"exchange": "echo", "ready": "open", "every_ns": 0, "settle_ns": 600 * MS}
    async with Server() as server, worker_at(server.url, **settings) as worker:
        worker.handle(Ramp(1, 0))
        await until(lambda: worker.c.matched > 10)
        await worker.drained()
        assert worker.tally.send_delay.high < 500 * MS


async def test_a_drain_gives_every_message_its_time_and_counts_it() -> None:
    async with Losing(every=1) as server, worker_at(server.url, reply_timeout_ns=600 * MS) as worker:
        worker.handle(Ramp(5, 0))
        await until(lambda: worker.c.sent > 20)
        c = await worker.drained(600 * MS)
        assert c.sent == c.reply_timeouts


async def test_a_reply_that_comes_at_the_timeout_is_late_whether_or_not_anybody_looked() -> None:
    timeout = 120 * MS
    async with (
        Late(delay_s=0.15) as server,
        worker_at(server.url, reply_timeout_ns=timeout, every_ns=30 * MS) as worker,
    ):
        worker.handle(Ramp(30, 0))
        await until(lambda: worker.c.late > 100)
        c = await worker.drained()
        assert c.matched == 0, "between the timeout and the look at it nothing counts as answered"
        assert c.reply_timeouts == c.sent
        assert worker.tally.round_trip.count == 0
        assert c.unmatched == c.duplicates == 0


async def test_a_closed_loop_goes_on_after_a_timeout() -> None:
    async with Losing(every=3) as server, worker_at(server.url, reply_timeout_ns=100 * MS, every_ns=0) as worker:
        worker.handle(Ramp(2, 0))
        await until(lambda: worker.c.reply_timeouts >= 6)
        c = await worker.drained()
        assert c.sent == c.matched + c.reply_timeouts
        assert c.matched > 6


async def test_a_late_pong_that_names_no_number_breaks_nothing() -> None:
    class WrongTimestamps(Late):
        def pong(self, client: Any, timestamp: int) -> None:
            client.send(b'{"type":"pong","originalTimestamp":{"a":[]}}')
            client.send(b'{"type":"pong","originalTimestamp":[1]}')
            super().pong(client, timestamp)

    async with WrongTimestamps(delay_s=0.25) as server, worker_at(server.url, reply_timeout_ns=100 * MS) as worker:
        worker.handle(Ramp(2, 0))
        await until(lambda: worker.c.late > 4)
        assert worker.c.dropped == 0
        assert worker.c.unmatched >= 2 * worker.c.late
        await worker.drained()


async def test_a_connection_that_settles_longer_than_the_connect_timeout_still_becomes_ready() -> None:
    settings = {"ready": "open", "settle_ns": 400 * MS, "timeout_ns": 200 * MS, "exchange": "listen"}
    async with Server(welcome=False) as server, worker_at(server.url, **settings) as worker:
        worker.handle(Ramp(3, 0))
        await until(lambda: worker.c.ready == 3)
        assert worker.tally.connect.high < 200 * MS, "settling is not part of the time to connect"
        await worker.drained()


async def test_an_abort_closes_nothing_properly_and_counts_what_it_cut_off() -> None:
    async with Late(delay_s=5) as server, worker_at(server.url) as worker:
        worker.handle(Ramp(5, 0))
        await until(lambda: worker.c.sent > 10)
        worker.handle(Abort())
        await asyncio.wait_for(worker.ended_event.wait(), PATIENCE_S)
        await until(lambda: sum(server.ends.values()) == 5)
        assert server.ends == {"lost": 5}


@pytest.mark.parametrize("way", [Abort(), Drain(0)])
async def test_the_last_snapshot_knows_what_was_in_flight_on_each_dropped_connection(way: Abort | Drain) -> None:
    async with Mute() as server, worker_at(server.url, close_timeout_ns=0, reply_timeout_ns=60 * S) as worker:
        worker.handle(Ramp(5, 0))
        await until(lambda: worker.c.open == 5 and worker.c.sent > 10)
        worker.handle(way)
        # A tick may come before the transports could say that they are gone.
        worker._do_tick(time.monotonic_ns())
        assert not worker.ended_event.is_set()
        await asyncio.wait_for(worker.ended_event.wait(), PATIENCE_S)
        last = worker.said[-1].totals.counters
        assert last.abandoned == last.sent > 10
        assert (last.open, last.closing) == (0, 0)


async def test_an_abort_cuts_a_drain_short() -> None:
    async with Stubborn() as server, worker_at(server.url, close_timeout_ns=600 * S) as worker:
        worker.handle(Ramp(5, 0))
        await until(lambda: worker.c.open == 5)
        worker.handle(Drain(S))
        await until(lambda: worker.c.closing == 5)
        worker.handle(Abort())
        await asyncio.wait_for(worker.ended_event.wait(), PATIENCE_S)


async def test_snapshots_are_numbered_cumulative_and_come_five_times_a_second() -> None:
    async with Server() as server, worker_at(server.url) as worker:
        worker.handle(Ramp(5, 0))
        begun = time.monotonic()
        await until(lambda: len(worker.said) >= 6)
        assert time.monotonic() - begun < 30
        await worker.drained()
        assert [s.sequence for s in worker.said] == sorted(s.sequence for s in worker.said)
        at = [s.totals.at_ns for s in worker.said]
        assert at == sorted(at)


async def test_no_more_attempts_are_in_flight_than_allowed() -> None:
    async with Silent() as server, worker_at(server.url, in_flight=5) as worker:
        worker.handle(Ramp(100, 0))
        await until(lambda: server.accepted == 5)
        await asyncio.sleep(0.1)
        assert (server.accepted, worker.c.opening, worker.c.attempted) == (5, 5, 5)


async def test_clients_come_from_every_local_address_in_turn() -> None:
    async with GuestBook() as server, worker_at(server.url, local_addresses=["127.0.0.2-127.0.0.3"]) as worker:
        worker.handle(Ramp(6, 0))
        await until(lambda: worker.c.open == 6)
        await worker.drained()
    seen = sorted(client.writer.get_extra_info("peername")[0] for client in server.came)
    assert seen == ["127.0.0.2"] * 3 + ["127.0.0.3"] * 3


@pytest.mark.parametrize("address", ["203.0.113.9", "::1"])
async def test_an_address_that_is_not_ours_is_our_own_failure(address: str) -> None:
    async with Server() as server, worker_at(server.url, local_addresses=[address]) as worker:
        worker.handle(Ramp(2, 0))
        await until(lambda: worker.c.failed == 2)
        (group,) = worker.tally.failures.groups()
        assert group.local and address in group.message


async def test_localhost_finds_the_family_on_which_the_server_listens() -> None:
    async with Server() as server, worker_at(f"ws://localhost:{server.port}/ws") as worker:
        worker.handle(Ramp(2, 0))
        await until(lambda: worker.c.ready == 2)
        await worker.drained()


async def test_source_addresses_choose_the_family_of_a_name_that_has_both() -> None:
    async with Server() as server:
        other = await asyncio.start_server(lambda _, writer: writer.close(), "::1", server.port)
        async with other, worker_at(f"ws://localhost:{server.port}/ws", local_addresses=["127.0.0.2"]) as worker:
            worker.handle(Ramp(2, 0))
            await until(lambda: worker.c.ready + worker.c.failed == 2)
            assert worker.c.failed == 0
            await worker.drained()


async def test_the_token_travels_as_told_and_each_client_has_its_own() -> None:
    jwt = {"kind": "jwt", "secret": "s" * 32}
    for settings in (
        {**jwt, "send_as": "query"},
        {**jwt, "send_as": "header"},
        {"kind": "token", "token": "a b&c", "send_as": "query"},
        {"kind": "token", "token": "abc", "send_as": "subprotocol", "subprotocols": ["odin.v1"]},
    ):
        async with GuestBook() as server, worker_at(server.url, **settings) as worker:
            worker.handle(Ramp(3, 0))
            await until(lambda worker=worker: worker.c.ready == 3)
            await worker.drained()
        paths = {client.path for client in server.came}
        headers = [client.headers for client in server.came]
        if settings["send_as"] == "query" and settings["kind"] == "jwt":
            assert len(paths) == 3 and all(b"?token=ey" in path for path in paths)
        elif settings["send_as"] == "header":
            assert len({h[b"authorization"] for h in headers}) == 3 and paths == {b"/ws"}
        elif settings["send_as"] == "query":
            assert paths == {b"/ws?token=a+b%26c"}
        else:
            assert {h[b"sec-websocket-protocol"] for h in headers} == {b"odin.v1, abc"}


def test_what_this_machine_lacks_is_never_the_servers_failure() -> None:
    import errno

    for number in (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM):
        assert cause_of(OSError(number, "x")).local
    for error in (ConnectionResetError(errno.ECONNRESET, "x"), TimeoutError(), BrokenPipeError(errno.EPIPE, "x")):
        assert not cause_of(error).local
    assert cause_of(ConnectionRefusedError(errno.ECONNREFUSED, "x")) == Cause("connect", "connection refused")
    assert not cause_of(OSError("no address answered")).local
    assert cause_of(KeyError("x")) == Cause("internal", "KeyError: 'x'", local=True), "a mistake of our own"


async def test_a_host_that_cannot_be_resolved_fails_every_attempt_in_the_same_words() -> None:
    async with worker_at("ws://nowhere.invalid/") as worker:
        worker.handle(Ramp(3, 0))
        await until(lambda: worker.c.failed == 3)
        (group,) = worker.tally.failures.groups()
        assert (group.kind, group.count, group.local) == ("dns", 3, False)


async def test_a_generator_that_stands_still_counts_its_own_delay_and_catches_up() -> None:
    async with Server() as server, worker_at(server.url, every_ns=50 * MS) as worker:
        worker.handle(Ramp(4, 0))
        await until(lambda: worker.c.matched > 8)
        await until(lambda: worker.c.sent == worker.c.matched)
        before, begun = worker.c.sent, time.monotonic()
        time.sleep(0.4)  # noqa: ASYNC251 - the loop stands still
        await until(lambda: worker.c.sent - before >= 4 * 8)
        lasted = time.monotonic() - begun
        c = await worker.drained()
        assert c.sent == c.matched
        # Response times count from when a message was due, round trips from when it was written.
        assert worker.tally.response.high > 300 * MS
        assert worker.tally.send_delay.high > 300 * MS
        assert worker.tally.round_trip.high < worker.tally.response.high - 100 * MS
        assert c.late_sends >= 4 * 6
        # Nothing that was due is left out, and nothing is sent twice.
        assert c.sent - before <= 4 * (lasted / 0.05 + 3)


async def test_a_peer_that_does_not_read_leaves_little_in_our_memory() -> None:
    async with Deaf() as server:
        settings = {"exchange": "echo", "size": 256 * 1024, "every_ns": 5 * MS, "reply_timeout_ns": 300 * MS}
        async with worker_at(server.url, **settings) as worker:
            worker.handle(Ramp(2, 0))
            await until(lambda: worker.c.sent > 200)
            held = [client.transport.get_write_buffer_size() for client in worker._live.values() if client.transport]
            assert len(held) == 2 and max(held) < 1 << 20
            await until(lambda: worker.c.reply_timeouts > 100)
            assert worker.c.bytes_sent < worker.c.sent * 256 * 1024 / 2, "what was not written was not sent"


async def test_every_client_sends_at_its_own_time_and_keeps_to_it() -> None:
    arrivals: dict[int, list[int]] = {}

    class NotingPings(Server):
        async def ping(self, client: Any, timestamp: int) -> None:
            arrivals.setdefault(client.number, []).append(timestamp)
            await super().ping(client, timestamp)

    every = 100 * MS
    async with NotingPings() as server, worker_at(server.url, every_ns=every) as worker:
        worker.handle(Ramp(10, 0))
        await until(lambda: len(arrivals) == 10 and min(map(len, arrivals.values())) >= 8)
        due = {client.number: client.next_ns % every for client in worker._live.values()}
        assert due == {number: phase(number, every) for number in range(10)}, "no drift, whatever came in between"
        await worker.drained()


async def test_attempts_that_fail_make_room_for_the_next() -> None:
    async with Refusing() as refusing, worker_at(refusing.url, in_flight=3) as worker:
        worker.handle(Ramp(20, 0))
        await until(lambda: worker.c.refused == 20)
    async with worker_at("ws://127.0.0.1:1/", in_flight=3) as worker:
        worker.handle(Ramp(20, 0))
        await until(lambda: worker.c.failed == 20)
    async with Gatekeeper() as gate, worker_at(gate.url, in_flight=3) as worker:
        worker.handle(Ramp(20, 0))
        await until(lambda: worker.c.refused == 20)
        assert worker._connector.in_flight == 0
    async with Silent() as silent, worker_at(silent.url, in_flight=3, timeout_ns=50 * MS) as worker:
        worker.handle(Ramp(12, 0))
        await until(lambda: worker.c.timed_out == 12)
        assert worker._connector.in_flight == 0


async def test_attempts_start_a_few_in_a_pass_and_one_by_one_while_sends_are_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Server() as server, worker_at(server.url) as worker:
        worker.handle(Ramp(50, 0))
        assert worker.c.attempted == CONNECTS_A_PASS, "sends and replies get their turn in between"
        await until(lambda: worker.c.open == 50)
        monkeypatch.setattr(Pacer, "is_behind", True)
        worker.handle(Ramp(90, 0))
        assert worker.c.attempted == 50 + CONNECTS_BEHIND
        await until(lambda: worker.c.open == 90)


def test_sends_of_a_pass_grow_with_lateness_and_stay_few_in_time() -> None:
    assert [sends_a_pass(late) for late in (0, MS, 2 * MS, 3 * MS, 1000 * MS)] == [4, 4, 32, 48, 64]


async def test_a_burst_that_the_loop_could_not_send_is_late() -> None:
    async with Server() as server, worker_at(server.url, every_ns=200 * MS) as worker:
        worker.handle(Ramp(3, 0))
        await until(lambda: worker.c.open == 3)
        pacer = worker._pacer
        pacer._bucket, pacer._index, pacer._due_ns = [*worker._live.values()], 1, pacer.clock()
        behind = [pacer.is_behind]
        time.sleep(0.005)  # noqa: ASYNC251 - the loop stands still in the middle of a burst
        behind.append(pacer.is_behind)
        pacer._index = 3
        behind.append(pacer.is_behind)
        assert behind == [False, True, False], "in time, late, all of it sent"


async def test_who_is_missing_when_a_stage_begins_comes_now_and_not_along_the_next_line() -> None:
    """The operator's clock ends a ramp some milliseconds before or after a worker's own does."""
    async with Server() as server, worker_at(server.url) as worker:
        worker.handle(Ramp(30, 3600 * S))
        await until(lambda: worker.c.ready == 1)  # the first comes at once
        worker.handle(Ramp(30, 3600 * S, reached=True))
        await until(lambda: worker.c.ready == 30)
        worker.handle(Ramp(60, 3600 * S))
        worker.handle(Ramp(90, 3600 * S))  # by the operator, on the way: from where it is
        await until(lambda: worker.c.wanted == 32)
