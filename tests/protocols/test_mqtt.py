"""MQTT against mosquitto: QoS 0, 1 and 2, in 3.1.1 and 5, counted as the broker counts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import led
from tests.protocols.serving import failure, target
from tests.servers.process import free_ports, listens, server_process
from tests.servers.server import until
from tests.waiting import wait_until

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")

LOGS: dict[str, Path] = {}
"""What each broker has logged, by its URL."""
TALK = """
[[roles]]
name = "member"
[[roles.open]]
name = "listen"
subscribe = ["room/all", "own/{{client}}/#"]
qos = 2
[[roles.loop]]
name = "once"
publish = "own/{{client}}/once"
payload = { n = "{{seq}}", at = "{{stamp}}" }
qos = 1
[[roles.loop]]
name = "twice"
publish = "own/{{client}}/twice"
payload = "{{random text 200}}"
qos = 2
[[roles.loop]]
name = "fast"
publish = "own/{{client}}/fast"
payload = { n = "{{seq}}" }
expect = { type = "publish", topic = "own/{{client}}/fast", "payload.n" = "{{seq}}" }
[[roles.delivery]]
name = "echoed"
of = { type = "publish", "payload.at" = "*" }
stamp = "payload.at"
unit = "stamp"
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that lets in anybody but the user "mallory"; only "own" and "room" may be used."""
    folder = tmp_path_factory.mktemp("mosquitto")
    port, plain = free_ports(2)
    (folder / "acl").write_text("topic readwrite own/#\ntopic readwrite room/#\ntopic read $SYS/#\n")
    (folder / "passwords").write_text("")
    (folder / "mosquitto.conf").write_text(
        f"listener {plain} 127.0.0.1\n"  # it does not start with WebSocket alone
        f"listener {port} 127.0.0.1\nprotocol websockets\nallow_anonymous true\nacl_file {folder / 'acl'}\n"
        f"password_file {folder / 'passwords'}\nsys_interval 1\nuser root\nlog_type all\n"
    )
    assert MOSQUITTO is not None
    with server_process(MOSQUITTO, "-c", str(folder / "mosquitto.conf"), log=folder / "log"):
        wait_until(lambda: listens(port))
        url = f"ws://127.0.0.1:{port}"
        LOGS[url] = folder / "log"
        yield url


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_each_quality_of_service_is_acknowledged_and_delivered_once(broker: str, version: str) -> None:
    more = target("mqtt", version=f'"{version}"', keep_alive='"1s"', will='{ topic = "room/gone", payload = "x" }')
    async with led(scenario(broker, TALK, clients=20, more=more)) as workers:
        await until(lambda: counts(workers, "fast").done >= 300)
        c = await workers.drained()
        assert not workers.failures
        assert c.ready == 20 == counts(workers, "listen").done
        once, twice, fast = (counts(workers, name) for name in ("once", "twice", "fast"))
        assert not once.lost + twice.lost + fast.lost
        assert counts(workers, "echoed").done == once.done  # its own message comes back exactly once
        assert workers.types["publish"] == once.done + twice.done + fast.done
        balance(workers)


@pytest.mark.parametrize(
    ("version", "words"),
    [("3.1.1", "member, connect: not authorized"), ("5", "member, connect: not authorized")],
)
async def test_a_refused_connection_is_named_by_its_code(broker: str, version: str, words: str) -> None:
    more = target("mqtt", version=f'"{version}"', user='"mallory"', password='"guess"')
    async with led(scenario(broker, TALK, clients=3, more=more)) as workers:
        await until(lambda: workers.c.refused == 3)
        assert failure(workers) == ("refused", words)


async def test_a_publish_that_the_broker_does_not_allow_fails_under_its_reason(broker: str) -> None:
    roles = '[[roles]]\nname = "m"\n[[roles.loop]]\nname = "say"\npublish = "secret/x"\nqos = 1'
    async with led(scenario(broker, roles, clients=2, more=target("mqtt", version='"5"'))) as workers:
        await until(lambda: counts(workers, "say").failed >= 4)
        assert failure(workers) == ("refused", "m, say: not authorized")
