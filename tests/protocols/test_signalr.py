"""SignalR: a hub whose frames are read and written by signalrcore, in JSON and in MessagePack."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import led
from tests.protocols.serving import failure, target
from tests.servers.server import BINARY, Connection, Server, until
from wstui.protocols.signalr import decode_json, decode_messagepack
from wstui.scenario.conversation.dialect import Malformed

pytest.importorskip("signalrcore", reason="the library signalrcore is not installed")

from signalrcore.messages.completion_message import CompletionMessage
from signalrcore.messages.invocation_message import InvocationMessage
from signalrcore.messages.message_type import MessageType
from signalrcore.messages.stream_item_message import StreamItemMessage
from signalrcore.protocol.json_hub_protocol import JsonHubProtocol
from signalrcore.protocol.messagepack_protocol import MessagePackHubProtocol

CALLS = """
[[roles]]
name = "caller"
[[roles.loop]]
name = "add"
invoke = "Add"
args = [1, 2]
expect = { result = 3 }
[[roles.loop]]
name = "count"
stream = "Count"
args = [3]
[[roles.loop]]
name = "shout"
notify = "Shout"
args = ["{{random text 8}}"]
"""


class Hub(Server):
    """Add, Count and Shout; several messages a frame."""

    welcome = False
    refuse = ""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.log: Counter[str] = Counter()
        self.protocols: dict[int, Any] = {}
        self.results: list[Any] = []

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        if client.number not in self.protocols:
            asked = json.loads(payload.rstrip(b"\x1e"))
            self.protocols[client.number] = {"json": JsonHubProtocol, "messagepack": MessagePackHubProtocol}[
                asked["protocol"]
            ]()
            client.send(json.dumps({"error": self.refuse} if self.refuse else {}).encode() + b"\x1e")
            return
        protocol = self.protocols[client.number]
        for message in protocol.parse_messages(payload if first == BINARY else payload.decode()):
            self.take(client, protocol, message)

    def take(self, client: Connection, protocol: Any, message: Any) -> None:
        self.log[message.type.name] += 1
        match getattr(message, "target", None), message.type:
            case "Add", _:
                self.say(client, self.done(message, sum(message.arguments)))
            case "SendMessage", _:
                self.say(client, self.done(message, None))
            case "Count", _:
                items = [
                    StreamItemMessage(headers={}, invocation_id=message.invocation_id, item=n)
                    for n in range(message.arguments[0])
                ]
                self.say(client, *items, self.done(message, None))
            case "Shout", _:
                self.log["Shout"] += 1
                self.say(client, InvocationMessage("s1", "Heard", message.arguments))
            case None, MessageType.completion:
                self.results.append(message.result)
            case _, MessageType.invocation:
                self.say(client, self.done(message, None, f"no method {message.target}"))

    def done(self, message: Any, result: Any, error: str | None = None) -> Any:
        return CompletionMessage(message.invocation_id, result, error, headers={})

    def say(self, client: Connection, *messages: Any) -> None:
        protocol = self.protocols[client.number]
        if isinstance(protocol, MessagePackHubProtocol):
            client.send(b"".join(map(_packed, messages)), BINARY)
        else:
            client.send(b"".join(map(_written, messages)))


def _written(message: Any) -> bytes:
    """As ASP.NET writes it: without what is null."""
    told = {"type": message.type.value, "invocationId": message.invocation_id}
    for name in ("target", "arguments", "item", "result", "error"):
        if getattr(message, name, None) is not None:
            told[name] = getattr(message, name)
    return json.dumps(told).encode() + b"\x1e"


def _packed(message: Any) -> bytes:
    """As the protocol's document has it, which the library's own writer does not follow for each message."""
    number, own = message.type.value, message.invocation_id
    match number:
        case 1:
            parts = [1, {}, own, message.target, message.arguments, []]
        case 2:
            parts = [2, {}, own, message.item]
        case _ if message.error:
            parts = [3, {}, own, 1, message.error]
        case _:
            parts = [3, {}, own, 2] if message.result is None else [3, {}, own, 3, message.result]
    content = msgspec.msgpack.encode(parts)
    return bytes(MessagePackHubProtocol()._to_varint(len(content))) + content


@pytest.mark.parametrize("kind", ["json", "messagepack"])
async def test_calls_streams_and_events_are_counted(kind: str) -> None:
    more = target("signalr", format=f'"{kind}"', result="42")
    async with Hub() as hub, led(scenario(hub.url, CALLS, clients=4, more=more)) as workers:
        await until(lambda: counts(workers, "shout").done >= 50)
        c = await workers.drained()
        assert c.ready == 4 and not workers.failures
        assert counts(workers, "add").begun + counts(workers, "shout").begun == hub.log["invocation"]
        assert counts(workers, "count").done == hub.log["stream_invocation"]
        assert workers.types["item"] == 3 * counts(workers, "count").done
        assert 0 < workers.types["Heard"] <= hub.log["Shout"] and set(hub.results) == {42}
        balance(workers)


class Negotiating(Hub):
    """Gives each client the token of a connection."""

    async def request(self, client: Connection, method: bytes) -> None:
        token = b"token%d" % client.number
        told = b'{"negotiateVersion":1,"connectionId":"c","connectionToken":"%b","availableTransports":[]}' % token
        client.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))


class Negotiated(Negotiating):
    """Lets in who has negotiated, once, and drops each client when it has called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.tokens: set[bytes] = set()
        self.drops = 3

    async def request(self, client: Connection, method: bytes) -> None:
        assert (method, client.path) == (b"POST", b"/hub/negotiate?user=1&negotiateVersion=1")
        assert client.headers[b"authorization"] == b"Bearer secret"
        self.tokens.add(b"token%d" % client.number)
        await super().request(client, method)

    async def answer(self, client: Connection, key: bytes) -> bool:
        path, _, token = client.path.rpartition(b"&id=")
        assert path == b"/hub?user=1"
        self.tokens.remove(token)
        return await super().answer(client, key)

    def take(self, client: Connection, protocol: Any, message: Any) -> None:
        super().take(client, protocol, message)
        if self.log["invocation"] > 5 and self.drops:
            self.drops -= 1
            client.close(1001)


async def test_each_connection_is_negotiated() -> None:
    add = (
        '[[roles]]\nname = "caller"\nloop = [{ name = "add", invoke = "Add", args = [1, 2], expect = { result = 3 } }]'
    )
    more = 'reconnect = "at once"\nheaders = { Authorization = "Bearer secret" }\n' + target(
        "signalr", negotiate="true"
    )
    async with Negotiated() as hub:
        url = hub.url.replace("/ws", "/hub?user=1")
        async with led(scenario(url, add, clients=4, more=more)) as workers:
            await until(lambda: workers.c.ready >= 7 and counts(workers, "add").done >= 30)
            c = await workers.drained()
            assert c.dropped == 3 and c.attempted == c.ready == hub.upgraded == 7
            assert not hub.tokens and counts(workers, "negotiate").done == 7


@pytest.mark.parametrize("kind", ["json", "messagepack"])
async def test_errors_have_the_servers_words(kind: str) -> None:
    odd = '[[roles]]\nname = "caller"\n[[roles.loop]]\nname = "odd"\ninvoke = "Odd"'
    more = target("signalr", format=f'"{kind}"')
    async with Hub() as hub, led(scenario(hub.url, odd, more=more)) as workers:
        await until(lambda: counts(workers, "odd").failed >= 2)
        assert failure(workers) == ("refused", "caller, odd: no method Odd")
    async with Hub(refuse="not this one") as hub, led(scenario(hub.url, odd, more=more)) as workers:
        await until(lambda: workers.c.refused == 1)
        assert failure(workers) == ("refused", "caller, handshake: not this one")


@pytest.mark.parametrize("kind", ["json", "messagepack"])
async def test_pings_are_sent_and_a_silent_server_is_dropped(kind: str) -> None:
    idle = '[[roles]]\nname = "idle"'
    more = target("signalr", format=f'"{kind}"', ping='"50ms"', silence='"1s"')
    async with Hub() as hub, led(scenario(hub.url, idle, more=more)) as workers:
        await until(lambda: hub.log["ping"] >= 5)
        await until(lambda: workers.c.dropped >= 1)


@given(st.lists(st.binary(max_size=40)), st.booleans())
def test_no_bytes_break_the_decoders(frames: list[bytes], shaken: bool) -> None:
    for decode in (decode_json, decode_messagepack):
        kept: Any = True if shaken else None
        for payload in frames:
            try:
                _, kept = decode(kept, True, payload)
            except Malformed:
                break


@given(st.lists(st.tuples(st.text(max_size=9), st.lists(st.integers(-9, 9), max_size=3)), max_size=5))
def test_messages_that_share_a_frame_come_out_in_order(calls: list[tuple[str, list[int]]]) -> None:
    messages = [InvocationMessage("7", target, arguments) for target, arguments in calls]
    for decode, write in ((decode_json, _written), (decode_messagepack, _packed)):
        found, _ = decode(True, False, b"".join(map(write, messages)))
        assert [(message["target"], message["arguments"]) for message, _ in found] == calls
