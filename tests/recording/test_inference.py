"""What is guessed from messages: phases, replies, captures, heartbeats, answers, secrets, times, pushes."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recording.hars import START
from tests.recording.talks import Talk, guessed
from wstui.recording.inference.infer import infer
from wstui.recording.inference.inferred_scenario import Guess, InferredScenario
from wstui.recording.session import RecordedSession
from wstui.scenario.file import loads


def test_a_login_a_loop_and_a_leave_are_told_apart_by_what_repeats() -> None:
    talk = Talk().sent({"type": "auth", "user": "ann"}).came({"type": "auth_ok", "user": {"id": 4711}})
    for n in range(5):
        talk.sent({"type": "move", "n": n, "by": 4711}, 2.0).came({"type": "moved", "n": n})
        talk.sent({"type": "look"}, 0.5).came({"type": "seen"})
    draft, made = guessed(talk.sent({"type": "bye", "by": 4711}, 0.3))
    (role,) = made.roles
    (auth,) = role.open
    move, think, look = role.loop
    assert auth.expect == {"type": "auth_ok"} and auth.capture == {"user_id": "user.id"}
    assert move.json == {"type": "move", "n": "{{seq}}", "by": "{{user_id}}"}
    assert move.expect == {"type": "moved", "n": "{{seq}}"} and look.expect == {"type": "seen"}
    assert think.think == "500ms" and made.messages.every == pytest.approx(2.5, abs=0.1)
    assert role.leave[0].json == {"type": "bye", "by": "{{user_id}}"}
    text = draft.text()
    assert 'expect = { type = "moved", n = "{{seq}}" }  # sure: 5 of 5 came back as moved with the same n' in text


def test_what_a_client_does_by_itself_is_no_step() -> None:
    talk = Talk().sent({"op": "hello"}).came({"op": "ready"})
    for n in range(6):
        talk.sent({"op": "say", "n": n}, 1.0).came({"op": "said", "n": n})
        talk.came({"op": "ping", "id": f"p-{n}-77"}).sent({"op": "pong", "id": f"p-{n}-77"})
        if n % 2 == 0:
            talk.sent({"op": "heartbeat"}).came({"op": "heartbeat_ok"})
    _, made = guessed(talk)
    (role,) = made.roles
    assert [step.name for step in role.loop if step.name] == ["say"]
    (answer,), (beat,) = role.answer, role.heartbeats
    assert answer.on == {"op": "ping"}
    assert answer.json == {"op": "pong", "id": "{{message.id}}"}
    assert beat.expect == {"op": "heartbeat_ok"} and beat.every == "2.1s"


def test_a_pause_a_rule_and_a_login_can_be_undone_as_a_whole() -> None:
    talk = Talk()
    for n in range(4):
        talk.sent({"op": "say", "n": n}, 2.0 + n % 2).came({"op": "said", "n": n})
        talk.came({"op": "ping", "id": f"p-{n}-77"}).sent({"op": "pong", "id": f"p-{n}-77"})
    draft, _ = guessed(talk)
    think, say = ("roles", 0, "loop", 0, "think"), ("roles", 0, "loop", 1, "json", "n")
    why = draft.guesses[say]
    assert draft.can_undo(think) and draft.can_undo(("roles", 0, "answer", 0))
    draft.undo(think)
    draft.undo(("roles", 0, "answer", 0))
    (role,) = draft.tables["roles"]
    assert [step.get("think") for step in role["loop"]] == [None] and "answer" not in role
    assert draft.guesses["roles", 0, "loop", 0, "json", "n"] is why and think not in draft.guesses
    assert not any("answer" in place for place in draft.guesses)
    assert draft.can_undo(("messages", "every"))
    draft.undo(("messages", "every"))
    assert "every" not in draft.tables["messages"]
    loads(draft.text(), "", draft.secrets)


@pytest.mark.parametrize(
    ("phase", "left"),
    [("open", {"loop": "abcd", "leave": "e"}), ("loop", {"open": "abcd", "leave": "e"}),
     ("leave", {"open": "ab", "loop": "cde"})],
)  # fmt: skip
def test_where_a_phase_begins_can_be_undone(phase: str, left: dict[str, str]) -> None:
    phases = {"open": "ab", "loop": "cd", "leave": "e"}
    role = {name: [{"send": letter} for letter in letters] for name, letters in phases.items()}
    guesses: dict[tuple[str | int, ...], Guess] = {
        ("roles", 0, name, n, "send"): Guess(letter) for name in phases for n, letter in enumerate(phases[name])
    }
    draft = InferredScenario({"roles": [role]}, {**guesses, ("roles", 0, phase, 0): Guess(phase)})
    assert draft.can_undo(("roles", 0, phase, 0))
    draft.undo(("roles", 0, phase, 0))
    assert {name: "".join(step["send"] for step in role[name]) for name in role} == left
    assert all(draft.at(place) == guess.why for place, guess in draft.guesses.items()) and len(draft.guesses) == 5


@pytest.mark.parametrize("phase", ["open", "loop"])
def test_a_scenario_whose_phases_were_undone_still_loads(phase: str) -> None:
    talk = Talk().sent({"op": "login"}, 0.1).came({"op": "welcome"})
    for n in range(4):
        talk.sent({"op": "say", "n": n}, 2.0).came({"op": "said", "n": n})
    draft, _ = guessed(talk)
    (begins,) = [place for place in draft.guesses if len(place) == 4 and place[2] == phase]
    assert draft.can_undo(begins)
    draft.undo(begins)
    loads(draft.text(), "", draft.secrets)


def test_an_answer_that_a_busy_client_is_late_with_is_still_one() -> None:
    talk = Talk()
    for n in range(6):
        talk.came({"op": "ping", "id": f"p-{n}-77"}).sent({"op": "say", "n": n}, 0.4)
        talk.sent({"op": "pong", "id": f"p-{n}-77"}).came({"op": "said", "n": n})
    _, made = guessed(talk)
    (role,) = made.roles
    assert [step.name for step in role.loop if step.name] == ["say"] and not role.open
    assert [(answer.on, answer.json) for answer in role.answer] == [
        ({"op": "ping"}, {"op": "pong", "id": "{{message.id}}"})
    ]


def test_pushes_with_stamps_and_numbers_are_measured_and_broadcasts_followed() -> None:
    talks = []
    for number in range(2):
        talk = Talk(number=number).sent({"type": "sub"}).came({"type": "subbed"})
        for n in range(8):
            stamp = int((START + 1 + n) * 1000)
            talk.came({"type": "news", "room": f"r{n % 2}", "seq": n // 2, "data": {"sent_at": stamp}}, 1.0)
        talks.append(talk)
    _, made = guessed(*talks)
    (role,) = made.roles
    (delivery,), (sequence,) = role.delivery, role.sequence
    assert (delivery.of, delivery.stamp, delivery.unit) == ({"type": "news"}, "data.sent_at", "ms")
    assert (sequence.number, sequence.per) == ("seq", "room")
    assert made.messages.fanout == "on" and not role.loop and made.listens


def test_secrets_are_referred_to_and_listed_and_stand_nowhere() -> None:
    talk = Talk(
        "ws://127.0.0.1:9/ws?token=query-secret-1", Authorization="Bearer head-secret-1", Cookie="sid=jar-secret-1"
    )
    draft, made = guessed(talk.sent({"type": "login", "password": "word-secret-1", "api_key": "key-secret-1"}))
    secrets = {"query-secret-1", "head-secret-1", "jar-secret-1", "word-secret-1", "key-secret-1"}
    assert set(draft.secrets.values()) == secrets
    assert not [secret for secret in secrets if secret in draft.text()]
    assert made.target.url == "ws://127.0.0.1:9/ws?token=query-secret-1", "with the secrets set, it says the same"
    assert made.target.headers == {"Authorization": "Bearer head-secret-1"}
    assert made.target.cookies == {"sid": "jar-secret-1"}


def test_values_of_a_client_become_columns_of_the_feed() -> None:
    talks = []
    for number, (user, room) in enumerate((("ann", "red"), ("bob", "blue"), ("cyd", "red"))):
        talk = Talk(number=number).sent({"type": "join", "user": user, "room": room})
        talks.append(talk.came({"type": "joined", "room": room}))
    draft, made = guessed(*talks)
    (join,) = made.roles[0].open
    assert join.json == {"type": "join", "user": "{{feed.user}}", "room": "{{feed.room}}"}
    assert join.expect == {"type": "joined", "room": "{{feed.room}}"}
    assert draft.columns["user"] == {0: "ann", 1: "bob", 2: "cyd"}


def test_clients_that_do_different_things_have_roles_of_their_own() -> None:
    talks = [Talk(number=n).came({"type": "state", "n": n}) for n in range(3)]
    speaker = Talk(number=9)
    for n in range(4):
        speaker.sent({"type": "slide", "n": n}, 1.0)
    _, made = guessed(*talks, speaker)
    assert [(role.weight, bool(role.loop)) for role in made.roles] == [(1.0, True), (3.0, False)]


def test_kinds_without_an_order_are_drawn_by_weight() -> None:
    talk = Talk()
    for kind in "abbacaaacbaabba":
        talk.sent({"type": kind}, 0.7)
    _, made = guessed(talk)
    (choose,) = made.roles[0].loop
    assert made.messages.every == pytest.approx(0.7)
    assert [(way.weight, way.steps[0].name) for way in choose.choose] == [(8.0, "a"), (5.0, "b"), (2.0, "c")]


@pytest.mark.parametrize(
    ("values", "placeholder"),
    [
        ([3, 4, 5, 6], "{{seq}}"),
        (["3", "4", "5", "6"], "{{seq text}}"),
        ([17, 3, 99, 41], "{{random int 3 99}}"),
        ([1.5, 0.25, 3.75, 2.5], "{{random float 0.250000 3.750000}}"),
        (["red", "red", "blue", "red"], "{{random choice red blue}}"),
        ([int((START + n) * 1e6) for n in range(1, 5)], "{{timestamp us}}"),
        ([f"2023-11-14T22:13:{21 + n}.000Z" for n in range(4)], "{{timestamp iso}}"),
        ([f"0b5a{n}c0d-1111-4222-8333-44445555666{n}" for n in range(4)], "{{random uuid}}"),
        ([f"00ff{n}a7bc9e1" for n in range(4)], "{{random hex 12}}"),
        ([f"line {n}" for n in range(4)], "line {{seq}}"),
        (["same"] * 4, "same"),
        (["${HOME} {{seq}}"] * 4, "$${HOME} {{{{seq}}"),
    ],
)
def test_what_varies_becomes_the_placeholder_that_fits(values: list[Any], placeholder: str) -> None:
    talk = Talk(gap=1.0)
    for value in values:
        talk.sent({"type": "say", "v": value})
    draft, made = guessed(talk)
    assert draft.tables["roles"][0]["loop"][-1]["json"]["v"] == placeholder
    assert made.roles[0].loop


def test_null_text_and_binary_are_sent_as_they_were() -> None:
    talk = Talk(gap=1.0)
    for n in range(4):
        talk.sent(json.dumps({"type": "a", "none": None, "n": n})).sent(f"go {n} now").came(f"went {n}")
        talk.sent(b"\x01\x02").came(b"\x03\x04")
    _, made = guessed(talk)
    document, text, binary = (step for step in made.roles[0].loop if step.name)
    assert document.send == '{"type": "a", "none": null, "n": {{seq}}}'
    assert text.send == "go {{seq}} now" and text.expect == {"equals": "went {{seq}}"}
    assert binary.hex == "0102" and binary.expect == {"hex": "0304"}


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["ping", "{{", "${A"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.just("type"), inner, max_size=3)
    ),
    max_leaves=8,
)
_data = st.text(max_size=20) | st.binary(max_size=8) | _json.map(json.dumps)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.booleans(), _data, st.floats(0, 5)), max_size=12), st.integers(1, 3))
def test_any_messages_at_all_become_a_scenario_that_loads(messages: list[Any], repeats: int) -> None:
    talk = Talk()
    for sent, data, gap in messages * repeats:
        (talk.sent if sent else talk.came)(data, gap)
    guessed(talk)


def test_a_null_in_a_list_or_a_number_too_large_for_toml_stays_a_frame() -> None:
    talk = Talk().sent({"jsonrpc": "2.0", "id": 1, "method": "get", "params": [None]}).came({"jsonrpc": "2.0", "id": 1})
    talk.sent({"jsonrpc": "2.0", "id": 2, "method": "ask", "params": {"a": None, "b": 2}})
    _, made = guessed(talk.came({"jsonrpc": "2.0", "id": 2, "result": True}))
    steps = {step.name: step for role in made.roles for step in (*role.open, *role.loop)}
    assert steps["call-ask"].model_extra == {"call": "ask", "params": {"b": 2}}
    assert "null" in str(steps["get"].send)


def test_messagepack_and_several_messages_a_frame_are_read_as_calls() -> None:
    def packed(*parts: object) -> bytes:
        content = msgspec.msgpack.encode(parts)
        return bytes([len(content)]) + content

    talk = Talk().sent('{"protocol":"messagepack","version":1}\x1e').came("{}\x1e")
    for n in range(3):
        talk.sent(packed(1, {}, f"{n}", "Add", [1, n], []) + packed(6), 1.0)
        talk.came(packed(3, {}, f"{n}", 3, n + 1))
    _, made = guessed(talk)
    (step,) = made.roles[0].loop
    assert made.target.options == {"format": "messagepack"} and not made.roles[0].open
    assert step.model_extra == {"invoke": "Add", "args": [1, "{{seq}}"]}


def test_what_a_protocol_does_by_itself_is_no_step() -> None:
    talk = Talk("ws://127.0.0.1:9/socket.io/?EIO=4&transport=websocket&sid=x", gap=0.1)
    talk.came('0{"sid":"x","pingInterval":1000,"pingTimeout":500}').sent("40").came('40{"sid":"y"}')
    for n in range(4):
        talk.sent(f'42{n}["say",{{"n":{n}}}]', 1.0).came(f'43{n}[{{"n":{n}}}]').came("2").sent("3")
    _, made = guessed(talk.sent("41"))
    (role,) = made.roles
    assert made.target.url == "ws://127.0.0.1:9/socket.io/" and not (role.open or role.leave or role.answer)
    (step,) = role.loop
    assert step.model_extra == {"emit": "say", "data": {"n": "{{seq}}"}, "ack": True}


def test_channels_of_phoenix_wait_for_the_replies_that_came() -> None:
    talk = Talk("ws://127.0.0.1:9/socket/websocket?vsn=2.0.0")
    talk.sent(["1", "1", "room:1", "phx_join", {"user": "ann"}])
    talk.came(["1", "1", "room:1", "phx_reply", {"status": "ok", "response": {"id": 90210}}])
    for n in range(4):
        ref = 2 + 3 * n
        talk.sent(["1", f"{ref}", "room:1", "echo", {"n": n, "id": 90210}], 1.0)
        talk.came(["1", f"{ref}", "room:1", "phx_reply", {"status": "ok", "response": {"n": n}}])
        talk.sent(["1", f"{ref + 1}", "room:1", "shout", {"n": n}])
        talk.sent([None, f"{ref + 2}", "phoenix", "heartbeat", {}])
        talk.came([None, f"{ref + 2}", "phoenix", "phx_reply", {"status": "ok", "response": {}}])
    _, made = guessed(talk.sent(["1", "99", "room:1", "phx_leave", {}]))
    (role,) = made.roles
    (join,), (echo, shout) = role.open, (step for step in role.loop if step.name)
    assert join.model_extra == {"join": "room:1", "data": {"user": "{{feed.user}}"}} and join.capture == {
        "response_id": "id"
    }
    data = {"n": "{{seq}}", "id": "{{response_id}}"}
    assert made.target.protocol == "phoenix" and not role.heartbeats
    assert echo.model_extra == {"push": "echo", "topic": "room:1", "data": data, "reply": True}
    assert shout.model_extra == {"push": "shout", "topic": "room:1", "data": {"n": "{{seq}}"}}
    assert role.leave[0].model_extra == {"leave": "room:1"}


def test_spoken_audio_is_one_step_of_its_length() -> None:
    talk = Talk().came({"type": "session.created", "session": {}})
    talk.sent({"type": "session.update", "session": {"voice": "alloy"}}).came({"type": "session.updated"})
    for _ in range(3):
        for _ in range(4):
            talk.sent({"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(4800)).decode()}, 0.1)
        talk.sent({"type": "input_audio_buffer.commit"}).came({"type": "input_audio_buffer.committed"})
        talk.sent({"type": "response.create"}).came({"type": "response.done", "response": {"status": "completed"}}, 0.5)
    _, made = guessed(talk)
    loop = [step.model_extra for step in made.roles[0].loop if step.name]
    assert made.target.protocol == "realtime" and made.target.options == {"session": {"voice": "alloy"}}
    assert loop == [{"audio": "400ms"}, {"commit": True}, {"respond": True}]


TALKS: dict[str, list[tuple[bool, str | bytes]]] = {
    "socketio": [
        (False, '0{"sid":"x","pingInterval":1000,"pingTimeout":500}'),
        (True, '40/a,{"token":"t-123"}'), (False, '40/a,{"sid":"y"}'), (True, '42/a,1["say",{"n":1},null]'),
        (False, '43/a,1[{"ok":true}]'), (True, '451-/a,["blob",{"_placeholder":true,"num":0}]'), (True, b"\1\2"),
    ],
    "graphql": [
        (True, '{"type":"connection_init","payload":{"t":"x"}}'), (False, '{"type":"connection_ack"}'),
        (True, '{"id":"1","type":"subscribe","payload":{"query":"subscription { a }","variables":{"n":null}}}'),
        (False, '{"id":"1","type":"next","payload":{"data":{"a":1}}}'), (True, '{"id":"1","type":"complete"}'),
    ],
    "stomp": [
        (True, "CONNECT\naccept-version:1.2\nhost:/\nheart-beat:0,0\n\n\0"), (False, "CONNECTED\nversion:1.2\n\n\0"),
        (True, "SUBSCRIBE\nid:1\ndestination:/t/a\nreceipt:7\n\n\0"), (False, "RECEIPT\nreceipt-id:7\n\n\0"),
        (True, "SEND\ndestination:/t/a\n\n{\"n\":1}\0"), (True, "UNSUBSCRIBE\nid:1\n\n\0"),
    ],
    "ocpp": [
        (True, '[2,"a","BootNotification",{"chargePointModel":"m","chargePointVendor":"v"}]'),
        (False, '[3,"a",{"status":"Accepted","interval":60,"currentTime":"2026-01-01T00:00:00Z"}]'),
        (False, '[2,"s","Reset",{"type":"Hard"}]'), (True, '[3,"s",{"status":"Rejected"}]'),
        (True, '[2,"b","StartTransaction",{"idTag":"x"}]'), (False, '[3,"b",{"transactionId":5}]'),
    ],
    "mqtt": [
        (True, b"\x10\x0f\0\4MQTT\4\2\0\x3c\0\3abc"), (False, b"\x20\2\0\0"),
        (True, b"\x82\6\0\1\0\1a\0"), (False, b"\x90\3\0\1\0"), (True, b"\x32\7\0\1a\0\2hi"), (False, b"\x40\2\0\2"),
    ],
    "pusher": [
        (False, '{"event":"pusher:connection_established","data":"{\\"socket_id\\":\\"1.2\\"}"}'),
        (True, '{"event":"pusher:subscribe","data":{"channel":"presence-a","auth":"k:s","channel_data":"{}"}}'),
        (True, '{"event":"client-x","channel":"private-a","data":{"n":1}}'),
    ],
    "phoenix": [
        (True, '["1","1","room:1","phx_join",{}]'),
        (False, '["1","1","room:1","phx_reply",{"status":"ok","response":{}}]'),
        (True, '["1","2","room:1","echo",{"n":1}]'), (True, '["1","3","room:1","phx_leave",{}]'),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", TALKS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_broken_frames_of_a_protocol_never_break_the_scenario(name: str, data: Any) -> None:
    frames = list(TALKS[name])
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(frames) - 1))
        sent, told = frames[at]
        cut = data.draw(st.integers(0, len(told)))
        odd = data.draw(st.sampled_from(["", '"', "}", "[]", "0", "\x1e", "\0", "{{seq}}", "${X}", "null"]))
        mutated = (
            told[:cut] + odd.encode() + told[cut + 1 :]
            if isinstance(told, bytes)
            else told[:cut] + odd + told[cut + 1 :]
        )
        frames[at] = (not sent if data.draw(st.booleans()) and data.draw(st.booleans()) else sent, mutated)
        frames += data.draw(st.sampled_from([[], frames[at:], frames[:at]]))
    talk = Talk()
    for sent, told in frames:
        talk._add(sent, told, 0.2)
    draft = infer(RecordedSession("HAR", [talk.connection]), [talk.connection], "odd")
    if draft.columns:
        draft.tables["messages"]["feed"] = __file__
    if not draft.missing:
        loads(draft.text(), "", draft.secrets, complete=False)
