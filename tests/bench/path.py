"""The engine's own code in a round trip, part by part, without sockets."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any

from websockets.utils import apply_mask

from tests.bench.output import headline, markdown
from wstui.execution.calibrate.sink.sink_connection import pong_to
from wstui.execution.run.compile import spec_of
from wstui.load.client import LoadClient
from wstui.load.context import READY, WAITING
from wstui.load.frames import TEXT, encode
from wstui.load.worker import Worker
from wstui.measure.format import grouped
from wstui.measure.histogram import Histogram
from wstui.scenario.model import Scenario

ROUNDS = 20_000
REPEAT = 9
CLIENTS = 200


CLOSED_LOOPS: dict[str, dict[str, Any]] = {
    "odin": {},
    "role, send and expect": {
        "roles": [
            {
                "name": "member",
                "loop": [
                    {
                        "name": "ping",
                        "json": {"type": "ping", "timestamp": "{{id}}"},
                        "expect": {"type": "pong", "originalTimestamp": "{{id}}"},
                    }
                ],
            }
        ]
    },
}
"""The same round trip by a built-in exchange and by a role."""


class LastFrame:
    """A transport that keeps the last frame."""

    written = b""

    def write(self, data: bytes) -> None:
        self.written = data

    def abort(self) -> None:
        pass


def measure() -> None:
    """Print the cost of each part: CPU time in ns, the least of several series."""
    rows = [["part", "ns: least", "median"]]
    for name, run in asyncio.run(_parts()):
        series = [run() for _ in range(REPEAT)]
        rows.append([name, grouped(min(series)), grouped(statistics.median(series))])
    print(headline() + "\n")
    print(markdown(rows))


async def _parts() -> list[tuple[str, Callable[[], float]]]:
    scenario = Scenario.model_validate({"target": {"url": "ws://127.0.0.1:9/ws"}, "messages": {"every": 3600.0}})
    worker = Worker(spec_of(scenario), lambda _snapshot: None)
    clients = []
    for number in range(CLIENTS):
        client = LoadClient(worker.context, worker, number, number)
        client.transport = LastFrame()  # type: ignore[assignment]
        client.step = READY
        clients.append(client)
    histogram = Histogram()
    client = clients[0]
    client.send(time.monotonic_ns())
    pong = bytes(pong_to(b'{"type":"ping","timestamp":1732393000000}') or b"")
    payload = b'{"type":"ping","timestamp":1732393000000}'
    stray = pong.replace(b"1732393000000", b"1732393000001")

    def send() -> None:
        client.pending.clear()
        client.send(1)

    class IdleClient(LoadClient):
        __slots__ = ()

        def message(self, first: int, payload: bytes) -> None:
            pass

    deaf = IdleClient(worker.context, worker, 0, 0)
    deaf.transport, deaf.step = client.transport, READY
    parts: list[tuple[str, Callable[[], Any]]] = [
        ("send: compose, encode, count, record", send),
        ("  compose", lambda: worker.context.exchange.compose(client, 1)),
        ("  encode", lambda: encode(TEXT, payload, 1)),
        ("  record", lambda: histogram.record(123_456)),
        ("receive an unexpected reply", lambda: client.data_received(stray)),
        ("  frames only", lambda: deaf.data_received(pong)),
        ("nothing (the measurement itself)", lambda: None),
    ]
    loops = [(name, _closed_loop(messages)) for name, messages in CLOSED_LOOPS.items()]
    return [
        ("a whole round trip", lambda: _round_trips(clients)),
        *((f"a round of a closed loop: {name}", lambda loop=loop: _turns(loop)) for name, loop in loops),
        *((n, lambda r=r: _timed(r)) for n, r in parts),
    ]


def _closed_loop(parts: dict[str, Any]) -> list[LoadClient]:
    """Clients that send again with each reply."""
    messages = {"every": 0.0} | parts.get("messages", {})
    stages = [{"name": "hold", "over": 60.0, "clients": CLIENTS}]
    target = {"url": "ws://127.0.0.1:9/ws", "ready": "open"}
    made = {
        "target": target,
        "stages": stages,
        "messages": messages,
        **{k: v for k, v in parts.items() if k == "roles"},
    }
    worker = Worker(spec_of(Scenario.model_validate(made)), lambda _snapshot: None)
    clients = []
    for number in range(CLIENTS):
        client = LoadClient(worker.context, worker, number, number)
        client.transport = LastFrame()  # type: ignore[assignment]
        client.step = WAITING
        worker._connector.in_flight += 1
        worker.opened(client)
        client.become_ready(time.monotonic_ns())
        clients.append(client)
    return clients


def _turns(clients: list[LoadClient]) -> float:
    """Let every client receive its answer, and send the next message; making the answers is not counted."""
    spent = 0
    rounds = ROUNDS // len(clients)
    for _ in range(rounds):
        answers = [(client, _answer_to(client)) for client in clients]
        began = time.thread_time_ns()
        for client, answer in answers:
            client.data_received(answer)
        spent += time.thread_time_ns() - began
    return spent / (rounds * len(clients))


def _timed(run: Callable[[], Any]) -> float:
    began = time.thread_time_ns()
    for _ in range(ROUNDS):
        run()
    return (time.thread_time_ns() - began) / ROUNDS


def _round_trips(clients: list[LoadClient]) -> float:
    """Let every client send and receive its answer; making the answers is not counted."""
    spent = 0
    rounds = ROUNDS // len(clients)
    for _ in range(rounds):
        began = time.thread_time_ns()
        for client in clients:
            client.send()
        spent += time.thread_time_ns() - began
        pongs = [(client, _answer(client)) for client in clients]
        began = time.thread_time_ns()
        for client, pong in pongs:
            client.data_received(pong)
        spent += time.thread_time_ns() - began
    return spent / (rounds * len(clients))


def _answer_to(client: LoadClient) -> bytes:
    """The answer to the message that a client has written, a short one."""
    written: bytes = client.transport.written  # type: ignore[union-attr]
    return pong_to(apply_mask(written[6:], written[2:6])) or b""


def _answer(client: LoadClient) -> bytes:
    key = next(iter(client.pending))
    return pong_to(b'{"type":"ping","timestamp":%d}' % key) or b""
