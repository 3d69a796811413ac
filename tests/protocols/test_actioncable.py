"""Action Cable against Rails' own server, where Debian's ruby-actioncable and puma are installed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import led
from tests.protocols.serving import failure, target
from tests.servers.process import free_ports, server_process
from tests.servers.server import Connection, Server, until
from tests.waiting import wait_until
from wstui.protocols.actioncable import decode
from wstui.scenario.conversation.dialect import Malformed

CHAT = """
[[roles]]
name = "member"
[[roles.open]]
name = "join"
subscribe = { channel = "ChatChannel", room = "r{{client}}" }
[[roles.loop]]
name = "speak"
perform = "speak"
channel = { channel = "ChatChannel", room = "r{{client}}" }
data = { text = "\\"quoted\\" {{random text 8}}", from = "{{client}}", n = "{{seq}}" }
expect = { type = "said", "message.from" = "{{client}}", "message.n" = "{{seq}}" }
"""


def _has_rails() -> bool:
    asked = ["ruby", "-e", 'require "action_cable"; require "puma"']
    return shutil.which("puma") is not None and subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def rails() -> Iterator[str]:
    """The address of a server of Action Cable that lets in any origin."""
    with _served({}) as address:
        yield address


@pytest.fixture(scope="module")
def strict_rails() -> Iterator[str]:
    """The address of one that checks it, as Rails does when it is installed."""
    with _served({"STRICT": "1"}) as address:
        yield address


@contextlib.contextmanager
def _served(environ: dict[str, str]) -> Iterator[str]:
    if not _has_rails():
        pytest.skip("ruby-actioncable and puma are not installed")
    address = f"127.0.0.1:{free_ports(1)[0]}"
    command = ["puma", "-q", "-b", f"tcp://{address}", str(Path(__file__).with_name("cable.ru"))]
    with server_process(*command, environ=os.environ | environ):
        wait_until(lambda: urllib_answers(address))
        yield address


def log(address: str) -> dict[str, int]:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}/log", timeout=10) as answer:
        found: dict[str, int] = json.load(answer)
        return found
    return {}


async def test_actions_are_counted_as_rails_counts_them(rails: str) -> None:
    before = log(rails)
    async with led(scenario(f"ws://{rails}", CHAT, clients=10, more=target("actioncable"))) as workers:
        await until(lambda: counts(workers, "speak").done >= 100 and workers.types.get("ping", 0) >= 10)
        c = await workers.drained()
        assert c.ready == 10 and not workers.failures
        seen = {name: number - before.get(name, 0) for name, number in log(rails).items()}
        assert seen["subscribed"] == 10 and seen["speak"] == counts(workers, "speak").begun
        assert workers.types["welcome"] == 10
        balance(workers)


def urllib_answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/log", timeout=10):
            return True
    except OSError:
        return False


async def test_rejections_are_refused_under_the_servers_word(rails: str) -> None:
    closed = CHAT.replace("r{{client}}", "closed")
    async with led(scenario(f"ws://{rails}", closed, clients=2, more=target("actioncable"))) as workers:
        await until(lambda: workers.c.refused == 2)
        assert failure(workers) == ("refused", "member, join: reject_subscription")
    async with led(scenario(f"ws://{rails}/cable?token=bad", CHAT, clients=2, more=target("actioncable"))) as workers:
        await until(lambda: workers.c.refused == 2)
        assert failure(workers) == ("refused", "member, welcome: unauthorized")


async def test_clients_name_the_origin_that_rails_wants(strict_rails: str) -> None:
    url = f"ws://{strict_rails}"
    async with led(scenario(url, CHAT, clients=2, more=target("actioncable"))) as workers:
        await until(lambda: counts(workers, "speak").done >= 4)
        await workers.drained()
        assert workers.c.ready == 2 and not workers.failures
    for said in ('origin = "http://elsewhere"\n', 'headers = { Origin = "http://elsewhere" }\n'):
        async with led(scenario(url, CHAT, clients=2, more=said + target("actioncable"))) as workers:
            await until(lambda workers=workers: workers.c.refused == 2)
            assert failure(workers)[0] == "http 404"


class WithoutPings(Server):
    """Welcomes, and never pings."""

    welcome = False

    async def opened(self, client: Connection) -> None:
        client.say(type="welcome")


async def test_a_server_that_stops_its_pings_is_left() -> None:
    idle = '[[roles]]\nname = "idle"'
    async with (
        WithoutPings() as server,
        led(scenario(server.url, idle, clients=2, more=target("actioncable", silence='"300ms"'))) as workers,
    ):
        await until(lambda: workers.c.dropped == 2)
        assert failure(workers)[0] == "heartbeat"


@given(st.binary(max_size=200))
def test_whatever_comes_is_read_or_named(payload: bytes) -> None:
    with contextlib.suppress(Malformed):
        (((found, _),), _) = decode(None, False, payload)
        assert isinstance(found["type"], object)
