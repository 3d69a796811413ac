"""What a server speaks, guessed from what a connection showed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wstui.protocols.guess import ObservedFrame, guess
from wstui.scenario.conversation.known_dialects import DIALECTS, dialect, kind_of

URL = "ws://localhost/ws"
SENT, CAME = True, False


@pytest.mark.parametrize(
    ("name", "protocol", "options"),
    [
        ("graphql-transport-ws", "graphql", {}),
        ("graphql-ws", "graphql", {"legacy": True}),
        ("ocpp2.0.1", "ocpp", {"version": "2.0.1"}),
        ("actioncable-v1-json", "actioncable", {}),
        ("wamp.2.json", "wamp", {}),
        ("mqtt", "mqtt", {}),
        ("v12.stomp", "stomp", {}),
        ("v11.stomp", "stomp", {"version": "1.1"}),
    ],
)
def test_the_agreed_subprotocol_says_it(name: str, protocol: str, options: dict[str, Any]) -> None:
    found = guess(URL, name)
    assert found is not None and (found.protocol, found.options, found.certain) == (protocol, options, True)


@pytest.mark.parametrize(
    ("frames", "protocol", "options"),
    [
        ([(CAME, '0{"sid":"x","pingInterval":25000,"pingTimeout":20000}')], "socketio", {}),
        ([(CAME, '0{"sid":"x","pingInterval":25000,"pingTimeout":5000}'), (CAME, "40")], "socketio", {"version": 3}),
        ([(CAME, '0{"sid":"x"}'), (SENT, "40"), (CAME, '40{"sid":"y"}')], "socketio", {}),
        ([(CAME, '{"type":"connection_error","payload":{"message":"no"}}')], "graphql", {"legacy": True}),
        ([(CAME, "o"), (CAME, 'a["CONNECTED\\nversion:1.2\\n\\n\\u0000"]')], "stomp", {"sockjs": True}),
        ([(CAME, '[3,{"message":"no"},"wamp.error.no_such_realm"]')], "wamp", {}),
        ([(CAME, '{"event":"pusher:connection_established","data":"{}"}')], "pusher", {}),
        ([(CAME, '{"type":"welcome"}')], "actioncable", {}),
        ([(CAME, '{"type":"ping","message":1700000000}')], "actioncable", {}),
        ([(SENT, '{"id":1,"connect":{"token":"x"}}')], "centrifugo", {}),
        ([(SENT, '[1,"realm7",{"roles":{}}]')], "wamp", {"realm": "realm7"}),
        ([(False, b"\x20\x02\0\0")], "mqtt", {}),
        ([(SENT, '[2,"1","BootNotification",{}]')], "ocpp", {}),
        ([(CAME, '{"jsonrpc":"2.0","method":"eth_subscription"}')], "jsonrpc", {}),
        ([(SENT, '{"type":"connection_init"}')], "graphql", {}),
        ([(SENT, b"\x10\x10\0\4MQTT\5\2\0\x3c\0\0\2c1")], "mqtt", {"version": "5"}),
        ([(SENT, "CONNECT\naccept-version:1.2\n\n\0")], "stomp", {}),
        ([(CAME, "o"), (SENT, '["CONNECT\\n\\n"]')], "stomp", {"sockjs": True}),
        ([(CAME, '{"type":"hello"}'), (SENT, '{"n":1}')], "json", {}),
        ([(CAME, '{"type":"welcome"}'), (SENT, '{"n":1}')], "json", {}),
        ([(CAME, '{"type":"hello"}\n{"n":1}\n')], "lines", {}),
        ([(CAME, "hello"), (SENT, b"\0\1")], "raw", {}),
    ],
)
def test_frames_give_it_away(frames: list[ObservedFrame], protocol: str, options: dict[str, Any]) -> None:
    found = guess(URL, frames=frames)
    assert found is not None and (found.protocol, found.options) == (protocol, options)


@pytest.mark.parametrize(
    ("url", "protocol", "options"),
    [
        ("ws://h/socket.io/?EIO=3&transport=websocket", "socketio", {"version": 3}),
        ("ws://h/chat/123/abc-x/websocket", "stomp", {"sockjs": True}),
    ],
)
def test_a_url_is_a_hint(url: str, protocol: str, options: dict[str, Any]) -> None:
    found = guess(url)
    assert found is not None and (found.protocol, found.options, found.certain) == (protocol, options, False)


@pytest.mark.parametrize(
    ("frames", "certain"),
    [
        (['{"type":"welcome"}'], False),
        (['{"type":"welcome","sid":"x"}'], False),
        (['{"type":"welcome"}', '{"type":"ping","message":1700000000}'], True),
    ],
)
def test_only_its_pings_tell_action_cable_from_others_that_say_welcome(frames: list[str], certain: bool) -> None:
    found = guess(URL, frames=[(CAME, text) for text in frames])
    assert found is not None and (found.protocol, found.certain) == ("actioncable", certain)


def test_without_a_sign_there_is_no_guess() -> None:
    assert guess(URL) is None


@given(st.text(), st.text(max_size=30), st.lists(st.tuples(st.booleans(), st.text() | st.binary()), max_size=5))
def test_any_traffic_gets_a_protocol_that_exists(url: str, subprotocol: str, frames: list[ObservedFrame]) -> None:
    found = guess(url, subprotocol, frames)
    assert found is None or (found.protocol in DIALECTS and dialect(found.protocol, found.options))


def test_each_protocol_has_one_line_in_a_terminal_of_80_columns() -> None:
    assert {name: kind_of(name).title for name in DIALECTS if len(kind_of(name).title) > 65} == {}
