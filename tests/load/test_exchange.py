from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wstui.load.broadcasts import NEWCOMER_NS, Broadcasts
from wstui.load.client import LoadClient
from wstui.load.context import ALTERED
from wstui.load.exchange import EXCHANGES, Exchange, quick_type, read_typed
from wstui.load.frames import BINARY, PING, TEXT
from wstui.load.protocol import ConversationSpec
from wstui.measure.counters import Tally
from wstui.measure.fanout import FanOut

NOW_MS = 1_700_000_000_000


class ClientStandIn:
    """Stands in for a client: notes the keys of replies, and whether it was welcomed."""

    def __init__(self, number: int = 7) -> None:
        self.number = number
        self.slot = number
        tally = Tally()
        self.context = SimpleNamespace(
            tally=tally, counters=tally.counters, epoch_ns=0, now=0, broadcasts=Broadcasts(10**9, tally.types)
        )
        self.waiting = True
        self.sequence = 0
        self.pending: dict[int, tuple[int, int]] = {}
        self.expired: dict[int, None] | None = None
        self.replies: list[Any] = []

    def on_welcome(self) -> None:
        self.waiting = False

    def not_the_welcome(self, document: bytes) -> None:
        """What came in place of a welcome."""

    def replied(self, key: object) -> int:
        self.replies.append(key)
        return 0

    @property
    def types(self) -> dict[str, int]:
        return {name.decode("utf-8", "replace"): n for name, n in self.context.tally.types.items()}


def exchange(kind: str = "odin", **settings: Any) -> Exchange:
    return EXCHANGES[kind](ConversationSpec(exchange=kind, **settings))


def heard(payload: bytes, *, first: int = TEXT, kind: str = "odin", **settings: Any) -> ClientStandIn:
    listener = ClientStandIn()
    exchange(kind, **settings).receive(cast(LoadClient, listener), first, payload)
    return listener


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
)
ANSWER = st.fixed_dictionaries({"type": st.sampled_from(["pong", "connection:established"]) | JSON})
PONG = st.fixed_dictionaries({"type": st.just("pong"), "originalTimestamp": JSON})


@given(
    st.binary() | st.one_of(JSON, ANSWER, PONG).map(lambda value: json.dumps(value).encode()),
    st.sampled_from([TEXT, BINARY]),
    st.sampled_from(sorted(EXCHANGES)),
)
@example(b"[" * 100_000, TEXT, "odin")
@example(b'{"type":' * 50_000, TEXT, "odin")
@example(b'{"type":"pong","originalTimestamp":' + b"9" * 5000 + b"}", TEXT, "odin")
@example(b'{"type":"pong","originalTimestamp":17000000000\xff}', TEXT, "odin")
@example(b"wstui:7:", TEXT, "echo")
@example(b"wstui:7:;wstui:7:1;", TEXT, "echo")
@example(b"wstui:7:" + b"9" * 30 + b";", TEXT, "echo")
def test_whatever_a_server_says_is_counted_and_breaks_nothing(payload: bytes, first: int, kind: str) -> None:
    listener = heard(payload, first=first, kind=kind)
    assert sum(listener.types.values()) >= 1


@given(ANSWER)
def test_a_quick_look_at_the_type_sees_what_a_careful_one_sees(value: dict[str, Any]) -> None:
    for separators in ((",", ":"), (", ", ": ")):
        document = json.dumps(value, separators=separators).encode()
        quick = quick_type(document)
        if quick is not None:
            assert quick == read_typed(document)[0]


@pytest.mark.parametrize(
    ("payload", "types"),
    [
        (b"", {"(empty)": 1}),
        (b"null", {"(no type)": 1}),
        (b"[1,2]", {"(no type)": 1}),
        (b'{"a":1}', {"(no type)": 1}),
        (b'{"type":5}', {"(no type)": 1}),
        (b"{", {"(not JSON)": 1}),
        (b"hello", {"(not JSON)": 1}),
        (b'{"type":"a"}\n{"type":"b"}\n', {"a": 1, "b": 1}),
        (b'{"type":"a"}\r\n{"type":"a"}', {"a": 2}),
        (b'{\n  "type": "a",\n  "b": 1\n}', {"a": 1}),
        (b'{"b":{"type":"inner"},"type":"outer"}', {"outer": 1}),
        (b"[" * 100_000, {"(no type)": 1}),
        (b'{"a":' + b"[" * 100_000, {"(not JSON)": 1}),
        (b'{"type":["pong"]}', {"(no type)": 1}),
        (b"\n\n", {"(not JSON)": 1}),
    ],
)
def test_messages_are_counted_by_what_they_are(payload: bytes, types: dict[str, int]) -> None:
    assert heard(payload).types == types


def test_a_binary_message_is_counted_as_such_whatever_it_holds() -> None:
    listener = heard(b'{"type":"pong","originalTimestamp":1}', first=BINARY)
    assert listener.types == {"(binary)": 1}
    assert listener.replies == []


@pytest.mark.parametrize(
    "document",
    [
        b'{"type":"pong","originalTimestamp":%d,"timestamp":5}',
        b'{"type":"pong","timestamp":5,"originalTimestamp":%d}',
        b'{"type": "pong", "originalTimestamp": %d}',
        b'{"originalTimestamp":%d,"type":"pong"}',
        b'{\n "type": "pong",\n "originalTimestamp": %d\n}',
        b'{"type":"other"}\n{"type":"pong","originalTimestamp":%d}',
    ],
)
@pytest.mark.parametrize("key", [NOW_MS, 5, 17_000_000_000_000])
def test_a_pong_names_the_ping_that_it_answers(document: bytes, key: int) -> None:
    assert heard(document % key).replies == [key]


@pytest.mark.parametrize("value", [b'"1700000000000"', b"null", b"{}", b"[]", b"1.5", b"true"])
def test_a_pong_that_names_no_ping_is_passed_on_as_it_is(value: bytes) -> None:
    (key,) = heard(b'{"type":"pong","originalTimestamp":' + value + b"}").replies
    assert type(key) is not int


@pytest.mark.parametrize(("welcome", "payload", "welcomed"), [
    ("connection:established", b'{"type":"connection:established"}', True),
    ("connection:established", b'{"type":"other"}', False),
    ("", b'{"type":"other"}', True),
    ("", b"anything", True),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["odin", "listen", "echo", "ping"])
def test_the_welcome_is_the_message_of_that_type_or_any(
    kind: str, welcome: str, payload: bytes, welcomed: bool
) -> None:
    assert heard(payload, kind=kind, welcome=welcome).waiting is not welcomed


def test_a_message_that_others_had_before_may_be_the_welcome_of_a_client() -> None:
    listen = exchange("listen", welcome="")
    early, late = ClientStandIn(1), ClientStandIn(2)
    early.waiting, late.context = False, early.context
    for listener in (early, late):
        listen.receive(cast(LoadClient, listener), TEXT, b'{"type":"price","price":1}')
    assert not late.waiting
    assert late.types == {"price": 2}


def test_pings_in_flight_never_share_a_key() -> None:
    odin, listener = exchange(), ClientStandIn()
    keys = []
    for at_ns in [0, 0, 100, 2_000_000, 2_000_001, 1_000_000]:
        _, payload, key = odin.compose(cast(LoadClient, listener), NOW_MS * 1_000_000 + at_ns)
        listener.pending[key] = (0, 0)
        keys.append(key)
        assert json.loads(payload) == {"type": "ping", "timestamp": key}
    assert keys == sorted(set(keys))


def test_the_timestamps_of_a_fast_closed_loop_keep_to_the_clock() -> None:
    odin, listener = exchange(), ClientStandIn()
    for n in range(1000):
        _, _, key = odin.compose(cast(LoadClient, listener), NOW_MS * 1_000_000 + n * 50_000)
        assert key == NOW_MS + n * 50_000 // 1_000_000


def test_a_server_that_answers_twice_never_gets_two_pings_with_one_key() -> None:
    odin, listener = exchange(), ClientStandIn()
    listener.context.tally.counters.duplicates = 1
    keys = {odin.compose(cast(LoadClient, listener), NOW_MS * 1_000_000)[2] for _ in range(10)}
    assert len(keys) == 10


def test_a_late_answer_is_never_taken_for_that_of_a_ping_of_the_same_millisecond() -> None:
    odin, listener = exchange(), ClientStandIn()
    _, _, given_up = odin.compose(cast(LoadClient, listener), NOW_MS * 1_000_000)
    listener.expired = {given_up: None}
    assert odin.compose(cast(LoadClient, listener), NOW_MS * 1_000_000)[2] != given_up


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(0, 4000))
def test_an_echo_is_known_by_client_and_number(number: int, sent: int, size: int) -> None:
    echo = exchange("echo", size=size)
    listener = ClientStandIn(number)
    listener.sequence = sent - 1
    first, payload, key = echo.compose(cast(LoadClient, listener), 0)
    assert (first, key) == (TEXT, sent)
    assert len(payload) == max(size, len(b"wstui:%d:%d;" % (number, sent)))
    echo.receive(cast(LoadClient, listener), TEXT, payload)
    echo.receive(cast(LoadClient, listener), TEXT, b'{"you said":"' + payload + b'"}')
    assert listener.replies == [sent, sent]
    other = ClientStandIn(number + 1)
    echo.receive(cast(LoadClient, other), TEXT, payload)
    assert other.replies == [], "a server that echoes to everybody"
    if size > 20:
        echo.receive(cast(LoadClient, listener), TEXT, payload[:-1])
        assert listener.replies[-1] == -1, "cut short it is no echo"


def test_a_ping_frame_is_known_by_its_payload() -> None:
    ping, listener = exchange("ping"), ClientStandIn()
    first, payload, key = ping.compose(cast(LoadClient, listener), 0)
    assert first == PING
    ping.pong(cast(LoadClient, listener), payload)
    ping.pong(cast(LoadClient, listener), b"unsolicited")
    ping.pong(cast(LoadClient, listener), b"")
    ping.pong(cast(LoadClient, listener), "²".encode())
    ping.pong(cast(LoadClient, listener), b"0%d" % key)
    ping.pong(cast(LoadClient, listener), b"%d" % (key + 1))
    assert listener.replies == [key, ALTERED, None, ALTERED, ALTERED, ALTERED], "an empty one may come unasked"
    assert listener.types == {"(pong frame)": 6}


@pytest.mark.parametrize(
    ("change", "altered"),
    [
        (lambda sent: sent[:-1] + b"!", True),
        (lambda sent: b"X" + sent[1:], True),
        (lambda sent: sent.upper(), True),
        (lambda sent: sent[:10], True),
        (lambda sent: sent.replace(b":7:", b":8:"), False),  # what another client has sent
        (lambda sent: b'{"type":"notice","text":"a message of the same length as ours"}'[: len(sent)], False),
    ],
)
def test_an_echo_that_was_altered_is_known_as_such(change: Callable[[bytes], bytes], altered: bool) -> None:
    echo, listener = exchange("echo", size=64), ClientStandIn()
    _, payload, key = echo.compose(cast(LoadClient, listener), 0)
    listener.pending[key] = (0, 0)
    echo.receive(cast(LoadClient, listener), TEXT, change(payload))
    assert listener.replies == ([ALTERED] if altered else [])


def three_listeners() -> list[ClientStandIn]:
    """Clients of one worker that were there from the start."""
    clients = [ClientStandIn(n) for n in range(3)]
    worker = clients[0].context
    for listener in clients:
        listener.context, listener.waiting = worker, False
        worker.broadcasts.opened(listener.slot, -NEWCOMER_NS)
    return clients


def test_broadcasts_that_share_a_frame_are_followed_each_for_itself() -> None:
    listen = exchange("listen")
    clients = three_listeners()
    worker = clients[0].context
    one, two = b'{"type":"price","price":1}', b'{"type":"price","price":2}'
    for listener in clients[:2]:
        listen.receive(cast(LoadClient, listener), TEXT, one + b"\n" + two)
    listen.receive(cast(LoadClient, clients[2]), TEXT, one)
    seen = worker.broadcasts.expired(10**12, 0)
    assert [(r.eligible, r.receivers, r.duplicates) for r in seen] == [(3, 3, 0), (3, 2, 0)]
    assert clients[0].types == {"price": 5}


@pytest.mark.parametrize("types", [1, 100])
def test_broadcasts_of_a_type_without_end_are_followed_and_counted(types: int) -> None:
    listen = exchange("listen")
    clients = three_listeners()
    worker = clients[0].context
    for n in range(types):
        for listener in clients:
            listen.receive(cast(LoadClient, listener), TEXT, b'{"type":"%s%d","seq":%d}' % (b"x" * 10_000, n, n))
    assert [r.receivers for r in worker.broadcasts.expired(10**12, 0)] == [3] * types
    assert sum(clients[0].types.values()) == 3 * types


@pytest.mark.parametrize(
    ("again", "duplicates", "late"),
    [
        (b'{"type":"tick"}', None, 0),
        (b"tick", None, 0),
        (b'{"type":"price","timestamp":1700000000000}', 3, 1),
        (b'{"type":"price","nonce":"1700000000000-0123456789abcdef"}', 3, 1),
        (b'{"type":"price","seq":7}', 3, 1),
    ],
)
def test_the_same_words_again_are_a_duplicate_only_where_they_name_themselves(
    again: bytes, duplicates: int | None, late: int
) -> None:
    listen = exchange("listen")
    clients = [ClientStandIn(n) for n in range(3)]
    worker = clients[0].context
    fanout = FanOut()
    for listener in clients:
        listener.context, listener.waiting = worker, False
        worker.broadcasts.opened(listener.slot, -NEWCOMER_NS)
    for _ in range(2):
        for listener in clients:
            listen.receive(cast(LoadClient, listener), TEXT, again)
    for receipts in worker.broadcasts.expired(10**12, 0):
        fanout.add(0, receipts, 0)
    fanout.settle(0, [0], lambda worker, since_ns: 3)
    assert fanout.messages == (0 if duplicates is None else 1)
    assert fanout.duplicates == (duplicates or 0)
    listen.receive(cast(LoadClient, clients[0]), TEXT, again)
    assert worker.broadcasts.late == late
    assert clients[0].types == {listen_type(again): 7}


@pytest.mark.parametrize("alone", [True, False])
def test_what_the_last_client_hears_is_no_broadcast_unless_there_was_never_another(alone: bool) -> None:
    listen, (listener,), fanout = exchange("listen"), [ClientStandIn(0)], FanOut()
    listener.waiting = False
    broadcasts = listener.context.broadcasts
    broadcasts.opened(listener.slot, -NEWCOMER_NS)
    listen.receive(cast(LoadClient, listener), TEXT, b'{"type":"say","id":"7"}')
    for receipts in broadcasts.expired(10**12, 0):
        fanout.add(0, receipts, 0)
    fanout.settle(0, [0], lambda worker, since_ns: 1, alone=alone)
    assert fanout.messages == alone


def listen_type(payload: bytes) -> str:
    return read_typed(payload)[0].decode()


def test_a_newcomer_misses_nothing_that_was_sent_before_it_came() -> None:
    types = {b"price": 0}
    broadcasts = Broadcasts(10**9, types)
    for slot, at_ns in ((0, 0), (1, 0), (2, NEWCOMER_NS)):
        broadcasts.opened(slot, at_ns)
    broadcasts.closed(1)
    broadcasts.closed(5)  # one that never was ready
    for n, at_ns in ((1, NEWCOMER_NS), (2, 2 * NEWCOMER_NS - 1), (3, 2 * NEWCOMER_NS)):
        broadcasts.first(0, b"price", b'{"type":"price","seq":%d}' % n, at_ns)
    assert broadcasts.known(2, b'{"type":"price","seq":1}', 2 * NEWCOMER_NS)
    seen = broadcasts.expired(10**12, 0)
    assert [(r.eligible, r.receivers, r.receipts) for r in seen] == [(1, 1, 2), (1, 1, 1), (2, 1, 1)]


def test_a_greeting_that_reaches_each_client_as_it_comes_is_no_broadcast() -> None:
    greeting, fanout = b'{"type":"joined"}', FanOut()
    broadcasts = Broadcasts(5 * NEWCOMER_NS, {b"joined": 0, b"price": 0})
    for slot in range(12):
        now_ns = slot * NEWCOMER_NS
        broadcasts.opened(slot, now_ns)
        if not broadcasts.known(slot, greeting, now_ns):
            broadcasts.first(slot, b"joined", greeting, now_ns)
        for receipts in broadcasts.expired(now_ns, 0):
            fanout.add(0, receipts, now_ns)
            fanout.settle(now_ns, [0], lambda worker, since_ns: 0)
    assert (fanout.messages, fanout.completeness, fanout.spread.count) == (0, None, 0)
    price, now_ns = b'{"type":"price","seq":1}', 13 * NEWCOMER_NS
    broadcasts.first(0, b"price", price, now_ns)
    assert all(broadcasts.known(slot, price, now_ns) for slot in range(1, 11))
    for receipts in broadcasts.expired(10**12, 0):
        fanout.add(0, receipts, now_ns)
    fanout.settle(now_ns, [0], lambda worker, since_ns: 0, at_once=True)
    assert (fanout.messages, fanout.completeness) == (1, 11 / 12)
