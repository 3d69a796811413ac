"""AsyncAPI documents: what they describe becomes the messages of a session, then a scenario."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.commands import call
from tests.conversations.chat import Chat
from tests.protocols import npm
from tests.recording.talks import read
from wstui.recording.inference.infer import infer
from wstui.recording.session import ImportFailed
from wstui.recording.sources import address, read_session
from wstui.scenario.file import load, loads
from wstui.scenario.model import Scenario

EXCHANGE = """
asyncapi: 3.0.0
info: {title: An exchange, version: '1.8'}
channels:
  trades:
    address: /
    messages:
      ping: {$ref: '#/components/messages/ping'}
      order: {$ref: '#/components/messages/order'}
      placed: {$ref: '#/components/messages/placed'}
      status: {$ref: '#/components/messages/status'}
operations:
  takeOrder:
    action: receive
    channel: {$ref: '#/channels/trades'}
    messages: [{$ref: '#/channels/trades/messages/order'}]
    reply:
      channel: {$ref: '#/channels/trades'}
      messages: [{$ref: '#/channels/trades/messages/placed'}]
  tellStatus:
    action: send
    channel: {$ref: '#/channels/trades'}
    messages: [{$ref: '#/channels/trades/messages/status'}]
components:
  messages:
    ping: {payload: {type: object, properties: {event: {const: ping}}}}
    order:
      payload: {$ref: '#/components/schemas/order'}
      correlationId: {location: '$message.payload#/reqid'}
    placed:
      correlationId: {location: '$message.payload#/reqid'}
      payload:
        allOf:
          - {type: object, properties: {event: {type: string, const: placed}}}
          - {$ref: '#/components/schemas/common'}
    status:
      examples: [{payload: {event: status, at: 2024-01-01T00:00:00Z, on: on}}]
  schemas:
    common: {properties: {reqid: {type: integer}, next: {$ref: '#/components/schemas/common'}}}
    order:
      type: object
      properties:
        event: {type: string, const: order}
        reqid: {type: integer}
        pair: {type: array, items: {type: string, examples: [XBT/EUR]}}
        depth: {type: integer, default: 10, enum: [10, 25]}
        price: {type: [number, 'null'], minimum: 5}
        id: {type: string, format: uuid}
"""


def test_what_a_server_receives_is_sent_and_its_reply_comes_back_with_the_same_id(tmp_path: Path) -> None:
    session = read(tmp_path, EXCHANGE)
    (connection,) = session.connections
    frames = [(frame.sent, json.loads(frame.data)) for frame in connection.frames]
    assert [(sent, document["event"]) for sent, document in frames] == [
        (True, "order"), (False, "placed"), (True, "order"), (False, "placed"), (True, "order"), (False, "placed"),
        (False, "status"),
    ]  # fmt: skip
    order, placed = frames[0][1], frames[1][1]
    assert order["pair"] == ["XBT/EUR"] and order["depth"] == 10 and order["price"] == 6
    assert order["reqid"] == placed["reqid"] != frames[2][1]["reqid"]
    assert frames[-1][1] == {"event": "status", "at": "2024-01-01T00:00:00Z", "on": "on"}, "YAML 1.2"
    assert any("made up from their schema" in note for note in session.notes)
    connection.url = "ws://127.0.0.1:9/"
    made = loads(infer(session, [connection], "made").text(), "")
    assert isinstance(made, Scenario)
    (step,) = [step for step in made.roles[0].loop if step.name == "order"]
    assert step.expect is not None and set(step.expect) == {"event", "reqid"}


@pytest.mark.parametrize(
    ("servers", "url"),
    [
        ({"a": {"url": "wss://{host}:{port}/v1", "protocol": "wss", "variables": {
            "host": {"default": "a.example"}, "port": {"enum": ["8443"]}}}}, "wss://a.example:8443/v1/rooms/lobby?key=key"),
        ({"a": {"url": "a.example", "protocol": "ws"}}, "ws://a.example/rooms/lobby?key=key"),
        ({"m": {"url": "mqtt://m", "protocol": "mqtt"}, "a": {"url": "ws://a", "protocol": "ws"}},
         "ws://a/rooms/lobby?key=key"),
        ({"a": {"url": "https://a.example/api", "protocol": "https"}}, "/rooms/lobby?key=key"),
        ({}, "/rooms/lobby?key=key"),
    ],
)  # fmt: skip
def test_version_2_sends_what_is_published_to_the_websocket_server(
    tmp_path: Path, servers: dict[str, Any], url: str
) -> None:
    query = {"type": "object", "required": ["key"], "properties": {"key": {"type": "string"}, "other": {}}}
    published = {"oneOf": [{"payload": {"const": "hello"}}, {"examples": [{"payload": {"a": 1}}]}]}
    document = {
        "asyncapi": "2.6.0",
        "servers": servers,
        "channels": {
            "rooms/{room}": {
                "parameters": {"room": {"schema": {"type": "string", "enum": ["lobby", "attic"]}}},
                "bindings": {"ws": {"query": query}},
                "publish": {"message": published},
                "subscribe": {"message": {"payload": {"type": "string"}, "name": "pushed"}},
            }
        },
    }
    (connection,) = read(tmp_path, document).connections
    assert connection.url == url
    assert [(frame.sent, frame.data) for frame in connection.frames[-3:]] == [
        (True, "hello"), (True, '{"a": 1}'), (False, "pushed"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"asyncapi": "1.2.0"}, "it is AsyncAPI 1.2.0: 2.x and 3.x are read"),
        ({"asyncapi": "3.0.0"}, "it has no channel with operations"),
        ({"asyncapi": "2.0.0", "servers": {"k": {"url": "k", "protocol": "kafka"}},
          "channels": {"a": {"publish": {"message": {}}}}}, "its servers speak kafka, none ws or wss"),
        ({"asyncapi": "2.0.0", "channels": {"a": {"publish": {"message": {"$ref": "b.yml#/x"}}}}},
         "$ref b.yml#/x is in another file: bundle"),
        ({"asyncapi": "2.0.0", "channels": {"a": {"$ref": "#/b/c"}}}, "$ref #/b/c leads nowhere"),
        ({"asyncapi": "2.0.0", "channels": {"a": {"$ref": "#/channels/a"}}}, "leads in a circle"),
        ('{"asyncapi": "2.0.0",\n "channels": }', "not valid JSON at line 2, column 14"),
        ("asyncapi: 2.0.0\nchannels: [\n", "not valid YAML at line"),
        ("asyncapi: 2.0.0\nrun: !!python/object/apply:os.system ['touch run']\n", "not valid YAML at line 2"),
        ("asyncapi: 2.0.0\na0: &a0 [x, x]\n" + "".join(
            f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(20)), "its aliases make it larger"),
        ("asyncapi: 2.0.0\na: &a [*a]\n", "its aliases make it larger"),
        ('{"asyncapi": ' + "[" * 100_000, "nested too deep"),
    ],
)  # fmt: skip
def test_a_document_that_cannot_be_used_is_refused_with_the_place(tmp_path: Path, document: Any, words: str) -> None:
    with pytest.raises(ImportFailed) as refused:
        read(tmp_path, document)
    assert words in str(refused.value)


IMPORTED = {
    "kraken-websocket-request-reply-multiple-channels": (3, "/"),
    "kraken-websocket-request-reply-message-filter-in-reply": (3, "/"),
    "slack-rtm": (1, "/"),
    "websocket-gemini": (0, "wss://api.gemini.com/v1/marketdata/btcusd"),
    "gitter-streaming": (0, "/rooms/53307860c3599d1de448e19d/chatMessages"),
}
"""Of the project's samples those for WebSockets and streams: messages that a client sends in a round, and the URL."""


@pytest.mark.parametrize("package", ["asyncapi-cli-0.32.0", "asyncapi-cli-6.2.0"])
def test_the_samples_of_the_project_are_imported_or_refused_with_the_reason(package: str) -> None:
    files = sorted(Path(npm.root(), package, "package/assets/examples").glob("*.y*ml")) if npm.root() else []
    if not files:
        pytest.skip(f"{package} was not fetched from npm")
    versions, imported = set(), set()
    for file in files:
        versions.add(re.findall(r"(?m)^asyncapi: '?(\d)", file.read_text())[0])
        try:
            session = read_session(file)
        except ImportFailed as error:
            assert re.search(r"its servers speak (kafka|mqtt|amqp|mercure)[\w-]*, none ws or wss", str(error)), error
            continue
        name = file.stem.removesuffix("-asyncapi")
        for connection in session.connections:
            if name in IMPORTED:
                imported.add(name)
                assert (sum(m.sent for m in connection.frames) / 3, connection.url) == IMPORTED[name], file.name
            if not connection.url.startswith("wss://"):
                with pytest.raises(ImportFailed, match=r"it names no WebSocket server, only '/.*--url"):
                    address([connection], None)
                address([connection], "wss://a.example/")
            draft = infer(session, [connection], "sample")
            loads(draft.text(), "", draft.secrets, complete=not draft.columns)
    assert len(versions) == 1 and imported >= {"slack-rtm", "websocket-gemini", "gitter-streaming"}
    assert ("3" in versions) == (len(imported) == 5)


def test_yaml_without_its_library_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportFailed, match=r"pip install 'wstui\[yaml\]', or give the document as JSON"):
        read(tmp_path, EXCHANGE)


def test_references_that_multiply_stay_bounded(tmp_path: Path) -> None:
    schemas: dict[str, Any] = {
        f"s{n}": {"properties": {name: {"$ref": f"#/schemas/s{n + 1}"} for name in "abcdefgh"}} for n in range(10)
    }
    schemas["s10"] = {"type": "string"}
    document = {
        "asyncapi": "2.0.0",
        "schemas": schemas,
        "channels": {"a": {"publish": {"message": {"payload": {"$ref": "#/schemas/s0"}}}}},
    }
    assert len(read(tmp_path, document).connections[0].frames[0].data) < 100_000


async def test_an_imported_document_holds_against_the_server_that_it_describes(tmp_path: Path) -> None:
    def message(correlated: bool = False, **values: Any) -> dict[str, Any]:
        properties = {key: {"const": value} for key, value in values.items()}
        if correlated:
            properties["seq"] = {"type": "integer"}
        made: dict[str, Any] = {"payload": {"type": "object", "properties": properties}}
        return made | ({"correlationId": {"location": "$message.payload#/seq"}} if correlated else {})

    pairs = {
        "join": (message(type="join", room="lobby"), message(type="joined", room="lobby")),
        "say": (message(True, type="say"), message(True, type="said")),
    }
    document = {
        "asyncapi": "3.0.0",
        "channels": {"chat": {"address": "/chat", "messages": {}}},
        "operations": {
            name: {
                "action": "receive",
                "channel": {"$ref": "#/channels/chat"},
                "messages": [sent],
                "reply": {"messages": [reply]},
            }
            for name, (sent, reply) in pairs.items()
        },
    }
    (tmp_path / "chat.json").write_text(json.dumps(document))
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}

    async def imported(*arguments: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(call, "import", "chat.json", *arguments, environ=environ, cwd=tmp_path)

    status, _, err = await imported()
    assert status == 2 and "it names no WebSocket server, only '/chat': give its address: --url ws://HOST/PATH" in err
    status, _, err = await imported("--url", "localhost")
    assert status == 2 and "--url 'localhost' is not a WebSocket address" in err
    status, _, err = await imported("--url", "ws://[")
    assert status == 2 and "an address can't be read: Invalid IPv6 URL" in err
    async with Chat() as server:
        status, out, err = await imported("--url", server.url)
        assert (status, err) == (0, "") and "say: held" in out, out + err
    made = load(tmp_path / "chat.toml", {})
    assert isinstance(made, Scenario) and made.target.url == server.url
    assert "an AsyncAPI document" in (tmp_path / "chat.toml").read_text()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_mutated_document_is_read_or_refused_and_never_breaks(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    at, cut = data.draw(st.integers(0, len(EXCHANGE))), data.draw(st.integers(0, 40))
    put = data.draw(st.text(max_size=8) | st.sampled_from(["null", "[]", "{}", "- 1", "1: 2", "&a", "*a", "~"]))
    with contextlib.suppress(ImportFailed):
        read(tmp_path_factory.mktemp("asyncapi"), EXCHANGE[:at] + put + EXCHANGE[at + cut :])
