"""STOMP against RabbitMQ's web-stomp, raw and through a relay that speaks SockJS."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import led
from tests.protocols.serving import failure, served, target, web
from tests.servers.process import free_ports, listens
from tests.servers.server import Connection, Server, until
from tests.waiting import wait_until
from wstui.protocols.stomp import decode, decode_sockjs
from wstui.scenario.conversation.dialect import Malformed

RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
USER = {"login": '"guest"', "passcode": '"guest"'}
FAST = {"heartbeat_outgoing": '"200ms"', "heartbeat_incoming": '"200ms"'}
TALK = """
[[roles]]
name = "member"
[[roles.open]]
name = "listen"
subscribe = "/topic/own.{{client}}"
[[roles.loop]]
name = "say"
publish = "/topic/own.{{client}}"
body = { n = "{{seq}}", at = "{{stamp}}" }
headers = { odd = 'a:b\\c' }
[[roles.loop]]
name = "echo"
publish = "/topic/own.{{client}}"
body = "echo {{seq}}"
expect = { type = "message", "headers.content-type" = "text/plain", body = "echo {{seq}}" }
[[roles.delivery]]
name = "echoed"
of = { type = "message", "headers.odd" = 'a:b\\c', "body.at" = "*" }
stamp = "body.at"
unit = "stamp"
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of its own node, ports and folder, on loopback alone."""
    epmd = shutil.which("epmd")
    if not RABBITMQ.exists() or epmd is None:
        pytest.skip("rabbitmq-server is not installed")
    folder = tmp_path_factory.mktemp("rabbitmq")
    port, amqp, plain, distribution, names = map(str, free_ports(5))
    (folder / "plugins").write_text("[rabbitmq_web_stomp].")
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{amqp}\nstomp.listeners.tcp.1 = 127.0.0.1:{plain}\n"
        f"web_stomp.tcp.ip = 127.0.0.1\nweb_stomp.tcp.port = {port}\n"
    )
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_RELAXED_COMMAND_CHECK": "1",  # so that it can be ended at once
        "ERL_EPMD_PORT": names,
        "RABBITMQ_NODENAME": f"wstui{names}@localhost",
        "RABBITMQ_DIST_PORT": distribution,
        # One scheduler that sleeps when there is nothing to do: others share this machine.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +A 8"
        " +sbwt none +sbwtdcpu none +sbwtdio none",
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen([RABBITMQ], env=environ, stdout=out, stderr=out, start_new_session=True)
    try:
        wait_until(lambda: listens(int(port)) or process.poll() is not None)
        assert process.poll() is None, (folder / "out").read_text()
        yield f"ws://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        subprocess.run([epmd, "-port", names, "-kill"], env=environ, capture_output=True, check=False)


@contextlib.asynccontextmanager
async def sockjs(url: str) -> Any:
    """A relay that speaks SockJS to clients and STOMP to the broker."""
    aiohttp = pytest.importorskip("aiohttp")
    tasks = []

    async def relay(request: Any) -> Any:
        client = web.WebSocketResponse()
        await client.prepare(request)
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/ws") as server:
            await client.send_str("o")

            async def back() -> None:
                async for message in server:
                    await client.send_str("a" + json.dumps([message.data]))
                await client.send_str('c[3000,"Go away!"]')
                await client.close()

            tasks.append(asyncio.ensure_future(back()))
            async for message in client:
                for one in json.loads(message.data):
                    await server.send_str(one)
        return client

    app = web.Application()
    app.router.add_get(r"/ws/{server:\d{3}}/{session:\w{16}}/websocket", relay)
    async with served(app) as address:
        yield address


@pytest.mark.parametrize("version", ["1.2", "1.1", "1.0"])
async def test_messages_are_receipted_and_come_back_once(broker: str, version: str) -> None:
    talk = TALK if version != "1.0" else TALK.replace("a:b\\c", "plain")
    more = target("stomp", version=f'"{version}"', **USER, **FAST)
    async with led(scenario(broker, talk, clients=10, more=more)) as workers:
        await until(lambda: counts(workers, "echo").done >= 200)
        c = await workers.drained()
        assert not workers.failures
        say, echo = counts(workers, "say"), counts(workers, "echo")
        assert c.ready == 10 == counts(workers, "listen").done == workers.types["connected"]
        assert not say.lost + echo.lost and counts(workers, "echoed").done == say.done
        assert workers.types["message"] == say.done + echo.done
        assert workers.types["receipt"] == say.done + 10
        balance(workers)


async def test_the_same_inside_sockjs(broker: str) -> None:
    more = target("stomp", sockjs="true", **USER)
    async with sockjs(broker) as url, led(scenario(url, TALK, clients=4, more=more)) as workers:
        await until(lambda: counts(workers, "echo").done >= 40)
        await workers.drained()
        assert not workers.failures and workers.types["open"] == 4
        assert counts(workers, "echoed").done == counts(workers, "say").done
        balance(workers)


async def test_messages_of_a_subscription_that_asks_for_it_are_acknowledged(broker: str) -> None:
    """With one message in flight, the broker sends the next when the last is acknowledged."""
    place = 'subscribe = "/topic/own.{{client}}"'
    talk = TALK.replace(place, f'{place}\nack = "client"\nheaders = {{ prefetch-count = "1" }}')
    async with led(scenario(broker, talk, clients=2, more=target("stomp", **USER))) as workers:
        await until(lambda: counts(workers, "echo").done >= 40)
        await workers.drained()
        assert not workers.failures


async def test_refusals_have_the_brokers_words(broker: str) -> None:
    more = target("stomp", login='"guest"', passcode='"wrong"')
    async with led(scenario(broker, TALK, clients=2, more=more)) as workers:
        await until(lambda: workers.c.refused == 2)
        assert failure(workers) == ("refused", "member, connect: Bad CONNECT: Access refused for user 'guest'")
    odd = '[[roles]]\nname = "m"\n[[roles.loop]]\nname = "say"\npublish = "/nowhere/x"\nbody = "x"'
    async with led(scenario(broker, odd, clients=2, more=target("stomp", **USER))) as workers:
        await until(lambda: counts(workers, "say").failed >= 2)
        words = "m, say: Unknown destination: '/nowhere/x' is not a valid destination."
        assert ("refused", words) in {(group.kind, group.message) for group in workers.failures}


async def test_heartbeats_go_both_ways_as_agreed(broker: str) -> None:
    """Both sides end a connection after two intervals without a heartbeat."""
    idle = '[[roles]]\nname = "idle"'
    async with led(scenario(broker, idle, clients=2, more=target("stomp", **USER, **FAST))) as workers:
        await until(lambda: workers.types.get("heartbeat", 0) >= 6)
        c = await workers.drained()
        assert c.ready == 2 and not c.dropped and not workers.failures


class WithoutHeartbeats(Server):
    """Agrees to heartbeats, and sends none."""

    welcome = False

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        if payload.startswith(b"CONNECT"):
            client.send(b"CONNECTED\nversion:1.2\nheart-beat:100,0\n\n\0")


async def test_a_server_that_stops_its_heartbeats_is_left() -> None:
    idle = '[[roles]]\nname = "idle"'
    async with (
        WithoutHeartbeats() as server,
        led(scenario(server.url, idle, clients=2, more=target("stomp", **FAST))) as workers,
    ):
        await until(lambda: workers.c.dropped == 2)
        assert failure(workers) == ("heartbeat", "idle: nothing from the server within 400ms")


@pytest.mark.parametrize(
    ("told", "beat", "deadline"),
    [("1000,5000", 5000, 20000), ("30000,1000", 4000, 60000), ("0,0", 0, 0), ("odd", 0, 0), (None, 0, 0)],
)
def test_heartbeats_are_the_slower_of_both_offers(told: str | None, beat: int, deadline: int) -> None:
    line = f"heart-beat:{told}\n" if told else ""
    (((found, _),), _) = decode((4000, 10000), True, None, False, f"CONNECTED\nversion:1.2\n{line}\n\0".encode())
    assert (found["beat"], found["deadline"]) == (beat, deadline)


FRAMES = (
    b"MESSAGE\nsubscription:0\ncontent-length:5\nx:a\\cb\\n\\\\\n\n{\0\n}\0\0\n"
    b"RECEIPT\r\nreceipt-id:7\r\n\r\n\0\r\nMESSAGE\nsubscription:1\nsubscription:2\n\ntext\0\n"
)


@given(st.lists(st.integers(0, len(FRAMES)), max_size=4))
def test_frames_may_share_or_cross_messages(cuts: list[int]) -> None:
    kept, found = None, []
    places = [0, *sorted(cuts), len(FRAMES)]
    for start, end in itertools.pairwise(places):
        more, kept = decode((0, 0), True, kept, False, FRAMES[start:end])
        found += [document for document, _ in more if document["type"] != "heartbeat"]
    assert [one["headers"].get("subscription", "") for one in found] == ["0", "", "1"]
    assert found[0]["headers"]["x"] == "a:b\n\\" and found[0]["body"] == "{\0\n}\0" and found[2]["body"] == "text"


@given(
    st.binary(max_size=200) | st.sampled_from([b"", b"CONNECTED\n\n\0", FRAMES, b'a["', b"c[1]"]), st.binary(max_size=9)
)
def test_whatever_comes_is_read_or_named(payload: bytes, more: bytes) -> None:
    for read in (decode, decode_sockjs):
        with contextlib.suppress(Malformed):
            found, kept = read((1, 1), True, None, False, payload + more)
            assert all(document["type"] for document, _ in found) and len(kept or b"") <= len(payload + more)
