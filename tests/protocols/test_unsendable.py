"""What a frame can't say is a failure with a name, before anything of it is sent: no protocol cuts a text."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import Workers, led
from tests.protocols.codecs import sent
from tests.protocols.serving import failure, target
from tests.protocols.test_phoenix import Phoenix
from tests.servers.server import BINARY, Connection, Server, until
from wstui.protocols.mqtt_packets import length
from wstui.scenario.conversation.pack import PACKERS, Unframed, packer, varint
from wstui.scenario.errors import ScenarioError

LONG = "{{random text 4096}}" * 16
"""65 536 bytes, which nobody knows before they are sent."""


class Broker(Server):
    """Lets all in, and acknowledges publications of QoS 1."""

    welcome = False
    subprotocols = (b"mqtt",)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.log: Counter[int] = Counter()

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        self.log[payload[0] >> 4] += 1
        if payload[0] >> 4 == 1:
            client.send(b"\x20\2\0\0", BINARY)
        elif payload[0] == 0x32:
            at, _ = length(payload, 1)
            at += 2 + int.from_bytes(payload[at : at + 2], "big")
            client.send(b"\x40\2" + payload[at : at + 2], BINARY)


def own(workers: Workers) -> set[bool]:
    return {group.local for group in workers.failures}


@pytest.mark.parametrize("every", ["50ms", "0s"])
@pytest.mark.parametrize("qos", [0, 1])
async def test_a_step_that_can_not_be_sent_fails_and_its_client_goes_on(qos: int, every: str) -> None:
    role = f"""
[[roles]]
name = "m"
loop = [{{ name = "short", publish = "x", qos = 1 }}, {{ name = "long", publish = "{LONG}", qos = {qos} }}]"""
    async with (
        Broker() as server,
        led(scenario(server.url, role, clients=2, every=every, more=target("mqtt"))) as workers,
    ):
        await until(lambda: counts(workers, "long").failed >= 4)
        c = await workers.drained()
        words = "m, long: the topic is longer than the 65535 bytes that a frame has for it"
        assert failure(workers) == ("unsendable", words) and own(workers) == {True}
        assert c.ready == 2 and not c.dropped and counts(workers, "short").begun == server.log[3]
        balance(workers)


async def test_a_client_whose_opening_can_not_be_sent_fails() -> None:
    more = target("mqtt", client_id=f'"{LONG}"')
    async with Broker() as server, led(scenario(server.url, '[[roles]]\nname = "m"', clients=2, more=more)) as workers:
        await until(lambda: workers.c.failed == 2)
        words = "m, connect: the client id is longer than the 65535 bytes that a frame has for it"
        assert failure(workers) == ("unsendable", words) and own(workers) == {True}
        assert not server.log


@pytest.mark.parametrize(
    ("key", "words"),
    [("topic", "the topic is longer than the 255 bytes"), ("push", "the event is longer than the 255 bytes")],
)
async def test_names_of_phoenix_are_not_misframed(key: str, words: str) -> None:
    step = {"push": "say", "topic": "room:1"} | {key: "{{random text 256}}"}
    told = ", ".join(f'{name} = "{value}"' for name, value in step.items())
    role = f'[[roles]]\nname = "m"\nloop = [{{ name = "long", {told}, attach = "AP9/" }}]'
    async with Phoenix() as server, led(scenario(server.url, role, every="50ms", more=target("phoenix"))) as workers:
        await until(lambda: counts(workers, "long").failed >= 2)
        assert failure(workers) == ("unsendable", f"m, long: {words} that a frame has for it") and not server.frames


async def test_a_heartbeat_and_an_answer_that_can_not_be_sent_are_named() -> None:
    role = f"""
[[roles]]
name = "m"
heartbeats = [{{ name = "beat", every = "300ms", publish = "{LONG}" }}]
answer = [{{ on = {{ type = "puback" }}, publish = "{LONG}" }}]
loop = [{{ name = "say", publish = "x", qos = 1 }}]"""
    told = {"every": "300ms", "timeout": "20s", "more": target("mqtt")}
    async with Broker() as server, led(scenario(server.url, role, **told)) as workers:
        await until(lambda: len(workers.failures) == 2)
        why = "the topic is longer than the 65535 bytes that a frame has for it"
        assert {group.message for group in workers.failures} == {f"m, beat: {why}", f"m, answer: {why}"}
        await until(lambda: counts(workers, "say").done >= 3)
        c = await workers.drained()
        assert not c.dropped and counts(workers, "say").begun == server.log[3]


@pytest.mark.parametrize(
    ("protocol", "step", "options", "words"),
    [
        ("mqtt", {"publish": "x" * 65536}, {}, "the topic is longer than the 65535 bytes"),
        ("mqtt", {"subscribe": ["a", "é" * 32768]}, {}, "the topic filter is longer than the 65535 bytes"),
        ("mqtt", {"publish": "x"}, {"user": "x" * 65536}, "the user is longer than the 65535 bytes"),
        ("mqtt", {"publish": "x"}, {"user": "u", "password": "x" * 65536}, "the password is longer"),
        ("mqtt", {"publish": "x"}, {"will": {"topic": "x" * 65536}}, "the topic of the will is longer"),
        ("mqtt", {"publish": "x"}, {"will": {"topic": "x", "payload": ["x" * 65533]}}, "the payload of the will is"),
        ("mqtt", {"publish": "x"}, {"client_id": "x" * 65536}, "the client id is longer"),
        ("mqtt", {"publish": "x"}, {"keep_alive": "65536s"}, "is longer than MQTT can say"),
        ("mqtt", {"publish": "x"}, {"password": "x"}, "needs a user in MQTT 3.1.1"),
        ("mqtt", {"publish": "room/#"}, {}, "has a wildcard"),
        ("mqtt", {"publish": "x"}, {"will": {"topic": "room/+/x"}}, "has a wildcard"),
        ("signalr", {"notify": "A", "args": [2**64]}, {"format": "messagepack"}, "a number of more than 64 bits"),
        ("stomp", {"publish": "/x", "body": "a\0b"}, {}, "the body holds a NUL"),
        ("stomp", {"publish": "/x", "headers": {"own": "a\0b"}}, {}, 'the header "own" holds a NUL'),
        ("stomp", {"publish": "/x", "headers": {"own": "a\nb"}}, {"version": "1.0"}, 'the header "own" holds a line'),
        ("stomp", {"publish": "/x"}, {"headers": {"own": "a\nb"}}, 'the header "own" holds a line end'),
        ("stomp", {"publish": "/x"}, {"passcode": "a\r"}, 'the header "passcode" holds a line end'),
        ("stomp", {"publish": "/x"}, {"headers": {"a:b": "c"}}, "none may hold a colon"),
        ("socketio", {"emit": "x"}, {"namespace": "chat"}, 'the namespace must begin with "/"'),
        ("socketio", {"emit": "x", "namespace": "/a,b"}, {}, "the namespace must begin with"),
        ("socketio", {"emit": "x"}, {"version": 3, "auth": {"token": "t"}}, "is not known to version 3"),
    ],
    ids=str,
)
def test_what_is_known_to_be_wrong_is_told_before_the_run(
    protocol: str, step: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ScenarioError, match=words):
        sent(protocol, step, **options)


@given(st.binary(max_size=300) | st.binary(min_size=65530, max_size=65540) | st.builds(bytes, st.integers(0, 70_000)))
def test_a_length_is_right_or_there_is_none(content: bytes) -> None:
    for how, most, head in (("size8", 255, 1), ("utf16", 65535, 2)):
        pack = packer(how, "it")
        if len(content) > most:
            with pytest.raises(Unframed, match=f"^it is longer than the {most} bytes"):
                pack(content)
        else:
            assert pack(content) == len(content).to_bytes(head, "big") + content * (how == "utf16")
    assert PACKERS["varint"](content) == varint(len(content)) + content


@pytest.mark.parametrize("content", [b"65536", b"-1", b"", b"1.5", b"null"])
def test_a_number_of_two_bytes_is_one(content: bytes) -> None:
    with pytest.raises(Unframed):
        PACKERS["number16"](content)


@given(st.binary())
def test_a_line_a_body_and_a_namespace_end_where_they_should(content: bytes) -> None:
    for how, ends in (("line", b"\r\n\0"), ("body", b"\0"), ("header", b"\0")):
        if any(byte in ends for byte in content):
            with pytest.raises(Unframed):
                PACKERS[how](content)
        else:
            assert how == "header" or PACKERS[how](content) == content
