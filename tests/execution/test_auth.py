"""Good and bad tokens mixed: who gets in is counted for each kind, and the verdict is exact."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.execution.running import Finished, finish, scenario
from tests.leaked_tokens import holds_token
from tests.servers.failing_handshake import Silent
from tests.servers.server import PATIENCE_S, Connection, Server, until
from wstui.execution.run.commands import DrainRun
from wstui.execution.run.result_figures import figure
from wstui.execution.run.run import Run
from wstui.odin.server import OdinServer
from wstui.odin.server_settings import ServerSettings
from wstui.odin.token import Verifier
from wstui.report.formats.console import summary
from wstui.scenario.model import Auth, Scenario, Threshold
from wstui.scenario.target import Mix

SECRET = "a secret that is long enough to sign with"
EXACT = Threshold(metric="auth.correct", limit=">= 100%")


def mixed(url: str, clients: int = 40, send_as: str = "query", **settings: Any) -> Scenario:
    auth = Auth(kind="mix", secret=SECRET, send_as=send_as, mix=settings.pop("mix", Mix()))  # type: ignore[arg-type]
    return scenario(url, clients=clients, hold=0.4, auth=auth, thresholds=[EXACT], **settings)


def table(finished: Finished) -> dict[str, tuple[int, int, int, int]]:
    return {row.kind: (row.attempted, row.ready, row.refused, row.other) for row in finished.result.auth}


@pytest.mark.parametrize("send_as", ["query", "header", "subprotocol"])
async def test_a_server_that_checks_tokens_lets_exactly_the_good_ones_in(send_as: str) -> None:
    async with OdinServer(ServerSettings(port=0), Verifier.by_secret(SECRET)) as server:
        url = f"ws://127.0.0.1:{server.port}/ws"
        finished = await finish(mixed(url, send_as=send_as, workers=2))
        refused = dict(server.stats.refused)
    assert table(finished) == {
        "good": (24, 24, 0, 0),
        "expired": (4, 0, 4, 0),
        "forged": (4, 0, 4, 0),
        "missing": (4, 0, 4, 0),
        "wrong_algorithm": (4, 0, 4, 0),
    }
    # The server has seen each kind for what it is.
    assert refused == {"token expired": 4, "bad signature": 4, "token missing": 4, "wrong algorithm": 4}
    result = finished.result
    assert result.passed and result.connections.success_rate == 0.6
    assert figure(result, "auth.correct") == 100
    assert "✓  wrong algorithm  out" in summary(result)
    for text in (result.to_json(), summary(result)):
        assert SECRET not in text and not holds_token(text)


async def test_attempts_that_our_own_end_cut_short_are_not_judged() -> None:
    async with Silent() as server:
        run = Run(mixed(server.url, clients=10, ramp=0.0, connect_timeout=60.0))
        going = asyncio.create_task(run.execute())
        await until(lambda: server.accepted == 10)
        assert run.status.counters.auth_checked == 0
        run.send(DrainRun())
        finished = Finished(run, await asyncio.wait_for(going, PATIENCE_S))
    assert finished.counters.drained == 10 and finished.counters.auth_checked == 0
    assert table(finished) == {} and figure(finished.result, "auth.correct") is None


class Lenient(Server):
    """Lets everybody in who brings any token."""

    async def answer(self, client: Connection, key: bytes) -> bool:
        if b"token=" in client.path:
            return await super().answer(client, key)
        client.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        return False


class ClosingBadTokens(Server):
    """Lets bad tokens in and closes them after the upgrade, before the welcome."""

    async def opened(self, client: Connection) -> None:
        if client.number % 10 in (0, 1, 3, 5, 7, 9):
            await super().opened(client)
        else:
            client.close(1008, "Unauthorized")


class Busy(Server):
    """Refuses every second client for another reason than its token."""

    status = b"429 Too Many Requests"

    async def answer(self, client: Connection, key: bytes) -> bool:
        if client.number % 2:
            return await super().answer(client, key)
        client.write(b"HTTP/1.1 " + self.status + b"\r\nContent-Length: 0\r\n\r\n")
        return False


async def test_a_server_that_does_not_check_is_caught_by_kind() -> None:
    async with Lenient() as server:
        finished = await finish(mixed(server.url))
    assert not finished.result.passed
    assert finished.result.verdict.reason.startswith("auth.correct was 70 %")
    assert table(finished)["forged"] == (4, 4, 0, 0)
    assert table(finished)["missing"] == (4, 0, 4, 0)
    assert "✗  forged" in summary(finished.result)


async def test_a_close_before_ready_turns_away_as_well() -> None:
    async with ClosingBadTokens() as server:
        # One after the other, so that the server's numbers are the clients'.
        finished = await finish(mixed(server.url, clients=10, ramp=1.0))
    assert table(finished) == {
        "good": (6, 6, 0, 0),
        "expired": (1, 0, 1, 0),
        "forged": (1, 0, 1, 0),
        "missing": (1, 0, 1, 0),
        "wrong_algorithm": (1, 0, 1, 0),
    }
    assert finished.result.passed


async def test_a_refusal_for_another_reason_proves_nothing() -> None:
    async with Busy() as busy:
        finished = await finish(mixed(busy.url, clients=20))
    assert sum(row.refused for row in finished.result.auth) == 0
    assert sum(row.other for row in finished.result.auth) == 10
    assert not finished.result.passed


async def test_without_a_mix_nothing_is_told_of_tokens() -> None:
    async with Server() as server:
        finished = await finish(scenario(server.url, clients=4, hold=0.3))
    assert finished.result.auth == []
    assert figure(finished.result, "auth.correct") is None
    assert "Tokens" not in summary(finished.result)
