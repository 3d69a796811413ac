"""Scripts and collections of other tools: what they send literally is read, nothing is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.recording.talks import read
from wstui.recording.inference.infer import infer
from wstui.recording.session import ImportFailed, RecordedSession
from wstui.recording.sources import read_session
from wstui.scenario.file import loads
from wstui.scenario.model import Scenario

ARTILLERY = """
config:
  target: "ws://127.0.0.1:9"
  phases: [{duration: 60, arrivalRate: 5}]
  ws:
    subprotocols: [chat.v1, json]
    headers: {X-Client: load, Authorization: "Bearer {{ token }}"}
scenarios:
  - engine: ws
    name: chat
    flow:
      - connect: {url: /ws}
      - send: {type: subscribe, room: lobby}
      - think: 2
      - send: {type: say, text: "{{ $randomString(5) }}"}
      - function: makeUp
      - loop:
          - send: {payload: '{"type":"say","text":"hi"}'}
          - think: 0.5
        count: 4
      - send: bye
  - flow: [{get: {url: /}}]
"""


def scenario(session: RecordedSession) -> Scenario:
    made = loads(infer(session, session.connections, "made").text(), "")
    assert isinstance(made, Scenario)
    return made


def test_an_artillery_script_gives_its_literal_sends_with_their_pauses(tmp_path: Path) -> None:
    session = read(tmp_path, ARTILLERY)
    (connection,) = session.connections
    assert connection.url == "ws://127.0.0.1:9/ws"
    assert connection.request == [("X-Client", "load"), ("Sec-WebSocket-Protocol", "chat.v1, json")]
    said = '{"type":"say","text":"hi"}'
    assert [frame.data for frame in connection.frames] == ['{"type": "subscribe", "room": "lobby"}', *[said] * 4, "bye"]
    assert connection.frames[1].at - connection.frames[0].at == pytest.approx(2)
    assert connection.frames[2].at - connection.frames[1].at == pytest.approx(0.5)
    assert session.notes == {
        "not understood: config.ws.headers.Authorization: a template": 1,
        "not understood: scenario 1, step 4: a template": 1,
        "not understood: scenario 1, step 5: function": 1,
        "scenarios of engine http": 1,
    }
    made = scenario(session)
    assert made.target.subprotocols == ["chat.v1", "json"]
    (role,) = made.roles
    assert [step.name for step in role.open] == ["subscribe"] and role.leave[0].send == "bye"


K6 = r"""
import ws from 'k6/ws';
const url = 'wss://a.example/ws';  // socket.send('not this')
const hello = JSON.stringify({ type: 'join', "room": 'a\u0062', tags: [1, -2.5, true, null,], });
let changed = 'one';
changed = 'two';
let longer = 'one';
longer += 'two';
export default function () {
  ws.connect(url, {}, function (socket) {
    socket.on('open', function () {
      socket.send(hello);
      socket.send("it's");
      socket.send(`plain`);
      socket.send('\ud83d\ude00 \ud83d');
      socket.send(`${url}`);
      socket.send(changed);
      socket.send('a' + 'b');
      socket.send(JSON.stringify({ at: Date.now() }));
      socket.send(user);
      socket.send(longer);
    });
  });
}
"""


def test_a_k6_script_gives_its_literal_sends_and_names_the_lines_of_others(tmp_path: Path) -> None:
    session = read(tmp_path, K6)
    (connection,) = session.connections
    assert connection.url == "wss://a.example/ws"
    assert [frame.data for frame in connection.frames] == [
        '{"type":"join","room":"ab","tags":[1,-2.5,true,null]}', "it's", "plain", "😀 \ufffd",
    ]  # fmt: skip
    assert list(session.notes) == [f"not understood: line {line}, send() of a computed value" for line in range(16, 22)]
    (connection,) = read(tmp_path, "import { WebSocket } from 'k6/websockets'\nnew WebSocket('ws://b/')").connections
    assert connection.url == "ws://b/"


def resources(*more: dict[str, Any]) -> dict[str, Any]:
    return {
        "_type": "export", "__export_format": 4,
        "resources": [
            {"_id": "wrk_1", "_type": "workspace", "parentId": None},
            {"_id": "env_1", "_type": "environment", "parentId": "wrk_1", "data": {"host": "ws://127.0.0.1:9"}},
            {"_id": "fld_1", "_type": "request_group", "parentId": "wrk_1", "environment": {"base": "{{ _.host }}/v4"}},
            *more,
        ],
    }  # fmt: skip


def test_an_insomnia_export_gives_the_messages_of_its_websocket_requests(tmp_path: Path) -> None:
    request = {
        "_id": "ws-req_1", "_type": "websocket_request", "parentId": "fld_1", "url": "{{base}}/websocket",
        "headers": [{"name": "User-Id", "value": "7"}, {"name": "X-Off", "value": "1", "disabled": True}],
        "parameters": [{"name": "room", "value": "a b"}],
    }  # fmt: skip
    payloads = [
        {
            "_id": f"ws-payload_{n}",
            "_type": "websocket_payload",
            "parentId": "ws-req_1",
            "name": f"m{n}",
            "value": value,
        }
        for n, value in enumerate(['{"type":"join"}', '{"type":"say"}', "{% uuid 'v4' %}"])
    ]
    session = read(tmp_path, resources(*payloads, request))
    (connection,) = session.connections
    assert connection.url == "ws://127.0.0.1:9/v4/websocket?room=a+b" and connection.request == [("User-Id", "7")]
    assert [frame.data for frame in connection.frames] == ['{"type":"join"}', '{"type":"say"}']
    assert session.notes == {"not understood: the message m2, a template": 1}
    assert [step.name for step in scenario(session).roles[0].loop if step.name] == ["say"]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (resources(), "it has no WebSocket request"),
        ("import ws from 'k6/ws'; ws.connect('ws://[')", "an address can't be read: Invalid IPv6 URL"),
        ({"config": {}, "scenarios": [{"flow": []}]}, "none of its scenarios has `engine: ws`"),
        ("type: collection.insomnia.rest/5.0\ncollection: []\n", "export it as Insomnia v4"),
        (
            {"info": {"schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"}, "item": []},
            "Postman leaves WebSocket requests out of its exports: give the NAME.request.yaml of a collection",
        ),
    ],
)
def test_a_file_without_websocket_messages_is_refused_with_the_reason(
    tmp_path: Path, document: Any, words: str
) -> None:
    with pytest.raises(ImportFailed) as refused:
        read(tmp_path, document)
    assert words in str(refused.value)


def test_a_request_of_a_postman_folder_sends_its_saved_messages_in_their_order(tmp_path: Path) -> None:
    folder = tmp_path / ".resources/Live.resources/messages"
    folder.mkdir(parents=True)
    for name, text in {
        "b say": 'content: |-\n  {"type": "say",\n   "text": "hi"}\ncontentType: json\norder: 2000\n',
        "c join": 'content: \'{"type": "join"}\'\norder: 1000\n',
        "a token": "content: 'hello {{token}}'\n",
    }.items():
        (folder / f"{name}.message.yaml").write_text(text)
    file = tmp_path / "Live.request.yaml"
    file.write_text(
        "$kind: websocket-request\nurl: wss://a.example/live\nheaders:\n  - {key: X-One, value: '1'}\n"
        "  - {key: X-Two, value: '2', disabled: true}\nmessages: .resources/Live.resources/messages\norder: 1\n"
    )
    session = read_session(file)
    (connection,) = session.connections
    assert connection.url == "wss://a.example/live" and connection.request == [("X-One", "1")]
    assert [frame.data for frame in connection.frames] == ['{"type": "join"}', '{"type": "say",\n "text": "hi"}']
    assert session.notes == {"not understood: the message a token, a template": 1}
    assert [step.json for role in scenario(session).roles for step in (*role.open, *role.loop, *role.leave)] == [
        {"type": "join"}, {"type": "say", "text": "hi"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "$kind: http-request\nurl: http://a\n",
            "http-request of Postman: give the file of a websocket-request",
        ),
        ("$kind: websocket-request\nurl: ws://a\n", "no *.message.yaml in .resources/Live.resources/messages"),
        ("$kind: websocket-request\nurl: ws://a\nmessages: ../..\n", "outside of its folder, at ../.."),
    ],
)
def test_a_request_of_postman_that_cannot_be_used_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "Live.request.yaml").write_text(text)
    with pytest.raises(ImportFailed) as refused:
        read_session(tmp_path / "Live.request.yaml")
    assert words in str(refused.value)
