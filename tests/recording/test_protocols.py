"""A session by a protocol's own client library becomes a run in the terms of that protocol, without an edit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.conversations.chat import Chat
from tests.conversations.test_roles import counts
from tests.load.leading import S, Workers, led
from tests.protocols import test_actioncable, test_mqtt, test_stomp
from tests.recording import library_sessions
from tests.recording.test_record import recording
from tests.servers.server import PATIENCE_S, Connection, Server, until
from wstui.recording.inference.infer import infer
from wstui.recording.inference.inferred_scenario import InferredScenario
from wstui.recording.proof import prove
from wstui.recording.sources import save
from wstui.scenario.file import load
from wstui.scenario.model import Scenario

rails = test_actioncable.rails
mosquitto, rabbitmq = test_mqtt.broker, test_stomp.broker
CLIENTS, ROUNDS = 100, 2
Log = Callable[[], Mapping[str, int]]
Serving = contextlib.AbstractAsyncContextManager[tuple[str, Log]]


def protocol(name: str) -> Any:
    return import_module(f"tests.protocols.test_{name}")


@contextlib.asynccontextmanager
async def socketio(_: Any) -> AsyncIterator[tuple[str, Log]]:
    async with protocol("socketio").serving(token="good") as log:
        yield log.url, lambda: log.events


@contextlib.asynccontextmanager
async def graphql(_: Any) -> AsyncIterator[tuple[str, Log]]:
    async with protocol("graphql").serving() as log:
        yield log.url, lambda: log.calls


@contextlib.asynccontextmanager
async def actioncable(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Log]]:
    address = request.getfixturevalue("rails")
    yield f"ws://{address}/cable", lambda: test_actioncable.log(address)


@contextlib.asynccontextmanager
async def centrifugo(_: Any) -> AsyncIterator[tuple[str, Log]]:
    async with protocol("centrifugo").Centrifugo(token="good") as server:
        yield server.url, lambda: server.log


@contextlib.asynccontextmanager
async def jsonrpc(_: Any) -> AsyncIterator[tuple[str, Log]]:
    async with protocol("jsonrpc").serving() as (url, log):
        yield url, lambda: log


@contextlib.asynccontextmanager
async def ocpp(_: Any) -> AsyncIterator[tuple[str, Log]]:
    async with protocol("ocpp").serving() as log:
        yield log.url, lambda: log.calls


@contextlib.asynccontextmanager
async def wamp(_: Any) -> AsyncIterator[tuple[str, Log]]:
    async with protocol("wamp").Router() as router:
        yield router.url, lambda: router.log


@contextlib.asynccontextmanager
async def mqtt(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Log]]:
    if test_mqtt.MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    url = f"{request.getfixturevalue('mosquitto')}/mqtt"
    logs = request.getfixturevalue("tmp_path_factory").getbasetemp().glob("mosquitto*/log")
    file = max(logs, key=lambda path: path.stat().st_mtime)
    read = re.compile(r"Received (PUBLISH|SUBSCRIBE) from (?:.*'own/.*(once|twice)')?")
    yield url, lambda: Counter("-".join(filter(None, found)) for found in read.findall(file.read_text()))


@contextlib.asynccontextmanager
async def pusher(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Log]]:
    found = protocol("pusher")
    request.getfixturevalue("monkeypatch").setenv("PUSHER_SECRET", found.SECRET)
    async with found.Pusher() as server:
        yield server.url, lambda: server.log


@contextlib.asynccontextmanager
async def signalr(_: Any) -> AsyncIterator[tuple[str, Log]]:
    async with protocol("signalr").Hub() as hub:
        yield hub.url, lambda: hub.log


@contextlib.asynccontextmanager
async def stomp(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Log]]:
    """The broker keeps no log of messages: a subscriber to all topics counts what it passes on."""
    url = f"{request.getfixturevalue('rabbitmq')}/ws"
    log = Counter[str]()

    async def count(witness: ClientConnection) -> None:
        async for frames in witness:
            log["passed on"] += str(frames).count("MESSAGE\n")

    async with connect(url, max_queue=None) as witness:
        await witness.send("CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n\0")
        assert str(await witness.recv()).startswith("CONNECTED")
        await witness.send("SUBSCRIBE\nid:0\ndestination:/topic/own.*\n\n\0")
        counting = asyncio.create_task(count(witness))
        yield url, lambda: log
        counting.cancel()


@contextlib.asynccontextmanager
async def phoenix(_: Any) -> AsyncIterator[tuple[str, Log]]:
    async with protocol("phoenix").Phoenix() as server:
        yield server.url.replace("/ws", "/socket"), lambda: server.log


@contextlib.asynccontextmanager
async def realtime(_: Any) -> AsyncIterator[tuple[str, Log]]:
    async with protocol("realtime").RealtimeModel() as model:
        yield model.url.replace("/ws", "/v1"), lambda: model.log


@contextlib.asynccontextmanager
async def chat(_: Any) -> AsyncIterator[tuple[str, Log]]:
    async with Chat() as server:
        yield server.url, server.kinds


class Several(Server):
    """Answers each message with two, in one frame or as text."""

    welcome = False

    def __init__(self) -> None:
        super().__init__()
        self.log: Counter[str] = Counter()

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        self.log["asked"] += 1
        if payload.startswith(b"{"):
            client.send(b'{"type":"before"}\n' + payload.replace(b'"ask"', b'"answer"'))
        else:
            client.send(b"SAID" + payload[3:])


@contextlib.asynccontextmanager
async def several(_: Any) -> AsyncIterator[tuple[str, Log]]:
    async with Several() as server:
        yield server.url, lambda: server.log


CASES: dict[str, tuple[Any, Any, dict[str, str]]] = {
    # protocol: its server, its client, and the name of each step's count in the server's log
    "socketio": (socketio, library_sessions.socketio, {"emit-join": "join", "emit-say": "say", "emit-blob": "blob"}),
    "socketio from polling": (socketio, library_sessions.polling, {"emit-join": "join", "emit-say": "say"}),
    "graphql": (graphql, library_sessions.graphql, {"query-Double": "double", "mutation-Note": "note"}),
    "actioncable": (
        actioncable,
        library_sessions.actioncable,
        {"subscribe-ChatChannel-r0": "subscribed", "perform-speak": "speak"},
    ),
    "centrifugo": (
        centrifugo,
        library_sessions.centrifugo,
        {"subscribe-room": "subscribe", "publish-room": "publish", "rpc-add": "rpc"},
    ),
    "jsonrpc": (
        jsonrpc,
        library_sessions.jsonrpc,
        {"call-eth_subscribe": "subscribed", "call-add": "add", "notify-seen": "seen"},
    ),
    "ocpp": (
        ocpp,
        library_sessions.ocpp,
        {"call-StartTransaction": "StartTransaction", "call-StopTransaction": "StopTransaction"},
    ),
    "wamp": (
        wamp,
        library_sessions.wamp,
        {
            "subscribe-com-example-said": "Subscribe",
            "publish-com-example-said": "Publish",
            "call-com-example-add": "Call",
        },
    ),
    "mqtt": (
        mqtt,
        library_sessions.mqtt,
        {"subscribe-own-0": "SUBSCRIBE", "publish-own-0-once": "PUBLISH-once", "publish-own-0-twice": "PUBLISH-twice"},
    ),
    "pusher": (
        pusher,
        library_sessions.pusher,
        {"subscribe-private-room": "pusher:subscribe", "publish-private-room": "client-typing"},
    ),
    "signalr": (signalr, library_sessions.signalr, {"invoke-Add": "invocation", "stream-Count": "stream_invocation"}),
    "stomp": (stomp, library_sessions.stomp, {"subscribe-topic-own-0": "", "publish-topic-own-0": "passed on"}),
    "phoenix": (phoenix, library_sessions.phoenix, {"push-echo": "echo", "push-seen": "seen"}),
    "realtime": (
        realtime,
        library_sessions.realtime,
        {"text": "conversation.item.create", "respond": "response.create"},
    ),
    "json": (chat, library_sessions.plain, {"auth": "auth", "say": "say"}),
    "lines": (several, library_sessions.lines, {"ask": "asked"}),
    "raw": (several, library_sessions.texts, {"SAY": "asked"}),
}


GROUPS = tuple(tuple(CASES)[start::6] for start in range(6))
"""Those of a group run at once, as recordings mostly wait; more of them would keep each other from the one loop."""


@pytest.mark.parametrize("names", GROUPS, ids=" and ".join)
async def test_a_session_by_the_protocols_own_client_runs_with_a_hundred(
    names: tuple[str, ...], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("wstui.recording.proof._TIMEOUT", f"{PATIENCE_S:g}s")  # how fast servers are is not asked here
    (one_more := tmp_path / "each").mkdir()
    found = await asyncio.gather(*(runs(name, request, one_more) for name in names), return_exceptions=True)
    outcomes = dict(zip(names, found, strict=True))
    if wrong := [error for error in found if isinstance(error, Exception)]:
        raise ExceptionGroup(", ".join(name for name, error in outcomes.items() if error in wrong), wrong)
    if without := [f"{name}: {why}" for name, why in outcomes.items() if why is not None]:
        pytest.skip("; ".join(without) + "; the others ran")


async def runs(name: str, request: pytest.FixtureRequest, folder: Path) -> None:
    serving, client, steps = CASES[name]
    (folder := folder / name).mkdir()
    async with serving(request) as (url, log):
        draft, made = await imported(url, client, folder)
        text = draft.text()
        assert made.target.protocol == (name.split(maxsplit=1)[0] if name != "raw" else "json"), text
        lines: list[str] = []
        proof = await prove(draft, str(folder / "again.toml"), lines.append)
        assert not proof.failed and not proof.unreachable, "\n".join([text, *lines])
        before = Counter(log())
        patient = {
            "messages": made.messages.model_copy(update={"timeout": PATIENCE_S}),
            "target": made.target.model_copy(update={"connect_timeout": PATIENCE_S}),
        }
        async with led(made.model_copy(update=patient), clients=CLIENTS) as workers:
            await until(lambda: workers.c.ready == CLIENTS)
            await until(lambda: done(workers, list(steps)[-1]) >= ROUNDS * CLIENTS)
            c = await workers.drained(10 * S)
            assert c.ready == CLIENTS and not workers.failures, text
            for row in workers.steps:
                assert not row.counts.lost + row.counts.failed + row.counts.abandoned, (row, text)
                assert row.counts.done == row.counts.begun, (row, text)
            for step, key in steps.items():
                begun = counts(workers, step).begun
                if key:
                    await until(lambda key=key, begun=begun: log()[key] - before[key] >= begun)
                    assert log()[key] - before[key] == begun, (step, text)


def done(workers: Workers, step: str) -> int:
    return sum(row.counts.done for row in workers.steps if row.name == step)


async def imported(url: str, client: Any, folder: Path) -> tuple[InferredScenario, Scenario]:
    """A scenario from two sessions through the proxy, saved and loaded."""
    async with recording(url, folder, http=True, most=1 << 22) as made:
        path = url.partition("://")[2].partition("/")[1:]
        for number in range(2):
            await client(f"ws://127.0.0.1:{made.port}{''.join(path)}", number)
        await until(lambda: len([p for p in made.shown if str(p.data).startswith("ended")]) == 2)
    session = made.session
    draft = infer(session, session.connections, "again")
    file = folder / "again.toml"
    save(draft, file, overwrite=False)
    found = load(str(file), {**os.environ, **draft.secrets})
    assert isinstance(found, Scenario)
    return draft, found
