"""What real runs against servers with a known fault are found to suffer from, and that a sound one has no findings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import msgspec
import pytest

from tests.execution.running import Finished, finish, scenario, together
from tests.servers.capacity import Seats
from tests.servers.failing_handshake import HangingUp, Rationing, Silent
from tests.servers.server import Connection, Server
from tests.servers.talk import ClosingEarly, Late, Losing
from wstui.execution.run.result import Result
from wstui.report.analysis.diagnosis import findings
from wstui.report.analysis.finding import Finding
from wstui.scenario.model import Threshold

LIMIT = [Threshold(metric="response.p99", limit="< 50ms")]
WIDE = [Threshold(metric="response.p99", limit="< 30s")]


class HalfSilent(Silent):
    """Leaves every second client without an answer."""

    async def answer(self, client: Connection, key: bytes) -> bool:
        return await (Server if client.number % 2 else Silent).answer(self, client, key)


class HalfHangingUp(HangingUp):
    """Resets every second connection in the place of an answer."""

    reset = True

    async def answer(self, client: Connection, key: bytes) -> bool:
        return await (Server if client.number % 2 else HangingUp).answer(self, client, key)


def run(server: Server, **settings: object) -> Awaitable[Finished]:
    async def within() -> Finished:
        async with server:
            settings_here: dict[str, object] = {"clients": 20, "ramp": 0.4, "hold": 0.8, "thresholds": WIDE}
            return await finish(scenario(server.url, **(settings_here | settings)), complete=False)  # type: ignore[arg-type]

    return within()


@pytest.fixture(scope="module")
def found() -> dict[str, list[Finding]]:
    """The findings of each run, all of them carried out at about the same time."""
    runs = {
        "sound": run(Server()),
        "full": run(Seats(seats=8)),
        "rationed": run(Rationing(status=b"429 Too Many Requests")),
        "unauthorized": run(Rationing(status=b"401 Unauthorized")),
        "closing": run(ClosingEarly(codes=(1011,), reason="out of memory", after_s=0.4)),
        "losing": run(Losing(every=3), timeout=0.3),
        "silent": run(HalfSilent(), connect_timeout=1.5),
        "hanging up": run(HalfHangingUp()),
        "late": run(Late(delay_s=0.15), thresholds=LIMIT),
        "nobody": run(Seats(seats=0)),
    }
    results = [finished.result for finished in asyncio.run(together(*runs.values()))]
    return {name: findings(_undisturbed(result)) for name, result in zip(runs, results, strict=True)}


def _undisturbed(result: Result) -> Result:
    """Without what says that this machine was busy with other things at the time."""
    failures = [failure for failure in result.failures if not failure.local]
    generator = msgspec.structs.replace(result.generator, limited_by=[])
    return msgspec.structs.replace(result, generator=generator, failures=failures)


def test_a_sound_run_has_no_findings(found: dict[str, list[Finding]]) -> None:
    # Whether this machine could ramp as fast as planned says nothing of the server.
    assert [finding.cause for finding in found["sound"] if finding.cause != "slow ramp"] == []


@pytest.mark.parametrize(
    ("name", "cause", "evidence"),
    [
        ("full", "refusals", "12 of 20 attempts (60 %): 12 × HTTP 503 Service Unavailable; "),
        ("rationed", "rate limit", "10 of 20 attempts (50 %): 10 × HTTP 429 Too Many Requests"),
        ("unauthorized", "refusals", "10 of 20 attempts (50 %): 10 × HTTP 401 Unauthorized"),
        ("closing", "drops", "20 of 20 ready clients: 20 × close 1011, out of memory"),
        ("silent", "slow accept", "10 of 20 attempts timed out"),
        ("hanging up", "network", "10 times: 10 × "),
        ("losing", "no replies", " messages ("),
        ("late", "latency", "(limit < 50 ms); p99 per second was above that in "),
        ("nobody", "unreachable", "20 × HTTP 503 Service Unavailable"),
    ],
)
def test_the_fault_of_the_server_is_found_with_its_figures(
    found: dict[str, list[Finding]], name: str, cause: str, evidence: str
) -> None:
    # A host that is busy with other things may add that the ramp was slow; the fault itself comes first.
    first = found[name][0]
    assert first.cause == cause, found[name]
    assert evidence in first.evidence, first.evidence
    assert first.next_step


def test_when_it_began_and_which_stages_it_hit_is_said(found: dict[str, list[Finding]]) -> None:
    assert found["full"][0].stages[0] == "ramp" and found["full"][0].began_s is not None
    assert found["full"][0].began_s > 0.1, "not before the seats were taken"
    assert "hold" in found["closing"][0].stages and "from 0:00 on" in found["closing"][0].headline
    assert "8 clients" in found["full"][0].evidence, "how many it carried until then"
