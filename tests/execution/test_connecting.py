"""Attempts that end badly: each is counted once, under the kind that it is, and the run ends on time."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any

from tests.execution.running import Finished, finish, scenario, together
from tests.servers.failing_handshake import (
    Dripping,
    Eager,
    Gatekeeper,
    HalfDeaf,
    HangingUp,
    Mumbling,
    Rationing,
    Refusing,
    Resetting,
    Secured,
    Silent,
    Speechless,
    WrongKey,
)
from tests.servers.server import Server, until
from wstui.report.analysis.diagnosis import findings
from wstui.scenario.model import Threshold

CLIENTS = 8


async def against(server: Server, *, settled: bool = True, **settings: object) -> Finished:
    async with server:
        settings = {"clients": CLIENTS, "hold": 0.5, "ramp": 0.1, **settings}
        finished = await finish(scenario(server.url, **settings), settled=settled)  # type: ignore[arg-type]
    assert finished.counters.attempted == CLIENTS, "a client that was turned away is not tried again"
    return finished


def nobody(finished: Finished, outcome: str, kind: str) -> None:
    """Nobody became ready, and all for the same reason."""
    assert getattr(finished.counters, outcome) == CLIENTS
    assert finished.failures == {kind: CLIENTS}
    assert finished.result.verdict.unreachable and not finished.result.passed
    assert finished.counters.sent == 0
    assert finished.result.latency_ms.response.mean is None
    assert finished.result.connections.success_rate == 0


async def test_a_closed_port_a_reset_and_a_hang_up_are_failures_of_the_connection() -> None:
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # not listening
        port = taken.getsockname()[1]
        closed, reset, gone, broken = await together(
            finish(scenario(f"ws://127.0.0.1:{port}/", clients=CLIENTS, hold=0.3)),
            against(HangingUp(reset=True)),
            against(HangingUp()),
            against(Resetting()),
        )
    nobody(closed, "failed", "connect")
    assert closed.messages == ["connection refused"]
    nobody(reset, "failed", "reset")
    nobody(gone, "failed", "handshake")
    assert gone.messages == ["connection closed before the answer to the upgrade"]
    nobody(broken, "failed", "reset")


async def test_an_answer_other_than_101_is_a_refusal_by_its_status() -> None:
    unauthorized, forbidden, absent, busy = await together(
        against(Refusing(status=b"401 Unauthorized", body=b'{"error":"token\x1b[2J expired"}')),
        against(Refusing(status=b"403")),
        against(Refusing(status=b"404 Not Found", body=b"x" * 100_000)),
        against(Refusing(status=b"503 Service Unavailable", headers=(b"Retry-After: 120",), body=b"later")),
    )
    nobody(unauthorized, "refused", "http 401")
    assert unauthorized.details[0] == '{"error":"token\\x1b[2J expired"}'
    nobody(forbidden, "refused", "http 403")
    assert forbidden.messages == ["HTTP 403"]
    nobody(absent, "refused", "http 404")
    assert len(absent.details[0]) <= 200
    nobody(busy, "refused", "http 503")
    assert busy.details[0] == "retry-after 120 · later"


async def test_a_server_that_never_answers_costs_the_connect_timeout_and_no_more() -> None:
    silent, speechless, half = await together(
        against(Silent(), connect_timeout=0.7, hold=1.5),
        against(Speechless(), connect_timeout=0.7, hold=1.5),
        against(Mumbling(words=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso"), connect_timeout=0.7, hold=1.5),
    )
    nobody(silent, "timed_out", "connect timeout")
    assert silent.messages == ["no answer to the upgrade within 0.7 s"]
    nobody(speechless, "timed_out", "connect timeout")
    assert speechless.messages == ["no welcome within 0.7 s"]
    nobody(half, "timed_out", "connect timeout")


async def test_a_run_ends_once_the_connect_timeout_is_over_though_nothing_is_answered() -> None:
    (finished,) = await together(against(Silent(), settled=False, connect_timeout=2.0, hold=0.5))
    nobody(finished, "timed_out", "connect timeout")
    assert finished.result.duration_s < 60


async def test_what_is_no_upgrade_is_a_failed_handshake() -> None:
    garbage, partial, huge, wrong = await together(
        against(Mumbling(words=b"SSH-2.0-OpenSSH_9.9\r\n")),
        against(Mumbling(words=b"\x00" * 10)),
        against(Mumbling(words=b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"y" * 70_000)),
        against(WrongKey()),
    )
    nobody(garbage, "failed", "handshake")
    assert garbage.messages == ["the answer is not HTTP"]
    assert garbage.details[0] == "SSH-2.0-OpenSSH_9.9\\r\\n"
    nobody(partial, "failed", "handshake")
    nobody(huge, "failed", "handshake")
    assert huge.messages == ["response header larger than 64 KiB; its longest line is X"]
    nobody(wrong, "failed", "handshake")
    assert "Sec-WebSocket-Accept" in wrong.messages[0]


async def test_an_upgrade_that_is_followed_by_a_close_is_a_refusal_with_its_reason() -> None:
    gate, odd, normal = await together(
        against(Gatekeeper()),
        against(Gatekeeper(code=4321, reason="come \x1b[31mback")),
        against(Gatekeeper(code=1000, reason=""), ready="open", settle=0.3),
    )
    nobody(gate, "refused", "close 1008")
    assert gate.messages == ["not available for this user yet"]
    nobody(odd, "refused", "close 4321")
    assert odd.messages == ["come \\x1b[…"] and odd.details[0] == "come \\x1b[31mback"
    nobody(normal, "refused", "close 1000")


async def test_a_close_after_the_upgrade_is_answered_before_the_end() -> None:
    async with Gatekeeper() as server:
        await finish(scenario(server.url, clients=4, hold=0.3))
        assert server.ends == {"close 1008": 4}


async def test_clients_that_wait_for_their_welcome_in_vain_say_goodbye() -> None:
    async with Server(welcome=False) as server:
        finished = await finish(scenario(server.url, clients=4, ready="welcome", connect_timeout=0.5))
        await until(lambda: sum(server.ends.values()) == finished.counters.attempted)
        assert server.ends.keys() == {"close 1000"} and finished.counters.timed_out == finished.counters.attempted


async def test_those_who_are_let_in_are_loaded_and_the_others_are_told_apart() -> None:
    one, two = await together(
        against(Rationing(status=b"429 Too Many Requests")),
        against(Rationing(status=b"429 Too Many Requests"), workers=2),
    )
    for finished in (one, two):
        c = finished.counters
        assert (c.ready, c.refused) == (CLIENTS // 2, CLIENTS // 2)
        assert c.matched == c.sent > 0
        assert finished.result.connections.success_rate == 0.5
        assert not finished.result.verdict.unreachable


async def test_a_welcome_may_share_a_segment_with_the_answer_or_come_byte_by_byte() -> None:
    eager, dripping, settled = await together(
        against(Eager()), against(Dripping(), workers=2), against(Eager(), ready="open", settle=0.2)
    )
    for finished in (eager, dripping, settled):
        assert finished.counters.ready == CLIENTS
        assert finished.result.messages.by_type["connection:established"] == CLIENTS
        assert finished.counters.matched == finished.counters.sent > 0
    assert eager.result.messages.by_type["hello"] == CLIENTS


async def test_a_certificate_that_nobody_signed_is_a_failure_and_one_that_is_known_is_none(tmp_path: Path) -> None:
    async with Secured(tmp_path) as server:
        settings: dict[str, Any] = {"clients": CLIENTS, "hold": 0.5}
        untrusted, known, insecure, plain = await together(
            finish(scenario(server.url, **settings)),
            finish(scenario(server.url, ca_file=str(server.certificate), **settings)),
            finish(scenario(server.url, insecure=True, **settings)),
            finish(scenario(server.url.replace("wss", "ws"), **settings)),
        )
    nobody(untrusted, "failed", "tls")
    assert untrusted.messages[0].startswith("certificate not trusted: self")
    for finished in (known, insecure):
        assert finished.counters.ready == CLIENTS
        assert finished.counters.matched == finished.counters.sent > 0
    assert plain.counters.failed == CLIENTS


async def test_a_name_that_nobody_knows_is_a_failure_of_the_lookup() -> None:
    (finished,) = await together(finish(scenario("ws://nowhere.invalid/", clients=3, hold=0.3)))
    assert finished.failures == {"dns": 3}


async def test_upgrades_without_an_answer_at_the_end_are_awaited_and_have_timed_out() -> None:
    async with HalfDeaf() as server:
        finished = await finish(scenario(server.url, clients=10, hold=0.3, connect_timeout=2.0), settled=False)
    seen = finished.result.connections
    assert (seen.ready, seen.timed_out, seen.drained) == (5, 5, 0)
    assert seen.success_rate == 0.5 and server.ends["close 1000"] == 5


async def test_a_run_that_did_not_reach_all_planned_clients_has_not_passed_and_says_so() -> None:
    async with HalfDeaf() as server:
        kept = [Threshold(metric="connections.dropped", limit="<= 0")]
        what = scenario(server.url, clients=400, hold=0.3, connect_timeout=2.0, thresholds=kept)
        finished = await finish(what, settled=False)
    seen = finished.result.connections
    assert seen.unreached > 0 and seen.attempted + seen.unreached == 400
    assert not finished.result.passed
    words = f"{seen.unreached} planned clients were not connected by the end"
    assert finished.result.verdict.reason.startswith(words)
    assert "unreached" in {finding.cause for finding in findings(finished.result)}
