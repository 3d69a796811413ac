"""Who may come in, over real sockets: tokens, rate limits, connection limits."""

from __future__ import annotations

import json

import jwt
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.odin.target import SECRET, client, get_json, serving, until, url
from wstui.odin.server import OdinServer
from wstui.odin.server_settings import AuthMode
from wstui.odin.stats import ConnectionPhase
from wstui.odin.token import sign

BAD = "x.y.z"


async def refused(server: OdinServer, query_token: str | None = None, **options: object) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(url(server, query_token), compression=None, **options):  # type: ignore[arg-type]
            pass
    return refusal.value


def reason(refusal: InvalidStatus) -> str:
    assert refusal.response.headers["Content-Type"] == "application/json"
    return str(json.loads(refusal.response.body or b"")["reason"])


async def test_a_token_comes_in_by_query_header_or_subprotocol(token: str) -> None:
    async with serving() as server:
        async with client(server, token):
            pass
        async with client(server, "", additional_headers={"Authorization": f"Bearer {token}"}):
            pass
        async with client(server, "", subprotocols=["bearer", token]) as ws:
            assert ws.subprotocol == "bearer"
        async with client(server, "", subprotocols=[f"token.{token}"]):
            pass


async def test_the_token_of_the_query_wins_over_that_of_the_header(token: str) -> None:
    async with serving() as server:
        async with client(server, token, additional_headers={"Authorization": f"Bearer {BAD}"}):
            pass
        refusal = await refused(server, BAD, additional_headers={"Authorization": f"Bearer {token}"})
        assert refusal.response.status_code == 401


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (None, "token missing"),
        (BAD, "malformed token"),
        (sign("ann", SECRET, ttl=60, now=1_000), "token expired"),
        (jwt.encode({"userId": "ann", "exp": 1 << 40, "nbf": 1 << 39}, SECRET), "token not yet valid"),
        (sign("ann", "another secret, just as long as the first one"), "bad signature"),
    ],
    ids=["missing", "malformed", "expired", "early", "forged"],
)
async def test_a_bad_token_is_refused_before_the_upgrade_with_the_reason(token: str | None, why: str) -> None:
    async with serving() as server:
        refusal = await refused(server, token)
        assert refusal.response.status_code == 401
        assert refusal.response.headers["WWW-Authenticate"].startswith("Bearer")
        assert reason(refusal) == why
        assert (await get_json(server, "/stats"))["refused"] == {why: 1}


async def test_two_authorization_headers_are_refused(token: str) -> None:
    async with serving() as server:
        headers = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {BAD}")]
        assert (await refused(server, None, additional_headers=headers)).response.status_code == 401


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_two_tokens_in_the_query_are_refused(token: str, order: tuple[int, int]) -> None:
    async with serving() as server:
        query = "&token=".join((token, BAD)[which] for which in order)
        assert reason(await refused(server, query)) == "several tokens in the query"


async def test_optional_auth_lets_in_without_a_token_but_not_with_a_bad_one() -> None:
    async with serving(auth=AuthMode.OPTIONAL) as server:
        async with client(server, ""):
            pass
        assert (await refused(server, BAD)).response.status_code == 401


async def test_without_auth_nobody_looks_at_the_token() -> None:
    async with serving(auth=AuthMode.OFF, verifier=None) as server, client(server, BAD):
        pass


async def test_connects_beyond_the_rate_get_429_and_when_to_come_back(token: str) -> None:
    async with serving(connect_rate_per_address=0.1) as server:
        async with client(server, token) as admitted:
            refusal = await refused(server, token)
            assert refusal.response.status_code == 429
            assert int(refusal.response.headers["Retry-After"]) >= 1
            await admitted.ping()
        assert server.stats.refused == {"connection rate limit": 1}


async def test_connects_beyond_the_limit_get_503_and_a_free_place_is_used_again(token: str) -> None:
    async with serving(connections=2) as server, client(server, token):
        async with client(server, token):
            refusal = await refused(server, token)
            assert (refusal.response.status_code, reason(refusal)) == (503, "connection limit")
        await until(lambda: server.stats.phases[ConnectionPhase.OPEN] == 1)
        async with client(server, token):
            pass


async def test_rates_are_judged_before_tokens_so_that_a_flood_of_forgeries_costs_little(token: str) -> None:
    async with serving(connect_rate=0.1) as server:
        assert (await refused(server, BAD)).response.status_code == 401
        assert (await refused(server, BAD)).response.status_code == 429
