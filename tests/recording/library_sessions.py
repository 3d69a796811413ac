"""Sessions by the client libraries of protocols: each joins, does the same a few times, and leaves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect

from tests.protocols import npm

ROUNDS = 4
PAUSE_S = 1.0
WAIT_S = 20.0
CABLE = [
    *Path("/usr/share/nodejs/@rails/actioncable").glob("**/action_cable.js"),
    *Path("/usr/share/rubygems-integration").glob("all/gems/actioncable-*/**/action_cable.js"),
]


async def rounds() -> AsyncIterator[int]:
    for number in range(ROUNDS):
        yield number
        await asyncio.sleep(PAUSE_S)


class Signal:
    """Set from a thread of a library, awaited by the test."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self, *_: Any) -> None:
        self._event.set()

    async def wait(self) -> None:
        assert await asyncio.to_thread(self._event.wait, WAIT_S)
        self._event.clear()


async def socketio(url: str, number: int) -> None:
    library = pytest.importorskip("socketio")
    client = library.AsyncClient()
    heard = asyncio.Event()
    client.on("bytes", lambda *_: heard.set())
    await client.connect(url.replace("ws", "http", 1), auth={"token": "good"}, transports=["websocket"])
    mine = (await client.call("join", {"room": f"r{number}"}))["id"]
    async for n in rounds():
        await client.call("say", {"n": n, "from": mine, "text": f"hello number {n * 7919}"})
        await client.emit("blob", (1, "two", b"\0\1\2\xff", b"\3\4"))
        await asyncio.wait_for(heard.wait(), WAIT_S)
        heard.clear()
    await client.disconnect()


async def polling(url: str, number: int) -> None:
    """The same, as browsers do it: the session begins by HTTP, and is upgraded."""
    client = pytest.importorskip("socketio").AsyncClient()
    await client.connect(url.replace("ws", "http", 1), auth={"token": "good"})
    while client.eio.current_transport != "websocket":
        await asyncio.sleep(0.01)
    mine = (await client.call("join", {"room": f"r{number}"}))["id"]
    async for n in rounds():
        await client.call("say", {"n": n, "from": mine, "text": f"hello number {n * 7919}"})
    await client.disconnect()


async def graphql(url: str, number: int) -> None:
    gql = pytest.importorskip("gql")
    transports = pytest.importorskip("gql.transport.websockets")
    init = {"token": f"t-{number}"}
    transport = transports.WebsocketsTransport(url=url, init_payload=init, subprotocols=["graphql-transport-ws"])
    async with gql.Client(transport=transport) as session:

        def asked(text: str, n: int) -> Any:
            return gql.GraphQLRequest(text, variable_values={"n": n})

        async def watch() -> None:
            async for _ in session.subscribe(asked("subscription Ticks($n: Int!) { ticks(upTo: $n) }", 8)):
                ticking.set()

        ticking = asyncio.Event()
        watching = asyncio.create_task(watch())
        await ticking.wait()
        async for n in rounds():
            answer = await session.execute(asked("query Double($n: Int!) { double(n: $n) }", 1000 + n))
            await session.execute(asked("mutation Note($n: Int!) { note(n: $n) }", answer["double"]))
        watching.cancel()


async def actioncable(url: str, number: int) -> None:
    """Rails' own script, in node."""
    if not (found := [path for path in CABLE if path.exists()]) or shutil.which("node") is None:
        pytest.skip("node or action_cable.js of Rails is not installed")
    script = f"""
        globalThis.window = globalThis; globalThis.addEventListener = () => 0; globalThis.removeEventListener = () => 0;
        globalThis.document = {{visibilityState: "visible"}}; globalThis.self = globalThis;
        const cable = require({json.dumps(str(found[0]))}).createConsumer({json.dumps(url)});
        cable.subscriptions.guarantor = {{guarantee() {{}}, forget() {{}}}};  // asks again after half a second
        let n = 0;
        const say = () => room.perform("speak", {{text: "hello number " + n * 7919, from: {number}, n: n++}});
        const room = cable.subscriptions.create({{channel: "ChatChannel", room: "r{number}"}}, {{
            connected: say,
            received: () => n < {ROUNDS} ? setTimeout(say, {PAUSE_S * 1000}) : (cable.disconnect(), process.exit(0)),
        }});
    """
    await in_node("--no-warnings", "--experimental-websocket", "-e", script)


async def in_node(*arguments: str) -> None:
    node = await asyncio.create_subprocess_exec("node", *arguments)
    try:
        assert await asyncio.wait_for(node.wait(), WAIT_S) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            node.kill()


async def centrifugo(url: str, number: int) -> None:
    library = pytest.importorskip("centrifuge")
    client = library.Client(url, token="good")
    await client.connect()
    room = client.new_subscription("room")
    await room.subscribe()
    await client.ready()
    await room.ready()
    async for n in rounds():
        await room.publish({"text": f"hello number {n * 7919}", "n": n})
        await client.rpc("add", [1, n])
    await client.disconnect()


async def jsonrpc(url: str, number: int) -> None:
    library = pytest.importorskip("jsonrpcclient")
    async with connect(url) as connection:

        async def call(method: str, params: Any) -> Any:
            asked = library.request(method, params=params)
            await connection.send(json.dumps(asked))
            while (answer := json.loads(await connection.recv())).get("id") != asked["id"]:
                pass
            return answer["result"]

        await call("eth_subscribe", ["newHeads"])
        async for n in rounds():
            total = (await call("add", [1000, n]))["sum"]
            await connection.send(json.dumps(library.notification("seen", params={"sum": total})))


async def ocpp(url: str, number: int) -> None:
    library = pytest.importorskip("ocpp.v16")
    on, call, call_result = pytest.importorskip("ocpp.routing").on, library.call, library.call_result

    class Charger(library.ChargePoint):  # type: ignore[misc, name-defined]
        @on("Reset")  # type: ignore[untyped-decorator]
        def reset(self, **_: Any) -> Any:
            return call_result.Reset("Rejected")

    async with connect(url, subprotocols=["ocpp1.6"]) as connection:  # type: ignore[list-item]
        charger = Charger("cp", connection)
        listening = asyncio.create_task(charger.start())
        await charger.call(call.BootNotification(charge_point_model="x1", charge_point_vendor="acme"))
        await charger.call(call.Heartbeat())
        async for n in rounds():
            when = f"2026-01-01T00:00:0{n}Z"
            begun = await charger.call(call.StartTransaction(1, f"tag-{number}", 0, when))
            await charger.call(call.StopTransaction(10, when, begun.transaction_id))
        listening.cancel()


async def wamp(url: str, number: int) -> None:
    session = pytest.importorskip("autobahn.asyncio.wamp").ApplicationSession
    sockets, types = pytest.importorskip("autobahn.asyncio.websocket"), pytest.importorskip("autobahn.wamp.types")
    serializer = pytest.importorskip("autobahn.wamp.serializer").JsonSerializer()
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    class Member(session):  # type: ignore[misc, valid-type]
        async def onJoin(self, _: Any) -> None:  # noqa: N802
            try:
                await self.subscribe(lambda *_, **__: None, "com.example.said")
                async for n in rounds():
                    told = types.PublishOptions(acknowledge=True)
                    await self.publish("com.example.said", n, sender=f"m{number}", options=told)
                    await self.call("com.example.add", 1, n)
                self.leave()
            except Exception as error:
                ended.set_exception(error)

        def onDisconnect(self) -> None:  # noqa: N802
            if not ended.done():
                ended.set_result(None)

    factory = sockets.WampWebSocketClientFactory(
        lambda: Member(types.ComponentConfig("realm1", {})), url=url, serializers=[serializer]
    )
    await asyncio.get_running_loop().create_connection(factory, "127.0.0.1", urlsplit(url).port or 0)
    await asyncio.wait_for(ended, WAIT_S)


async def mqtt(url: str, number: int) -> None:
    library = pytest.importorskip("paho.mqtt.client")
    client = library.Client(library.CallbackAPIVersion.VERSION2, client_id=f"board-{number}", transport="websockets")
    client.ws_set_options(path="/mqtt")
    joined, listens, acknowledged, heard = Signal(), Signal(), Signal(), Signal()
    client.on_connect, client.on_subscribe, client.on_publish = joined.set, listens.set, acknowledged.set
    client.on_message = heard.set
    await asyncio.to_thread(client.connect, "127.0.0.1", urlsplit(url).port)
    client.loop_start()
    try:
        await joined.wait()
        client.subscribe(f"own/{number}/#", 1)
        await listens.wait()
        async for n in rounds():
            for quality, name in ((1, "once"), (2, "twice")):
                acknowledged._event.clear()
                client.publish(f"own/{number}/{name}", json.dumps({"n": n, "text": f"hello {n}"}), quality)
                await acknowledged.wait()
        client.disconnect()
    finally:
        await asyncio.to_thread(client.loop_stop)


async def pusher(url: str, number: int) -> None:
    library = pytest.importorskip("pysher")
    client = library.Pusher(
        "app-key", secret="a secret of the app", secure=False, custom_host="127.0.0.1", port=urlsplit(url).port
    )
    joined = Signal()
    rooms: list[Any] = []

    def connected(_: str) -> None:
        rooms.append(client.subscribe("private-room"))
        rooms[0].bind("pusher_internal:subscription_succeeded", joined.set)

    client.connection.bind("pusher:connection_established", connected)
    client.connect()
    try:
        await joined.wait()
        async for n in rounds():
            rooms[0].trigger("client-typing", {"n": n})
    finally:
        await asyncio.to_thread(client.disconnect, 5)


async def signalr(url: str, number: int) -> None:
    library = pytest.importorskip("signalrcore.hub_connection_builder")
    hub = library.HubConnectionBuilder().with_url(url, options={"skip_negotiation": True}).build()
    opened, done = Signal(), Signal()
    hub.on_open(opened.set)
    hub.on("Heard", lambda _: None)
    await asyncio.to_thread(hub.start)
    try:
        await opened.wait()
        async for n in rounds():
            hub.send("Add", [1000, n], done.set)
            await done.wait()
            hub.stream("Count", [3]).subscribe({"next": lambda _: None, "complete": done.set, "error": print})
            await done.wait()
    finally:
        # Its stop() waits for a thread that waits for the server.
        hub.transport._client.sock.shutdown(socket.SHUT_RDWR)
        await asyncio.to_thread(hub.stop)


async def stomp(url: str, number: int) -> None:
    library = pytest.importorskip("stomp")
    sockets = pytest.importorskip("stomp.adapter.ws")
    client = sockets.WSStompConnection([("127.0.0.1", urlsplit(url).port)], vhost="/", ws_path="/ws")
    heard = Signal()

    class StompListener(library.ConnectionListener):  # type: ignore[misc, name-defined]
        def on_message(self, _: Any) -> None:
            heard.set()

    client.set_listener("", StompListener())
    await asyncio.to_thread(client.connect, "guest", "guest", wait=True)
    client.subscribe(f"/topic/own.{number}", id="1")
    async for n in rounds():
        told = json.dumps({"n": n, "text": f"hello {n}"})
        client.send(f"/topic/own.{number}", told, content_type="application/json")
        await heard.wait()
    await asyncio.to_thread(client.disconnect)


async def phoenix(url: str, number: int) -> None:
    """The official client, in node."""
    folder = npm.modules("phoenix", "ws")
    script = Path(__file__).parents[1] / "protocols/phoenix_client.mjs"
    told = (url, str(number), str(ROUNDS), str(round(1000 * PAUSE_S)))
    await in_node(str(script), folder, "session", *told)


async def realtime(url: str, number: int) -> None:
    library = pytest.importorskip("openai").AsyncOpenAI(api_key=f"key-{number}", websocket_base_url=url)
    async with library.realtime.connect(model="any") as connection:
        await connection.session.update(session={"type": "realtime", "instructions": "be brief"})
        async for n in rounds():
            content = [{"type": "input_text", "text": f"what is {n} and {n * 7919}?"}]
            await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
            await connection.response.create()
            async for event in connection:
                if event.type == "response.done":
                    break


async def plain(url: str, number: int) -> None:
    """A client of the JSON chat, which no protocol is on top of."""
    async with connect(url) as connection:

        async def ask(**message: Any) -> Any:
            await connection.send(json.dumps(message))
            return json.loads(await connection.recv())

        own = (await ask(type="auth", token="good"))["user"]["id"]
        async for n in rounds():
            await ask(type="say", seq=n, text=f"hello {n}", **{"from": own})
        await connection.send(json.dumps({"type": "leave"}))


async def texts(url: str, number: int) -> None:
    async with connect(url) as connection:
        async for n in rounds():
            await connection.send(f"SAY {n} hello")
            await connection.recv()


async def lines(url: str, number: int) -> None:
    """Several documents a frame."""
    async with connect(url) as connection:
        async for n in rounds():
            await connection.send(json.dumps({"type": "ask", "n": n}))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(connection.recv(), WAIT_S)
