"""What a protocol costs: a round trip of a role in each, beside one of JSON, without sockets."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from websockets.utils import apply_mask

from tests.bench.output import headline, markdown
from tests.bench.path import LastFrame
from tests.servers.server import BINARY, TEXT, frame
from wstui.execution.run.compile import spec_of
from wstui.load.client import LoadClient
from wstui.load.context import READY, WAITING
from wstui.load.worker import Worker
from wstui.measure.format import grouped
from wstui.scenario.model import Scenario

CLIENTS, ROUNDS = 50, 20
MOST = {TEXT: 1.3, BINARY: 1.6}
"""Times the cost of JSON."""


@dataclass(frozen=True)
class BenchTalk:
    """A step, and a server in two functions: what it says first, and what it answers."""

    step: dict[str, Any]
    answer: Callable[[bytes], Sequence[bytes]]
    greeting: Sequence[bytes] = ()
    options: dict[str, Any] = field(default_factory=dict)
    frames: int = TEXT
    protocol: str = ""


def said(made: Any) -> bytes:
    return json.dumps(made, separators=(",", ":")).encode()


def _json(payload: bytes) -> list[bytes]:
    return [said({"type": "said", "n": json.loads(payload)["n"], "text": "hello you"})]


def _json_twice(payload: bytes) -> list[bytes]:
    return [*_json(payload), said({"type": "told", "n": json.loads(payload)["n"]})]


def _socketio(payload: bytes) -> list[bytes]:
    head = re.match(rb"42(\d+)", payload)
    return [b'43%b[{"ok":true,"text":"hello you"}]' % head[1]] if head else [b'40{"sid":"abc"}']


def _graphql(payload: bytes) -> list[bytes]:
    asked = json.loads(payload)
    if asked["type"] == "connection_init":
        return [b'{"type":"connection_ack"}']
    own = asked["id"]
    return [said({"id": own, "type": "next", "payload": {"data": {"say": "x"}}}), said({"id": own, "type": "complete"})]


def _stomp(payload: bytes) -> list[bytes]:
    if payload.startswith((b"CONNECT", b"STOMP")):
        return [b"CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0"]
    receipt = re.search(rb"receipt:(.*)\n", payload)
    return [b"RECEIPT\nreceipt-id:%b\n\n\0" % receipt[1]] if receipt else []


def _mqtt(payload: bytes) -> list[bytes]:
    if payload[0] == 0x10:
        return [b"\x20\2\0\0"]
    if payload[0] == 0xC0:
        return [b"\xd0\0"]
    size = int.from_bytes(payload[2:4], "big")
    return [b"\x40\2" + payload[4 + size : 6 + size]]


def _signalr(payload: bytes) -> list[bytes]:
    asked = json.loads(payload[:-1])
    if "protocol" in asked:
        return [b"{}\x1e"]
    if asked["type"] == 6:
        return []
    return [said({"type": 3, "invocationId": asked["invocationId"], "result": "hello you"}) + b"\x1e"]


def _packed(payload: bytes) -> list[bytes]:
    import msgspec

    if payload.endswith(b"\x1e"):
        return [b"{}\x1e"]
    asked = msgspec.msgpack.decode(payload[1:])
    if asked[0] == 6:
        return []
    parts = msgspec.msgpack.encode([3, {}, asked[2], 3, "hello you"])
    return [bytes([len(parts)]) + parts]


def _phoenix(payload: bytes) -> list[bytes]:
    join, ref, topic, _, data = json.loads(payload)
    return [said([join, ref, topic, "phx_reply", {"status": "ok", "response": data}])]


def _cable(payload: bytes) -> list[bytes]:
    asked = json.loads(payload)
    return [said({"identifier": asked["identifier"], "message": json.loads(asked["data"])})]


def _pusher(payload: bytes) -> list[bytes]:
    asked = json.loads(payload)
    if asked["event"] == "pusher:ping":
        return [b'{"event":"pusher:pong","data":"{}"}']
    return [
        said({"event": "pusher_internal:subscription_succeeded", "data": "{}", "channel": asked["data"]["channel"]})
    ]


def _centrifugo(payload: bytes) -> list[bytes]:
    asked = json.loads(payload)
    told = {"client": "c", "ping": 25, "pong": True} if "connect" in asked else {"data": {"text": "hello you"}}
    return [said({"id": asked["id"], "connect" if "connect" in asked else "rpc": told})]


def _ocpp(payload: bytes) -> list[bytes]:
    _, own, action, _ = json.loads(payload)
    told = {"interval": 300} if action == "BootNotification" else {}
    return [said([3, own, {"status": "Accepted", "currentTime": "2026-01-01T00:00:00Z"} | told])]


def _wamp(payload: bytes) -> list[bytes]:
    asked = json.loads(payload)
    return [said([2, 7, {"roles": {}}]) if asked[0] == 1 else said([50, asked[1], {}, ["hello you"]])]


def _rpc(payload: bytes) -> list[bytes]:
    return [said({"jsonrpc": "2.0", "id": json.loads(payload)["id"], "result": {"text": "hello you"}})]


def _realtime(payload: bytes) -> list[bytes]:
    if b"response.create" not in payload:
        return []
    return [said({"type": "response.done", "event_id": "e", "response": {"id": "r", "status": "completed"}})]


TEXTED = "hello {{seq}} from {{client}}"
ESTABLISHED = said({"event": "pusher:connection_established", "data": '{"socket_id":"1.2","activity_timeout":120}'})
ROOM = {"channel": "Room", "room": 1}
SAY = {"json": {"type": "say", "n": "{{seq}}", "text": TEXTED}, "expect": {"type": "said", "n": "{{seq}}"}}
TALKS = {
    "json": BenchTalk(SAY, _json),
    "json, two answers": BenchTalk(SAY, _json_twice, protocol="json"),
    "socketio": BenchTalk(
        {"emit": "say", "data": {"text": TEXTED}, "ack": True, "expect": {"ok": True}},
        _socketio,
        [b'0{"sid":"abc","pingInterval":25000,"pingTimeout":20000}'],
    ),
    "graphql": BenchTalk(
        {"query": "{ say }", "variables": {"text": TEXTED}, "expect": {"data.say": "*"}},
        _graphql,
    ),
    "actioncable": BenchTalk(
        {
            "perform": "say",
            "channel": ROOM,
            "data": {"n": "{{seq}}", "text": TEXTED},
            "expect": {"message.n": "{{seq}}"},
        },
        _cable,
        [b'{"type":"welcome"}'],
    ),
    "centrifugo": BenchTalk({"rpc": "say", "data": {"text": TEXTED}, "expect": {"data.text": "*"}}, _centrifugo),
    "jsonrpc": BenchTalk({"call": "say", "params": [TEXTED], "expect": {"text": "*"}}, _rpc),
    "ocpp": BenchTalk({"call": "DataTransfer", "data": {"data": TEXTED}, "expect": {"status": "Accepted"}}, _ocpp),
    "wamp": BenchTalk({"call": "say", "args": [TEXTED]}, _wamp),
    "pusher": BenchTalk({"subscribe": "room-{{seq}}"}, _pusher, [ESTABLISHED]),
    "signalr": BenchTalk({"invoke": "Say", "args": [TEXTED], "expect": {"result": "*"}}, _signalr),
    "stomp": BenchTalk({"publish": "/topic/all", "body": TEXTED}, _stomp),
    "phoenix": BenchTalk(
        {"push": "say", "topic": "room:1", "data": {"text": TEXTED}, "reply": True, "expect": {"text": "*"}}, _phoenix
    ),
    "realtime": BenchTalk({"text": TEXTED, "respond": True}, _realtime, [b'{"type":"session.created","session":{}}']),
    "mqtt": BenchTalk({"publish": "room/1", "payload": TEXTED, "qos": 1}, _mqtt, frames=BINARY),
    "signalr, MessagePack": BenchTalk(
        {"invoke": "Say", "args": [TEXTED], "expect": {"result": "*"}},
        _packed,
        options={"format": "messagepack"},
        frames=BINARY,
        protocol="signalr",
    ),
}


class RecordedState(LastFrame):
    """Keeps every frame until it is answered."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.frames.append(data)


def payloads(written: bytes) -> Iterator[bytes]:
    """Yield what each frame of a write says."""
    while written:
        size, at = written[1] & 127, 2
        if size == 126:
            size, at = int.from_bytes(written[2:4], "big"), 4
        yield apply_mask(written[at + 4 : at + 4 + size], written[at : at + 4])
        written = written[at + 4 + size :]


class Loop:
    """Clients that send again with each reply."""

    def __init__(self, protocol: str, talk: BenchTalk) -> None:
        made = {
            "target": {"url": "ws://127.0.0.1:9/ws", "protocol": talk.protocol or protocol, "options": talk.options},
            "stages": [{"name": "hold", "over": 60.0, "clients": CLIENTS}],
            "messages": {"every": 0.0, "timeout": 60.0},  # another process may keep us from what came in time
            "roles": [{"name": "m", "loop": [{"name": "say", **talk.step}]}],
        }
        self.talk = talk
        self.worker = Worker(spec_of(Scenario.model_validate(made)), lambda _snapshot: None)
        self.clients = []
        for number in range(CLIENTS):
            client = LoadClient(self.worker.context, self.worker, number, number)
            client.transport = RecordedState()  # type: ignore[assignment]
            client.step = WAITING
            self.worker._connector.in_flight += 1
            self.worker.opened(client)
            if client.waiting and client.conversation is not None:
                client.conversation.start()
            for payload in talk.greeting:
                client.data_received(frame(TEXT, payload))
            while client.step is not READY and (answers := self.answers(client)):
                for answer in answers:
                    client.data_received(answer)
            if client.step is not READY:
                client.become_ready(time.monotonic_ns())
            self.clients.append(client)

    def answers(self, client: LoadClient) -> list[bytes]:
        wire: RecordedState = client.transport  # type: ignore[assignment]
        written, wire.frames = wire.frames, []
        asked = (payload for data in written for payload in payloads(data))
        # What a server writes at once arrives at once.
        found = [b"".join(frame(self.talk.frames, answer) for answer in self.talk.answer(payload)) for payload in asked]
        return list(filter(None, found))

    def done(self) -> int:
        return next(row.counts.done - row.counts.failed for row in self.worker.steps().rows if row.name == "say")

    def cost_ns(self) -> float:
        """CPU time of a round trip; making the answers is not counted."""
        spent = 0
        before = self.done()
        for _ in range(ROUNDS):
            answers = [(client, self.answers(client)) for client in self.clients]
            began = time.thread_time_ns()
            for client, frames in answers:
                for answer in frames:
                    client.data_received(answer)
            spent += time.thread_time_ns() - began
        done = self.done() - before
        assert done > ROUNDS * CLIENTS * 0.9, f"only {done} round trips: {self.talk.step}"
        return spent / done


async def measure(turns: int) -> bool:
    """Print the cost of each; return whether all are within their bounds."""
    loops = {name: Loop(name, talk) for name, talk in TALKS.items()}
    await asyncio.sleep(0.5)  # their first rounds begin
    gc.collect()  # as a worker does
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    costs: dict[str, list[float]] = {name: [] for name in loops}
    ratios: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(turns):
        for name, loop in loops.items():
            # What else runs on the machine slows both of them down alike.
            plain = loops["json"].cost_ns()
            costs[name].append(cost := loop.cost_ns())
            ratios[name].append(cost / plain)
    rows = [["protocol", "ns: least", "median", "beside json", "at most"]]
    kept = True
    for name, found in costs.items():
        ratio, most = statistics.median(ratios[name]), MOST[TALKS[name].frames]
        kept &= ratio <= most
        rows.append([name, grouped(min(found)), grouped(statistics.median(found)), f"{ratio:.2f} ×", f"{most:g} ×"])
    print(headline() + "\n")
    print(markdown(rows))
    return kept
