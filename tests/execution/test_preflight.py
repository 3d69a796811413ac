"""The look before a run, at real servers: what is there passes, what is not is named with its fix."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest

from tests.conversations.chat import Chat
from tests.conversations.chat import scenario as conversation
from tests.execution.running import scenario
from tests.leaked_tokens import holds_token
from tests.servers.failing_handshake import Gatekeeper, Refusing
from tests.servers.server import Server
from tests.servers.talk import Late
from wstui.execution.preflight import checklist
from wstui.execution.preflight.checklist import Check, CheckMark
from wstui.execution.preflight.first_message import first_client
from wstui.execution.preflight.preflight import nats, preflight
from wstui.execution.preflight.probe import Probe, Unreachable, probe
from wstui.fleet.host_facts import PORT_RANGE
from wstui.odin.nats_server import NatsServer
from wstui.odin.server import OdinServer
from wstui.odin.server_settings import ServerSettings
from wstui.odin.token import Verifier, sign
from wstui.scenario.breakpoint import Breakpoint
from wstui.scenario.model import Auth, Messages, Scenario

SECRET = "a secret that is long enough to sign with"


@contextlib.asynccontextmanager
async def odin(**settings: Any) -> AsyncIterator[str]:
    async with OdinServer(ServerSettings(port=0, **settings), Verifier.by_secret(SECRET)) as server:
        yield f"ws://127.0.0.1:{server.port}/ws"


def with_token(url: str, ttl: float = 3600.0, **settings: Any) -> Scenario:
    auth = Auth(kind="token", token=sign("tester", SECRET, ttl))  # type: ignore[arg-type]
    return scenario(url, auth=auth, **{"health": "auto", **settings})


async def look(*scenarios: Scenario, nats_url: str = "") -> dict[str, Check]:
    return {check.name: check async for check in preflight(scenarios, nats_url=nats_url)}


def marks(found: dict[str, Check], *without: str) -> dict[str, str]:
    # What others do on this machine is not what these tests are about.
    return {name: check.mark.value for name, check in found.items() if name not in ("processors", "memory", *without)}


async def test_a_sound_target_passes_all_the_way() -> None:
    async with odin() as url:
        found = await look(with_token(url))
    assert marks(found) == dict.fromkeys(
        ["resolve", "connect", "upgrade", "welcome", "reply", "health", "token", "clock", "files", "ports"], "pass"
    )
    assert "healthy" in found["health"].text
    assert found["reply"].text.endswith("odin")
    assert not holds_token("".join(check.text + check.fix for check in found.values()))


async def test_a_real_nats_server_is_told_from_another_and_from_none() -> None:
    async with NatsServer() as broker, Server() as other:
        there = await nats(broker.url)
        plain = await nats(f"127.0.0.1:{broker.port}")
        wrong = await nats(f"nats://127.0.0.1:{other.port}")
    gone = await nats(broker.url)
    assert there.mark is plain.mark is CheckMark.PASS and "nats-server 2" in there.text
    assert wrong.mark is gone.mark is CheckMark.FAIL
    assert "connection refused" in gone.text and "nats-server" in gone.fix
    assert (await nats("nats://host:port")).mark is CheckMark.FAIL


async def test_a_nats_server_that_says_nothing_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wstui.execution.preflight.preflight.NATS_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        seen = await nats(f"nats://127.0.0.1:{silent.getsockname()[1]}")
    assert seen.mark is CheckMark.FAIL and "0.2 s" in seen.text


async def test_a_token_that_ends_before_the_run_fails_though_it_opens_the_door() -> None:
    async with odin() as url:
        found = await look(with_token(url, ttl=30.0, hold=60.0))
    assert marks(found, "token")["welcome"] == "pass"
    assert found["token"].mark is CheckMark.FAIL and "wstui token" in found["token"].fix


async def test_an_expired_token_is_named_twice_over() -> None:
    async with odin() as url:
        found = await look(with_token(url, ttl=-10.0))
    assert found["client"].mark is CheckMark.FAIL and "token expired" in found["client"].text
    assert found["token"].mark is CheckMark.FAIL and "has expired" in found["token"].text
    assert "reply" not in found and "welcome" not in found


async def test_a_token_in_the_url_counts_as_well_and_is_not_shown() -> None:
    token = jwt.encode({"userId": "u", "exp": int(time.time()) + 30}, SECRET, algorithm="HS256")
    async with odin() as url:
        found = await look(scenario(f"{url}?token={token}", hold=60.0))
    assert found["token"].mark is CheckMark.FAIL
    assert found["welcome"].mark is CheckMark.PASS
    assert token not in "".join(check.text + check.fix for check in found.values())


async def test_tokens_that_this_host_signs_are_tried_too() -> None:
    wrong = Auth(kind="jwt", secret="another secret, as long as the right one is")  # type: ignore[arg-type]
    async with odin() as url:
        sound = await look(scenario(url, auth=Auth(kind="mix", secret=SECRET)))  # type: ignore[arg-type]
        foreign = await look(scenario(url, auth=wrong))
    assert sound["welcome"].mark is sound["reply"].mark is sound["token"].mark is CheckMark.PASS
    assert foreign["client"].mark is CheckMark.FAIL and "bad signature" in foreign["client"].text


async def test_each_role_goes_through_its_opening_and_one_round_once() -> None:
    role = (
        'open = [{{ json = {{ type = "auth", token = "good" }}, expect = {{ type = "auth_ok" }} }}]\n'
        'loop = [{{ json = {{ type = "say", seq = "{{{{seq}}}}" }}, expect = {{ seq = "{{{{seq}}}}" }} }}, {}]\n'
    )
    roles = "".join(f'[[roles]]\nname = "{name}"\n{role.format(more)}' for name, more in (
        ("fast", '{ think = "1ms" }'), ("slow", '{ json = { type = "join", room = 1 }, expect = { type = "joined" } }'),
    ))  # fmt: skip
    async with Chat(delay_s={1: 0.1, 2: 0.1}) as server:
        checks = await look(conversation(server.url, roles, clients=9))
        assert "fail" not in marks(checks).values(), checks
        assert server.kinds() == {"auth": 2, "say": 2, "join": 1}


async def test_roles_that_meet_go_through_their_round_too() -> None:
    roles = """
    [[roles]]
    name = "pair"
    open = [
      { json = { type = "auth", token = "good" }, expect = { type = "auth_ok" } },
      { meet = { name = "in", clients = 5 } },
    ]
    loop = [{ meet = "all ready" }, { json = { type = "say", seq = "{{seq}}" }, expect = { seq = "{{seq}}" } }]
    [[roles]]
    name = "other"
    loop = [{ meet = "all ready" }, { json = { type = "join", room = 1 }, expect = { type = "joined" } }]
    """
    async with Chat() as server:
        checks = await look(conversation(server.url, roles, clients=9))
        assert "fail" not in marks(checks).values(), checks
        assert server.kinds() == {"auth": 1, "say": 1, "join": 1}


async def test_a_server_that_answers_nothing_fails_the_reply_and_only_that() -> None:
    async with Late(delay_s=30.0) as server:
        found = await look(scenario(server.url, timeout=0.3))
    assert found["welcome"].mark is CheckMark.PASS
    assert found["reply"].mark is CheckMark.FAIL and "0.3 s" in found["reply"].text
    assert "clock" not in found


async def test_who_only_listens_needs_no_reply() -> None:
    async with Server() as server:
        found = await look(scenario(server.url, exchange="listen"))
    assert found["reply"].mark is CheckMark.PASS and server.messages.total() == 0


async def test_a_refusal_and_a_gate_are_told_with_what_to_do() -> None:
    async with Refusing(status=b"404 Not Found") as lost, Gatekeeper() as gate:
        refused, gated = await look(scenario(lost.url)), await look(scenario(gate.url))
    assert refused["client"].mark is CheckMark.FAIL and "path" in refused["client"].fix
    assert gated["client"].mark is CheckMark.WARN and "1008" in gated["client"].text


async def test_where_nothing_listens_this_host_is_looked_at_all_the_same() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = await look(scenario(f"ws://127.0.0.1:{taken.getsockname()[1]}/", health="auto", clients=10**6))
    found.pop("sysctl", None)  # as the machine is set
    assert marks(found) == {"resolve": "pass", "client": "fail", "files": "fail", "ports": "fail"}


async def test_a_source_address_that_is_not_ours_fails() -> None:
    async with Server() as server:
        asked = scenario(server.url, exchange="listen")
        fleet = asked.fleet.model_copy(update={"local_addresses": ["127.0.0.2", "192.0.2.1"]})
        found = await look(asked.model_copy(update={"fleet": fleet}))
    assert found["addresses"].mark is CheckMark.FAIL
    assert "192.0.2.1" in found["addresses"].text and "127.0.0.2" not in found["addresses"].text


async def test_a_source_address_of_another_kind_than_the_targets_fails() -> None:
    async with Server() as server:
        asked = scenario(server.url, exchange="listen")
        fleet = asked.fleet.model_copy(update={"local_addresses": ["127.0.0.2", "::1"]})
        found = await look(asked.model_copy(update={"fleet": fleet}))
    assert found["addresses"].text == "can't connect from ::1 (the target's is another kind of IP address)"


async def test_presets_that_go_to_the_same_place_are_tried_once() -> None:
    async with Server() as server:
        one, other = scenario(server.url), scenario(server.url, clients=500)
        found = await look(one, other)
        assert server.upgraded == 2  # one client of each implementation
        messages = one.messages.model_copy(update={"exchange": "ping"})
        apart = await look(one, other.model_copy(update={"name": "ping", "messages": messages}))
    assert "500 needed" in found["ports"].text
    assert {"test reply", "ping reply"} <= apart.keys()


async def test_what_the_largest_load_of_a_search_lacks_is_no_reason_not_to_begin() -> None:
    async with odin() as url:
        asked = with_token(url)
        search = asked.model_copy(update={"stages": [], "breakpoint": Breakpoint(most=5_000_000)})
        found = await look(search)
    assert marks(found)["files"] == marks(found)["ports"] == "warn"
    assert "largest load that a search may try" in found["files"].text


async def test_the_first_client_goes_all_the_way_and_gets_an_answer() -> None:
    seen = Probe()
    async with odin() as url:
        await first_client(with_token(url), seen)
    assert [step.name for step in seen.steps] == ["resolve", "connect", "upgrade", "welcome", "reply"]


async def test_the_first_client_says_when_nothing_answers_its_message() -> None:
    seen = Probe()
    async with odin() as url:
        wrong = with_token(url).model_copy(update={"messages": Messages(exchange="echo", timeout=0.2)})
        with pytest.raises(Unreachable, match="the first message got no answer"):
            await first_client(wrong, seen)
    assert seen.steps[-1].name == "welcome"


async def test_tls_that_is_reset_before_its_first_byte_is_told_as_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    async def reset(*_: object) -> None:
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    monkeypatch.setattr("wstui.execution.preflight.probe._open", reset)
    with pytest.raises(Unreachable, match="hung up in the TLS handshake"):
        await probe(scenario("wss://127.0.0.1:9/ws"))


def test_figures_are_written_as_everywhere_else() -> None:
    assert checklist.files(1_048_576, 12_000, 1).text.endswith("1 048 576 allowed")
    assert checklist.ports(28_232, 12_000, 1).text == "12 000 needed, 28 232 from 1 source address"


def test_the_fix_for_ports_is_what_can_be_typed() -> None:
    near = checklist.ports(28_232, 1_000_000, 1, "127.0.0.1").fix
    assert near == "give 45 source addresses: --local-address 127.0.0.1-127.0.0.45, or widen " + PORT_RANGE
    assert "127.0.0.1-127.0.1.54," in checklist.ports(28_232, 7_000_000, 1, "localhost").fix
    far = checklist.ports(64_512 * 2, 1_000_000, 2, "shop.example").fix
    assert far.startswith("give 20 source addresses: --local-address eth0:*") and far.endswith("adds one to it")
