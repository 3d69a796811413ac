"""Templates over real sockets: what arrives at the server, and which reply answers what."""

from __future__ import annotations

import asyncio
import csv
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.leading import S, led, saying
from tests.servers.server import BINARY, TEXT, Connection, Server, until
from wstui.execution.run.compile import spec_of
from wstui.load.client import Client
from wstui.load.context import READY
from wstui.load.protocol import Expected
from wstui.load.reply_matcher import ReplyMatcher, broken
from wstui.load.worker import Worker
from wstui.scenario.messages import Expectation, Template


class Noting(Server):
    """Notes what it is told, and answers as `reply` says: None for not at all."""

    welcome = False

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.heard: list[tuple[int, int, bytes]] = []  # client, first byte, payload

    def reply(self, payload: bytes) -> list[bytes]:
        return [payload]

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        self.heard.append((client.number, first, payload))
        for answer in self.reply(payload):
            client.send(answer, first)


class Answering(Noting):
    """Answers JSON as APIs do: the key somewhere inside, among other things."""

    status = "ok"
    lose = 0  # every so many is not answered
    twice = 0
    text_ids = False

    def reply(self, payload: bytes) -> list[bytes]:
        asked = json.loads(payload)
        count = len(self.heard)
        if self.lose and count % self.lose == 0:
            return []
        number = str(asked["id"]) if self.text_ids else asked["id"]
        answer = json.dumps({"type": "answer", "data": {"id": number, "status": self.status}}).encode()
        return [answer] * (2 if self.twice and count % self.twice == 0 else 1)


ASKING = Template(name="ask", payload='{"op":"get","id":{{seq}}}', reply="field", reply_field="data.id")


async def test_every_placeholder_has_its_value_on_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSTUI_TEST_WORD", 'a "quoted" word')
    payload = (
        '{"client":{{client}},"seq":{{seq}},"ms":{{timestamp}},"s":{{timestamp s}},"iso":"{{timestamp iso}}",'
        '"int":{{random int -5 5}},"float":{{random float 1 2}},"hex":"{{random hex 20}}","text":"{{random text 25}}",'
        '"colour":"{{random choice red green}}","uuid":"{{random uuid}}","word":"{{env WSTUI_TEST_WORD}}",'
        '"other":"{{env WSTUI_TEST_NOT_SET:-else}}","any":{{random}},"braces":"{{{{"}'
    )
    async with Noting() as server, led(saying(server.url, Template(name="all", payload=payload), clients=3)) as workers:
        await until(lambda: workers.c.matched >= 30)
        c = await workers.drained()
        assert c.matched == c.sent and c.unmatched == 0
    said = [json.loads(payload) for _, _, payload in server.heard]
    assert {document["client"] for document in said} == {0, 1, 2}
    for number in range(3):
        own = [document for document in said if document["client"] == number]
        assert [document["seq"] for document in own] == list(range(1, len(own) + 1))
        assert [document["ms"] for document in own] == sorted(document["ms"] for document in own)
    assert all(abs(document["ms"] // 1000 - document["s"]) <= 1 for document in said)
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", document["iso"]) for document in said)
    assert {document["int"] for document in said} <= set(range(-5, 6)) and len({d["int"] for d in said}) > 3
    assert all(1 <= document["float"] < 2 for document in said)
    assert all(re.fullmatch(r"[0-9a-f]{20}", document["hex"]) for document in said)
    assert all(re.fullmatch(r"[0-9A-Za-z]{25}", document["text"]) for document in said)
    assert {document["colour"] for document in said} == {"red", "green"}
    uuid = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert all(re.fullmatch(uuid, document["uuid"]) for document in said)
    assert len({document["uuid"] for document in said}) == len(said)
    assert {document["word"] for document in said} == {'a "quoted" word'}
    assert {document["other"] for document in said} == {"else"}
    assert all(0 <= document["any"] < 1 << 31 for document in said)
    assert {document["braces"] for document in said} == {"{{"}


async def test_the_same_seed_says_the_same_and_another_something_else() -> None:
    async def said(seed: int) -> list[bytes]:
        template = Template(name="random", payload="{{seq}} {{random}} {{random text 8}}")
        async with (
            Noting() as server,
            led(saying(server.url, template, clients=2, every=0.0, seed=seed)) as workers,
        ):
            await until(lambda: [payload.split()[0] for _, _, payload in server.heard].count(b"5") == 2)
            await workers.drained()
        own = sorted((number, int(payload.split()[0]), payload) for number, _, payload in server.heard)
        return [payload for number, seq, payload in own if seq <= 5]

    first, again, other = await said(1), await said(1), await said(2)
    assert sorted(first) == sorted(again)
    assert set(first).isdisjoint(other)


async def test_kinds_of_message_come_in_proportion_to_their_weight() -> None:
    templates = [
        Template(name="often", payload="often {{seq}}", weight=7),
        Template(name="rarely", payload="rarely {{seq}}", weight=2),
        Template(name="hardly", payload="hardly {{seq}}", weight=1),
    ]
    async with Noting() as server, led(saying(server.url, *templates, clients=4, every=0.0)) as workers:
        await until(lambda: workers.c.matched >= 1000)
        c = await workers.drained()
        assert c.matched == c.sent
    share = {
        word: sum(payload.startswith(word) for _, _, payload in server.heard) / len(server.heard)
        for word in (b"often", b"rarely", b"hardly")
    }
    assert share[b"often"] == pytest.approx(0.7, abs=0.02)
    assert share[b"rarely"] == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("size", [0, 100, 1 << 16, 1 << 20])
async def test_payloads_are_padded_to_their_size(size: int) -> None:
    templates = [
        Template(name="inside", payload='{"id":{{seq}},"data":"{{pad}}"}', size=size or 50),
        Template(name="behind", payload='{"id":{{seq}}}', size=size),
    ]
    async with Noting() as server, led(saying(server.url, *templates, every=0.0)) as workers:
        await until(lambda: workers.c.matched >= 6)
        await workers.drained()
    for _, _, payload in server.heard:
        document = json.loads(payload)
        assert len(payload) == (size or 50 if "data" in document else max(size, len(payload.rstrip())))
        assert set(document.get("data", "x")) <= {"x"}


async def test_binary_messages_come_from_hex_base64_and_files(tmp_path: Path) -> None:
    raw = bytes(range(256)) + b"{{seq}}"
    (tmp_path / "raw.bin").write_bytes(raw)
    (tmp_path / "text.json").write_text('{"id": {{seq}}}', encoding="utf-8")
    templates = [
        Template(name="hex", payload="00ff{{seq}} 7f", encoding="hex", binary=True),
        Template(name="base64", payload="AP9/{{client}}", encoding="base64", binary=True, size=12),
        Template(name="raw", file=str(tmp_path / "raw.bin"), binary=True),
        Template(name="text", file=str(tmp_path / "text.json")),
    ]
    async with Noting() as server, led(saying(server.url, *templates, every=0.01)) as workers:
        await until(lambda: workers.c.matched >= 40)
        c = await workers.drained()
        assert c.matched == c.sent
    kinds = {(first, payload) for _, first, payload in server.heard}
    assert (BINARY, raw) in kinds
    assert (BINARY, b"\x00\xff\x7f0".ljust(12, b"\0")) in kinds
    assert any(first == BINARY and re.fullmatch(rb"\x00\xff\d+\x7f", payload) for first, payload in kinds)
    assert any(first == TEXT and re.fullmatch(rb'\{"id": \d+\}', payload) for first, payload in kinds)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_feed_gives_each_client_its_row(tmp_path: Path, workers: int) -> None:
    feed = tmp_path / "users.csv"
    feed.write_text('name, note\nada,"says ""hi"""\nbob,x\neve,y\n', encoding="utf-8")
    template = Template(
        name="hello", payload='{"id":{{seq}},"client":{{client}},"u":"{{feed.name}}","n":"{{feed.note}}"}'
    )
    async with Noting() as server:
        scenario = saying(server.url, template, clients=5, feed=str(feed))
        async with led(scenario, workers) as running:
            await until(lambda: running.c.matched >= 20)
            await running.drained()
    rows = {(d["client"], d["u"], d["n"]) for d in (json.loads(payload) for _, _, payload in server.heard)}
    assert rows == {
        (0, "ada", 'says "hi"'),
        (1, "bob", "x"),
        (2, "eve", "y"),
        (3, "ada", 'says "hi"'),
        (4, "bob", "x"),
    }


@pytest.mark.parametrize("workers", [1, 3])
async def test_a_feed_gives_each_message_a_row_and_none_twice_before_all_were_used(
    tmp_path: Path, workers: int
) -> None:
    feed = tmp_path / "orders.csv"
    with feed.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["order"], *([f"o{n}"] for n in range(300))])
    template = Template(name="order", payload="{{feed.order}}")
    async with Noting() as server:
        scenario = saying(server.url, template, clients=6, every=0.0, feed=str(feed), feed_per="message")
        async with led(scenario, workers) as running:
            await until(lambda: len(server.heard) >= 60)
            heard = [payload for _, _, payload in server.heard]
            await running.drained()
    assert len(set(heard[:60])) == 60


async def test_replies_are_told_by_a_field_of_their_json() -> None:
    async with Answering() as server, led(saying(server.url, ASKING, clients=5)) as workers:
        await until(lambda: workers.c.matched >= 50)
        c = await workers.drained()
        assert (c.matched, c.unmatched, c.duplicates, c.late) == (c.sent, 0, 0, 0)
        assert workers.types == {"answer": c.received}


async def test_a_number_may_come_back_as_a_text() -> None:
    async with Answering(text_ids=True) as server, led(saying(server.url, ASKING)) as workers:
        await until(lambda: workers.c.matched >= 10)
        c = await workers.drained()
        assert c.matched == c.sent


@pytest.mark.parametrize("key", ["c{{client}}-{{seq}}", "{{random uuid}}", "{{timestamp}}", "{{random hex 16}}"])
async def test_a_key_may_be_made_of_placeholders(key: str) -> None:
    template = Template(name="ask", payload='{"id":"{{key}}"}', reply="field", reply_field="data.id", key=key)
    async with Answering() as server, led(saying(server.url, template, clients=3, every=0.0)) as workers:
        await until(lambda: workers.c.matched >= 300)
        c = await workers.drained()
        assert (c.matched, c.unmatched, c.duplicates) == (c.sent, 0, 0)


async def test_messages_of_one_millisecond_get_keys_of_their_own() -> None:
    template = Template(
        name="ask", payload='{"id":{{timestamp}}}', reply="field", reply_field="data.id", key="{{timestamp}}"
    )
    async with Answering() as server, led(saying(server.url, template, every=0.0002)) as workers:
        await until(lambda: workers.c.matched >= 500)
        c = await workers.drained()
        assert c.matched == c.sent and c.unmatched == 0
        said = [payload for _, _, payload in server.heard]
        assert len(set(said)) == len(said)


async def test_what_is_not_answered_times_out_and_what_is_answered_twice_is_counted_apart() -> None:
    async with Answering(lose=5, twice=3) as server, led(saying(server.url, ASKING, clients=3)) as workers:
        await until(lambda: workers.c.reply_timeouts >= 3)
        c = await workers.drained()
        assert c.sent == c.matched + c.reply_timeouts
        assert c.duplicates > 0 and c.unmatched == 0


async def test_replies_in_order_answer_the_oldest_message() -> None:
    template = Template(name="do", payload="do", reply="order")
    marked = Template(name="do", payload="do", reply="order", reply_field="ok")

    class Marking(Noting):
        def reply(self, payload: bytes) -> list[bytes]:
            return [b'{"event":"tick"}', b'{"ok":true}', b'{"event":"tock"}']

    class Plain(Noting):
        def reply(self, payload: bytes) -> list[bytes]:
            return [b"done"]

    async with Plain() as server, led(saying(server.url, template, clients=3)) as workers:
        await until(lambda: workers.c.matched >= 30)
        c = await workers.drained()
        assert c.matched == c.sent == c.received
    async with Marking() as marking, led(saying(marking.url, marked, clients=3)) as workers:
        await until(lambda: workers.c.matched >= 30)
        c = await workers.drained()
        assert (c.matched, c.received, c.unmatched) == (c.sent, 3 * c.sent, 0)


async def test_a_late_reply_in_order_shifts_nothing() -> None:
    class Sleepy(Noting):
        """Answers the first message after its timeout, all others at once, in the order in which they came."""

        def reply(self, payload: bytes) -> list[bytes]:
            return []

    template = Template(name="do", payload="do {{seq}}", reply="order")
    async with Sleepy() as server, led(saying(server.url, template, every=0.2)) as workers:
        await until(lambda: workers.c.reply_timeouts >= 1)
        client = server.live[0]
        await until(lambda: workers.c.sent >= 4)
        for _ in range(4):
            client.send(b"done")
        await until(lambda: workers.c.matched + workers.c.late >= 4)
        assert workers.c.late >= 1
        await workers.drained(0)


async def test_messages_without_a_reply_are_sent_and_nothing_is_waited_for() -> None:
    class Mute(Noting):
        def reply(self, payload: bytes) -> list[bytes]:
            return []

    async with (
        Mute() as server,
        led(saying(server.url, Template(name="tell", payload="{{seq}}", reply="none"))) as workers,
    ):
        await until(lambda: len(server.heard) >= 20)
        c = await workers.drained()
        assert (c.matched, c.reply_timeouts, c.unmatched) == (0, 0, 0)
        assert c.sent >= 20


async def test_the_same_message_again_and_again_is_matched_by_its_echo() -> None:
    async with Noting() as server, led(saying(server.url, Template(name="hi", payload="hi"), clients=2)) as workers:
        await until(lambda: workers.c.matched >= 30)
        c = await workers.drained()
        assert c.matched == c.sent and c.unmatched == 0
        assert workers.types == {"(echo)": c.sent}


async def test_kinds_with_different_replies_go_side_by_side() -> None:
    class Mixed(Noting):
        def reply(self, payload: bytes) -> list[bytes]:
            if payload.startswith(b"echo"):
                return [payload]
            if payload.startswith(b"{"):
                return [json.dumps({"re": json.loads(payload)["id"]}).encode()]
            return [b"done"] if payload.startswith(b"order") else []

    templates = [
        Template(name="echo", payload="echo {{seq}}"),
        Template(name="field", payload='{"id":{{seq}}}', reply="field", reply_field="re"),
        Template(name="order", payload="order", reply="order"),
        Template(name="none", payload="none", reply="none"),
    ]
    async with Mixed() as server, led(saying(server.url, *templates, clients=3, every=0.01)) as workers:
        await until(lambda: workers.c.matched >= 100)
        c = await workers.drained()
        untold = sum(payload == b"none" for _, _, payload in server.heard)
        assert (c.matched + untold, c.reply_timeouts, c.unmatched) == (c.sent, 0, 0)
        assert (c.no_reply_expected, c.in_flight) == (untold, 0)


async def test_broken_expectations_are_counted_and_say_what_was_missing() -> None:
    template = ASKING.model_copy(
        update={"expect": [Expectation(contains="data"), Expectation(field="data.status", equals="ok")]}
    )
    async with Answering() as server, led(saying(server.url, template, clients=2)) as workers:
        await until(lambda: workers.c.matched >= 20)
        assert workers.c.broken_expectations == 0
        server.status = "\x1b[2Jbusy"
        await until(lambda: workers.c.broken_expectations >= 5)
        c = await workers.drained()
        assert c.matched == c.sent
        (group,) = workers.failures
        assert (group.kind, group.message) == ("expectation", 'reply to ask data.status is not "ok"')
        assert group.count == c.broken_expectations
        assert "busy" in group.samples[0].detail and "\x1b" not in group.samples[0].detail


@pytest.mark.parametrize(
    ("expectation", "lack"),
    [
        (Expectation(contains="gone"), 'does not contain "gone"'),
        (Expectation(field="data.nothing"), "has no data.nothing"),
        (Expectation(field="data.id.deeper"), "has no data.id.deeper"),
        (Expectation(field="data.status", equals=True), "data.status is not true"),
    ],
)
async def test_each_kind_of_expectation_can_break(expectation: Expectation, lack: str) -> None:
    template = ASKING.model_copy(update={"expect": [expectation]})
    async with Answering() as server, led(saying(server.url, template)) as workers:
        await until(lambda: workers.c.broken_expectations >= 2)
        await workers.drained()
        assert [group.message for group in workers.failures] == [f"reply to ask {lack}"]


@pytest.mark.parametrize(
    ("equals", "found", "holds"),
    [(True, b"1", False), (1, b"true", False), (1, b"1.0", True), ("1", b"1", False), (None, b"null", True)],
)
def test_what_is_expected_is_of_the_same_kind(equals: Any, found: bytes, holds: bool) -> None:
    reader = ReplyMatcher([("a",)])
    payload = b'{"a":%b}' % found
    assert (broken(Expected(path=["a"], equals=equals), payload, reader, reader.read(payload)) == "") is holds


async def test_what_is_never_answered_is_forgotten_in_the_end() -> None:
    template = Template(name="do", payload="do", reply="order")
    worker = Worker(spec_of(saying("ws://127.0.0.1:9/", template)), lambda _: None)
    client = Client(worker.context, worker, 3, 3)
    client.transport, client.step = Mute(), READY
    for _ in range(2000):
        client.send(worker.context.now)
        client.expire(time.monotonic_ns() + 10 * S)
    assert worker.tally.counters.reply_timeouts == 2000
    assert client.queues is not None and len(client.queues[-1]) < 200


DOCUMENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "data", "type", "re", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
HEARD = st.binary(max_size=60) | DOCUMENT.map(lambda document: json.dumps(document).encode()) | st.just(b"order")


class Mute(asyncio.Transport):
    """Takes everything and sends nothing."""

    def write(self, data: Any) -> None:
        pass


@given(st.lists(st.tuples(st.sampled_from([TEXT, BINARY]), HEARD, st.booleans()), max_size=12))
def test_whatever_a_server_answers_is_counted_and_breaks_nothing(said: list[tuple[int, bytes, bool]]) -> None:
    templates = [
        Template(name="echo", payload="echo {{seq}}"),
        Template(name="same", payload="order", expect=[Expectation(field="data.0.id")]),
        Template(name="field", payload='{"id":{{seq}}}', reply="field", reply_field="data.id"),
        Template(name="deep", payload='{"id":{{seq}}}', reply="field", reply_field="re"),
        Template(name="order", payload="order", reply="order", reply_field="x"),
        Template(name="none", payload="none", reply="none"),
    ]

    async def talk() -> None:
        worker = Worker(spec_of(saying("ws://127.0.0.1:9/", *templates, every=1.0)), lambda _: None)
        client = Client(worker.context, worker, 3, 3)
        client.transport = Mute()
        client.step = READY
        for first, payload, sends in said:
            if sends:
                client.send(worker.context.now)
            client.message(first, payload)
        c = worker.tally.counters
        assert sum(worker.tally.types.values()) >= c.received == len(said)
        assert c.matched + len(client.pending) <= c.sent
        assert worker.tally.round_trip.count == c.matched

    asyncio.run(talk())
