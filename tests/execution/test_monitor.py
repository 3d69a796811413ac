"""The target's own account through a run: its memory, its health and its counts held against the clients'."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time

import pytest

from tests.execution.running import finish, scenario
from tests.servers.server import Server, until
from wstui.execution.run.commands import CompletePlan
from wstui.execution.run.run import Run
from wstui.execution.run.status import TargetHealth
from wstui.execution.run.target import endpoint_poller, monitor
from wstui.execution.run.target.endpoint_poller import EndpointPoller
from wstui.execution.run.target.monitor import ClientView, Poll, TargetWatch
from wstui.execution.run.target.reported_metrics import Claims, EndpointAnswer, read_claims
from wstui.measure.format import grouped
from wstui.odin.faults import parse_faults
from wstui.odin.nats_server import NatsServer
from wstui.odin.server import OdinServer
from wstui.odin.server_settings import AuthMode, ServerSettings
from wstui.report.formats.console import summary
from wstui.scenario.model import Threshold

MIB = float(1 << 20)


class Told:
    """A watch that is told what it would have asked."""

    def __init__(self, gate: bool = False) -> None:
        self.marks: list[str] = []
        self.at_s = itertools.count(0.0, 5.0)
        self.watch = TargetWatch(
            EndpointPoller("http://127.0.0.1:1"), lambda: ClientView(0, 0, 0, 0, 0), self.marks.append, gate=gate
        )

    def poll(
        self,
        state: str = "healthy",
        *,
        down: bool = False,
        clients: int = 100,
        wanted: int | None = None,
        claimed: float | None = None,
        delivered: float | None = None,
        received: int = 0,
        personal: int = 0,
        mib: float | None = None,
    ) -> None:
        claims = Claims(TargetHealth(state), down, claimed, delivered, None if mib is None else mib * MIB)
        self.watch.take(Poll(claims, ClientView(next(self.at_s), wanted or clients, clients, received, personal)))


def test_memory_growth_is_told_of_a_steady_load_only() -> None:
    told = Told()
    for clients in range(0, 100, 10):
        told.poll(clients=clients, mib=50 + clients)
    growth = told.watch.growth
    assert growth is None
    for step in range(13):  # a minute, 0.1 MiB every 5 s
        told.poll(mib=150 + 0.1 * step + (30 if step == 5 else 0))
        assert (told.watch.growth is not None) == (step == 12), "a minute at least"
    assert told.watch.growth is not None
    assert (told.watch.growth.per_hour, told.watch.growth.steady_s) == pytest.approx((72, 60))
    assert 0 < told.watch.growth.uncertainty < 100, "one sample of thirteen is far off"
    told.poll(clients=0, mib=60)  # everybody has left
    seen = told.watch.summary()
    assert seen is not None
    assert seen.memory_growth_mib_per_hour == pytest.approx(72) and seen.memory_steady_s == 60
    assert (seen.memory_first_mib, seen.memory_last_mib) == (50, 60)


def test_a_short_look_makes_no_leak_of_an_allocator_that_takes_a_page() -> None:
    told = Told()
    for step in range(15):
        told.poll(mib=40 + 0.05 * step)
    assert told.watch.growth is not None and told.watch.growth.per_hour == 0
    for step in range(15, 30):
        told.poll(mib=40 + 0.05 * step)
    assert told.watch.growth is not None
    assert told.watch.growth.per_hour == pytest.approx(36) and told.watch.growth.uncertainty < 1e-6


def test_a_day_of_polls_fills_no_memory_and_tells_the_growth_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "POLLS_MOST", 50)  # a day has 17 280: what is kept of fewer shows the same
    told = Told()
    for step in range(500):
        told.poll(mib=50 + 0.1 * step)
        assert len(told.watch._polls) <= 50
    seen = told.watch.summary()
    assert seen is not None and seen.polls == 500
    assert (seen.memory_first_mib, seen.memory_last_mib) == pytest.approx((50, 99.9))
    assert seen.memory_growth_mib_per_hour == pytest.approx(72, rel=0.05)


def test_a_gate_closes_at_once_when_the_target_says_so_itself() -> None:
    told = Told(gate=True)
    told.poll()
    assert told.watch.stop_reason() == ""
    told.poll("unhealthy", down=True)
    assert "unhealthy" in told.watch.stop_reason()


@pytest.mark.parametrize("state", ["degraded", "unhealthy"])
def test_a_gate_bears_a_bad_moment_and_not_a_bad_stretch(state: str) -> None:
    told, open_gate = Told(gate=True), Told()
    for word in (state, state, "healthy", state, state):
        told.poll(word)
        open_gate.poll(word)
        assert told.watch.stop_reason() == ""
    told.poll(state)
    open_gate.poll(state)
    assert "3 polls in a row" in told.watch.stop_reason()
    assert open_gate.watch.stop_reason() == ""
    assert told.marks == [f"target {state} → healthy", f"target healthy → {state}"]


@pytest.mark.parametrize(("false", "worst"), [(140, 141), (0, 0), (-1, -1)])
def test_a_false_count_of_connections_is_marked_once(false: int, worst: int) -> None:
    told = Told()
    for claimed in (100, false, 100, false, false, worst, false):
        told.poll(claimed=claimed)
    assert told.marks == [f"the target claims {grouped(false)} connections, clients hold 100"]
    seen = told.watch.summary()
    assert seen is not None
    assert (seen.connections_claimed, seen.connections_open) == (worst, 100)


def test_a_client_that_came_a_moment_later_is_no_lasting_difference() -> None:
    told = Told()
    for clients in (18, 19, 20, 20, 20):
        told.poll(clients=clients, wanted=20, claimed=20)
    seen = told.watch.summary()
    assert seen is not None and (seen.connections_claimed, seen.connections_open) == (20, 20)


def test_connections_that_end_during_the_last_poll_are_no_difference() -> None:
    told = Told()
    for _ in range(3):
        told.poll(claimed=100)
    told.poll(claimed=0)  # they have left, and the clients' own counts are not there yet
    told.poll(clients=0, claimed=0)
    seen = told.watch.summary()
    assert seen is not None and (seen.connections_claimed, seen.connections_open) == (100, 100)


def test_connections_are_not_compared_while_clients_come() -> None:
    told = Told()
    for clients in range(100, 1000, 100):
        told.poll(clients=clients, claimed=clients + 90)
    assert told.marks == []


@pytest.mark.parametrize("personal", [0, 5000])
def test_deliveries_that_no_client_saw_are_marked(personal: int) -> None:
    told = Told()
    told.poll(clients=10, delivered=1000)
    told.poll(clients=10, delivered=6000, received=5000 + personal, personal=personal)
    assert told.marks == []
    told.poll(clients=10, delivered=12_000, received=10_000 + personal, personal=personal)
    assert told.marks == ["the target claims 11 000 deliveries, clients received 10 000"]
    seen = told.watch.summary()
    assert seen is not None
    assert (seen.delivered_claimed, seen.delivered_received) == (11_000, 10_000)
    assert seen.differences == told.marks


def test_a_target_that_counts_replies_as_deliveries_agrees_too() -> None:
    told = Told()
    told.poll(clients=10, delivered=0)
    told.poll(clients=10, delivered=9000, received=9000, personal=4000)
    assert told.marks == []


def test_claims_in_any_shape_are_read_or_left_out() -> None:
    odd = EndpointAnswer(
        200,
        {"status": 7, "websocket": [], "processes": "none", "nats": {}, "rssBytes": "12.5", "connectionCount": "NaN"}
        | {"messagesDelivered": 10**400},
    )
    claims = read_claims(odd, odd, odd, 5)
    assert claims.shown.state == "unknown"
    assert (claims.connections, claims.delivered, claims.resident) == (None, None, 12.5)
    assert read_claims(EndpointAnswer(200, {"status": "DOWN"}), EndpointAnswer(404), EndpointAnswer(404), 0).down
    strange = read_claims(EndpointAnswer(200, {"status": "Wobbly\x1b"}), EndpointAnswer(404), EndpointAnswer(404), 0)
    assert strange.shown.state == "unknown" and strange.shown.note.startswith("'wobbly") and not strange.down
    assert "\x1b" not in strange.shown.note
    assert (
        read_claims(EndpointAnswer(200, {"status": "UP"}), EndpointAnswer(404), EndpointAnswer(404), 0).shown.state
        == "healthy"
    )
    missing = EndpointAnswer(404)
    assert read_claims(missing, missing, missing, 0).shown.state == "not offered"
    assert (
        read_claims(EndpointAnswer(fault="timed out"), EndpointAnswer(), EndpointAnswer(), 0).shown.state == "unhealthy"
    )


@pytest.mark.parametrize("begun", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n{"], ids=["head", "body"])
async def test_an_answer_that_comes_byte_by_byte_and_never_ends_is_given_up(
    begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_poller, "TIMEOUT_S", 0.2)

    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        with contextlib.suppress(OSError), contextlib.closing(writer):
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server, asyncio.timeout(10):
        port = server.sockets[0].getsockname()[1]
        claims = await EndpointPoller(f"http://127.0.0.1:{port}").ask(0)
        assert "timed out" in claims.shown.note
        server.close()


@pytest.mark.parametrize("status", [404, 426])
async def test_a_target_without_endpoints_that_falls_silent_is_not_unhealthy_by_its_own_account(status: int) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno" % status)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server, asyncio.timeout(10):
        poller = EndpointPoller(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        assert (await poller.ask(0)).shown.state == "not offered"
        server.close()
    assert (await poller.ask(0)).shown.state == "not offered"


async def polled(run: Run, times: int) -> None:
    """Wait until the target was compared with all 20 clients, and was asked so often since."""

    def polls() -> int:
        target = run.status.result.target
        return target.polls if target is not None and target.connections_open == 20 else 0

    await until(lambda: polls() > 0)
    first = polls()
    await until(lambda: polls() >= first + times)


async def test_a_server_whose_counters_lie_is_caught_and_an_honest_one_is_not() -> None:
    found = {}
    for faults in ((), ("lie",)):
        told = parse_faults(list(faults), 0)
        async with OdinServer(ServerSettings(port=0, auth=AuthMode.OFF, faults=told), None) as server:

            async def talk(server: OdinServer = server) -> None:
                for number in itertools.count():
                    server.hub.broadcast(b'{"type":"price:update","n":%d}' % number)
                    await asyncio.sleep(0.02)

            talking = asyncio.create_task(talk())
            url = f"ws://127.0.0.1:{server.port}/ws"
            run = Run(scenario(url, clients=20, hold=60, every=0.5, health="auto", health_every=0.1))
            running = asyncio.create_task(finish(run))
            await polled(run, 5)
            if faults:  # so many that a lie is no matter of when each side was asked
                await until(lambda run=run: run.status.counters.received > 5000)
            run.send(CompletePlan())
            found[faults] = (await running).result
            talking.cancel()
    honest, lying = found[()], found[("lie",)]
    assert honest.target is not None and honest.target.differences == []
    assert honest.target.delivered_claimed == pytest.approx(honest.target.delivered_received, rel=0.25, abs=50)
    assert "connections claimed / open 20 / 20" in summary(honest) and "deliveries claimed" in summary(honest)
    assert lying.target is not None
    assert any("deliveries" in text for text in lying.target.differences), lying.target
    assert "the target claims -1 connections, clients hold 20" in lying.target.differences
    assert any("deliveries" in event.text for event in lying.events if event.kind == "health")
    assert "deliveries" in summary(lying)


async def test_the_run_drains_when_its_target_stays_degraded() -> None:
    async with (
        NatsServer() as broker,
        OdinServer(ServerSettings(port=0, auth=AuthMode.OFF, nats_url=broker.url), None) as server,
    ):
        assert await server.wait_for_nats(60)
        url = f"ws://127.0.0.1:{server.port}/ws"
        run = Run(scenario(url, clients=5, hold=60, health="auto", health_every=0.2, health_gate=True))
        running = asyncio.create_task(finish(run))
        await until(lambda: run.status.target is not None and run.status.counters.open == 5)
        assert run.status.target is not None and run.status.target.state == "healthy"
        await broker.stop()
        finished = await running
    result = finished.result
    assert not result.passed
    assert result.verdict.reason == "stopped: the target was degraded in 3 polls in a row"
    assert ("health", "target healthy → degraded") in finished.marks
    assert finished.counters.closed == 5, "each connection was closed in order"
    assert result.target is not None and result.target.troubled >= 3


async def test_memory_is_a_metric_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "STEADY_LEAST_S", 0.5)
    limit = Threshold(metric="target.memory_growth", limit="< 1000000MiB/h")
    async with OdinServer(ServerSettings(port=0, auth=AuthMode.OFF), None) as server:
        url = f"ws://127.0.0.1:{server.port}/ws"
        finished = await finish(scenario(url, clients=5, hold=2, health="auto", health_every=0.2, thresholds=[limit]))
        silent = await finish(scenario(url, clients=5, hold=0.4, thresholds=[limit]))
    assert finished.result.passed, finished.result.verdict.reason
    assert finished.result.target is not None and finished.result.target.memory_growth_mib_per_hour is not None
    assert "MiB" in summary(finished.result)
    assert not silent.result.passed and "never measured" in silent.result.verdict.reason


async def test_a_target_whose_memory_grows_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "STEADY_LEAST_S", 0.5)
    begun = time.monotonic()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        resident = int(64 * MIB + (time.monotonic() - begun) * MIB)  # a MiB a second
        body = b'{"status":"healthy","rssBytes":%d}' % resident
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    limit = Threshold(metric="target.memory_growth", limit="< 100MiB/h")
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as leaking, Server() as server:
        base = f"http://127.0.0.1:{leaking.sockets[0].getsockname()[1]}"
        finished = await finish(
            scenario(server.url, clients=3, hold=2, health=base, health_every=0.1, thresholds=[limit])
        )
    (outcome,) = finished.result.verdict.thresholds
    assert outcome.passed is False and outcome.value == pytest.approx(3600, rel=0.5)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (" OK\n", "healthy"),
        (True, "healthy"),
        (200, "healthy"),
        (None, "healthy"),
        (False, "unhealthy"),
        (503, "unknown"),
        ({"code": "x"}, "unknown"),
        (["ok"], "unknown"),
        ("starting", "unknown"),
    ],
)
def test_only_a_status_that_is_known_is_healthy(status: object, state: str) -> None:
    missing = EndpointAnswer(404)
    assert read_claims(EndpointAnswer(200, {"status": status}), missing, missing, 0).shown.state == state
