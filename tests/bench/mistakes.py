"""What load scripts commonly get wrong: small scripts on `websockets`, wstui, and the server's log, side by side."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field

import websockets

import wstui
from tests.bench.output import headline, markdown
from tests.servers.server import Connection, Server, serving

CLIENTS, ROUNDS, EVERY_S = 20, 60, 0.1
STALL_S = 0.8
AHEAD_S = 0.08
"""What the server's wall clock is ahead of ours."""


class Faulty(Server):
    """Refuses each tenth login, takes 20 ms for an answer, loses 2 % of them, and stands still once."""

    welcome = False

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[int, list[float]] = defaultdict(list)  # when each client's answer went, in order; 0: never
        self.got: dict[int, list[float]] = defaultdict(list)
        self.refused = self.says = 0

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        document = json.loads(payload)
        if document["type"] == "auth":
            self.refused += (refused := client.number % 10 == 9)
            client.say(type="auth_error" if refused else "auth_ok")
            return
        self.says += 1
        if self.says == CLIENTS * ROUNDS // 2:
            time.sleep(STALL_S)  # noqa: ASYNC251 - nobody is served meanwhile
        self.got[client.number].append(time.monotonic())
        at = len(self.sent[client.number])
        self.sent[client.number].append(0.0)
        client.say(type="news")  # which nobody has asked for
        if self.says % 50:
            asyncio.get_running_loop().call_later(0.02, self._answer, client, document["seq"], at)

    def _answer(self, client: Connection, seq: int, at: int) -> None:
        self.sent[client.number][at] = time.monotonic()
        client.say(type="said", seq=seq, at=time.time() + AHEAD_S)


@dataclass
class ScriptReport:
    """What a script says: its latencies in s, and how many clients it took to be connected."""

    latencies: list[float] = field(default_factory=list)
    connected: int = 0
    lost: int = 0

    def cells(self) -> list[str]:
        at = statistics.quantiles(self.latencies, n=100)
        return [
            f"{at[49] * 1e3:.0f}",
            f"{at[94] * 1e3:.0f}",
            f"{len(self.latencies)}",
            f"{self.lost}",
            f"{self.connected}",
        ]


async def script(url: str, report: ScriptReport, *, any_message: bool = False, two_clocks: bool = False) -> None:
    """One client as such scripts are written: open, send, wait for the answer, sleep."""
    async with websockets.connect(url) as socket:
        await socket.send('{"type":"auth"}')
        report.connected += 1  # the socket is open
        try:
            for seq in range(ROUNDS):
                began = time.perf_counter()
                await socket.send(json.dumps({"type": "say", "seq": seq}))
                while True:
                    try:
                        found = json.loads(await asyncio.wait_for(socket.recv(), 1))
                    except TimeoutError:
                        break  # try the next one
                    if found["type"] == "said" or any_message:
                        now = time.time() - found["at"] if two_clocks else time.perf_counter() - began
                        report.latencies.append(now)
                        break
                await asyncio.sleep(EVERY_S)
        except websockets.ConnectionClosed:
            pass


async def scripted(**habits: bool) -> list[str]:
    """Run the script, and return what it says."""
    server, report = Faulty(), ScriptReport()
    with serving(server):
        await asyncio.gather(*(script(server.url, report, **habits) for _ in range(CLIENTS)))
    return report.cells()


async def ours() -> tuple[list[str], list[str]]:
    """Run the same conversation in wstui; return what it says, and what the server's log says of that run."""
    server = Faulty()
    say = {
        "name": "say",
        "json": {"type": "say", "seq": "{{seq}}"},
        "expect": {"type": "said", "seq": "{{seq}}"},
        "within": 1.0,
    }
    auth = {"json": {"type": "auth"}, "expect": {"type": "auth_ok"}, "refuse": {"type": "auth_error"}}
    with serving(server):
        result = await wstui.run(
            wstui.Scenario.model_validate(
                {
                    "target": {"url": server.url, "reconnect": "none"},
                    "stages": [
                        {"name": "up", "over": 0.1, "clients": CLIENTS},
                        {"name": "all", "over": ROUNDS * EVERY_S},
                    ],
                    "messages": {"every": EVERY_S},
                    "roles": [{"name": "member", "open": [auth], "loop": [say]}],
                }
            )
        )
    (row,) = (step for step in result.steps if step.name == "say")
    response = row.response_ms
    said = [f"{response.p50:.0f}", f"{response.p95:.0f}", f"{row.done}", f"{row.lost}", f"{result.connections.ready}"]
    true = ScriptReport(connected=CLIENTS - server.refused)
    for number, got in server.got.items():
        due = got[0]
        for index, at in enumerate(got):
            answered = server.sent[number][index]
            due = due + EVERY_S if index else at
            true.lost += not answered
            true.latencies.append((answered or at + 1.0) - due)
    cells = true.cells()
    cells[2] = str(len(true.latencies) - true.lost)
    return said, cells


async def measure() -> None:
    """Print a table."""
    said, true = await ours()
    rows = [
        ["", "p50, ms", "p95, ms", "answers", "lost", "connected"],
        ["the server's log, from when a message was due", *true],
        ["wstui", *said],
        ["a script that sends when the answer is there, then sleeps", *await scripted()],
        ["and takes any message for the answer", *await scripted(any_message=True)],
        ["or subtracts the server's clock from its own", *await scripted(two_clocks=True)],
    ]
    print(headline())
    print(markdown(rows))
