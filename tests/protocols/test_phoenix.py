"""Phoenix: a server of ours that the official client (npm phoenix) gets on with, and its serializer beside ours."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import led
from tests.protocols import npm
from tests.protocols.codecs import sent
from tests.protocols.serving import failure, target
from tests.servers.server import BINARY, Connection, Server, until
from wstui.protocols.phoenix import decode
from wstui.scenario.conversation.dialect import Malformed, RecordedState
from wstui.scenario.conversation.known_dialects import dialect

ROOMS = """
[[roles]]
name = "member"
open = [{ name = "second", join = "room:2" }]
leave = [{ name = "leave", leave = "room:{{client}}" }]
[[roles.loop]]
name = "echo"
push = "echo"
data = { n = "{{seq}}" }
reply = true
expect = { n = "{{seq}}" }
[[roles.loop]]
name = "shout"
push = "shout"
topic = "room:2"
data = { n = "{{seq}}", from = "{{client}}" }
expect = { event = "shout", "payload.from" = "{{client}}", "payload.n" = "{{seq}}" }
"""
BYTES = """
[[roles.loop]]
name = "bytes"
push = "echo"
attach = "AP9/"
reply = true
expect = { size = 3 }
"""


class Phoenix(Server):
    """Rooms with presence; `echo` is replied to, `shout` broadcast, `crash` and `bye` end a channel."""

    welcome = False
    mute = False

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.log: Counter[str] = Counter()
        self.frames: list[tuple[list[Any], bytes]] = []
        self.joined: dict[tuple[Connection, str], Any] = {}

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        message = unpacked(payload) if first == BINARY else json.loads(payload)
        if isinstance(message, dict):
            message = [message.get(name) for name in ("join_ref", "ref", "topic", "event", "payload")]
        self.frames.append((message, payload))
        join, ref, topic, event, data = message
        key = (client, topic)
        self.log[event] += 1
        match event:
            case "heartbeat":
                if not self.mute:
                    self.reply(client, None, ref, topic)
            case "phx_join" if topic.startswith("closed"):
                self.reply(client, join, ref, topic, "error", {"reason": "unauthorized"})
            case "phx_join":
                self.joined[key] = join
                self.reply(client, join, ref, topic)
                self.say(client, join, None, topic, "presence_state", {str(client.number): {"metas": [{}]}})
            case _ if key not in self.joined:
                self.reply(client, join, ref, topic, "error", {"reason": "unmatched topic"})
            case "phx_leave" | "crash" | "bye":
                if event == "phx_leave":
                    self.reply(client, join, ref, topic)
                joined = self.joined.pop(key)
                self.say(client, joined, joined, topic, "phx_error" if event == "crash" else "phx_close", {})
            case "echo":
                self.reply(client, join, ref, topic, "ok", data)
            case "shout":
                for member, name in self.joined:
                    if name == topic:
                        self.log["heard"] += 1
                        self.say(member, None, None, topic, "shout", data)

    def reply(self, client: Connection, join: Any, ref: Any, topic: str, status: str = "ok", told: Any = None) -> None:
        if isinstance(told, bytes) and b"vsn=2" in client.path:
            client.send(packed(1, [join, ref, topic, status], told), BINARY)
        else:
            self.say(client, join, ref, topic, "phx_reply", {"status": status, "response": told or {}})

    def say(self, client: Connection, join: Any, ref: Any, topic: str, event: str, payload: Any) -> None:
        if b"vsn=1" in client.path:
            client.say(topic=topic, event=event, payload=payload, ref=ref)
        else:
            client.send(json.dumps([join, ref, topic, event, payload]).encode())


def packed(kind: int, fields: list[Any], payload: bytes) -> bytes:
    """A binary message: its kind, the lengths of its fields, the fields, the payload."""
    texts = [str(field or "").encode() for field in fields]
    return bytes([kind, *map(len, texts)]) + b"".join(texts) + payload


def unpacked(payload: bytes) -> list[Any]:
    """The fields of what a client sent as a binary message."""
    assert payload[0] == 0
    found: list[Any] = []
    at = 5
    for size in payload[1:5]:
        found.append(payload[at : at + size].decode())
        at += size
    return [*found, payload[at:]]


def node(*arguments: str, told: Any = None) -> Any:
    """What the official client makes of this."""
    command = ["node", str(Path(__file__).with_name("phoenix_client.mjs")), npm.modules("phoenix", "ws"), *arguments]
    done = subprocess.run(command, input=json.dumps(told), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("version", ["2", "1"])
async def test_channels_are_counted_as_the_server_counts_them(version: str) -> None:
    more = target("phoenix", version=version, topic='"room:{{client}}"', data='{ token = "t" }')
    roles = ROOMS + BYTES * (version == "2")
    async with Phoenix() as server, led(scenario(server.url, roles, clients=5, more=more)) as workers:
        await until(lambda: counts(workers, "shout").done >= 50)
        c = await workers.drained()
        assert c.ready == 5 and not workers.failures
        pushed = counts(workers, "echo").begun + (counts(workers, "bytes").begun if version == "2" else 0)
        assert pushed == server.log["echo"] and counts(workers, "shout").begun == server.log["shout"]
        assert counts(workers, "leave").done == 5 and server.log["phx_join"] == 10
        assert workers.types["presence_state"] == 10 and 0 < workers.types["shout"] <= server.log["heard"]
        assert all(f"vsn={version}.0.0" in path.decode() for path in server.paths)
        balance(workers)
    if version == "2":
        told = [[*fields[:4], shown(fields[4])] for fields, _ in server.frames]
        for encoded, (fields, frame) in zip(node("encode", told=told), server.frames, strict=True):
            if isinstance(encoded, str):
                assert json.loads(encoded) == fields
            else:
                assert base64.b64decode(encoded["bytes"]) == frame


def shown(payload: Any) -> Any:
    return {"bytes": base64.b64encode(payload).decode()} if isinstance(payload, bytes) else payload


@pytest.mark.parametrize(("version", "package"), [("2.0.0", ""), ("1.0.0", ""), ("1.0.0", "phoenix-1.2")])
async def test_the_official_client_gets_on_with_the_server(version: str, package: str) -> None:
    """The client of Phoenix 1.2 spoke version 1 itself; a later one does if its serializer is told to."""
    npm.modules(package or "phoenix")
    async with Phoenix() as server:
        url = server.url.replace("/ws", "/socket")
        seen = await asyncio.to_thread(node, "talk", url, version, *([package] if package else []))
    if package:
        frames = [json.loads(frame) for _, frame in server.frames]
        assert len(frames) >= 8 and all(frame.keys() == {"topic", "event", "payload", "ref"} for frame in frames)
        said = [
            dialect("phoenix", {"version": 1}).recorded(frame.decode(), RecordedState()) for _, frame in server.frames
        ]
        assert [one.own for (one,) in said if "leave" not in one.table] == [
            frame["ref"] for frame in frames if frame["event"] != "phx_leave"
        ]
        (join,) = sent("phoenix", {"join": "room:1", "data": {"who": "me"}}, version=1)
        ours = json.loads(join)
        assert ours.pop("join_ref") == "room:1"  # which later clients add
        assert ours | {"ref": 0} == frames[0] | {"ref": 0}
    ok, refused = ["ok", {}], ["error", {"reason": "unauthorized"}]
    assert seen["joins"] == [ok, ok, refused] and seen["presences"] == 1
    assert seen["echo"] == ["ok", {"n": 1}] and seen["heard"] == {"text": "hello"}
    assert seen["left"] == ok and seen["state"] == "closed"


@pytest.mark.parametrize(
    ("topic", "loop", "kind", "words"),
    [
        ("closed:1", "", "refused", "m, join: unauthorized"),
        ("room:1", 'push = "echo", topic = "room:9", reply = true', "refused", "m, step: unmatched topic"),
        ("room:1", 'push = "crash"', "server error", "m: phx_error: a channel crashed"),
        ("room:1", 'push = "bye"', "server error", "m: phx_close: the server closed a channel"),
    ],
)
async def test_errors_have_the_servers_words(topic: str, loop: str, kind: str, words: str) -> None:
    role = f'[[roles]]\nname = "m"\nloop = [{{ name = "step", {loop} }}]' if loop else '[[roles]]\nname = "m"'
    more = target("phoenix", topic=f'"{topic}"')
    async with Phoenix() as server, led(scenario(server.url, role, every="100ms", more=more)) as workers:
        await until(lambda: bool(workers.failures))
        assert failure(workers) == (kind, words)


async def test_a_server_that_answers_no_heartbeat_is_left() -> None:
    more = target("phoenix", topic='"room:1"', heartbeat='"200ms"')
    role = '[[roles]]\nname = "m"'
    async with Phoenix(mute=True) as server, led(scenario(server.url, role, clients=2, more=more)) as workers:
        await until(lambda: workers.c.dropped == 2)
        assert {group.kind for group in workers.failures} == {"heartbeat"} and server.log["heartbeat"] >= 2


def test_what_servers_send_is_read_as_the_official_client_reads_it() -> None:
    draw = random.Random(7)

    def word() -> str:
        return "".join(draw.choices("aé:{7 ", k=draw.randrange(12)))

    frames: list[str | bytes] = []
    for _ in range(100):
        frames.append(json.dumps([word() or None, word() or None, word(), word(), {word(): [1, word(), None]}]))
        kind = draw.randrange(3)
        frames.append(packed(kind, [word() for _ in range((3, 4, 2)[kind])], draw.randbytes(draw.randrange(20))))
    theirs = node("decode", told=[frame if isinstance(frame, str) else shown(frame) for frame in frames])
    for frame, their in zip(frames, theirs, strict=True):
        is_binary = isinstance(frame, bytes)
        (((ours, _),), _) = decode(None, is_binary, frame if isinstance(frame, bytes) else frame.encode())
        ours.pop("reason", None)
        if is_binary:
            told = their["payload"]
            if their["event"] == "phx_reply":
                assert ours["payload"]["status"] == told["status"]
                assert ours["payload"]["response"] == {"size": len(base64.b64decode(told["response"]["bytes"]))}
            else:
                assert ours["payload"] == {"size": len(base64.b64decode(told["bytes"]))}
            their = {name: value for name, value in their.items() if value is not None}
        assert ours | {"payload": 0} == their | {"payload": 0}


@given(st.binary(max_size=80) | st.builds(packed, st.integers(0, 2), st.lists(st.text(max_size=9)), st.binary()))
def test_whatever_comes_is_read_or_named(payload: bytes) -> None:
    for is_binary in (True, False):
        for cut in range(len(payload) + 1):
            with contextlib.suppress(Malformed):
                (((found, _),), _) = decode(None, is_binary, payload[:cut])
                assert isinstance(found["event"], str)
