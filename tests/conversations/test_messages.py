"""The messages of roles over real sockets: what arrives at the server, and which reply answers what."""

from __future__ import annotations

import asyncio
import csv
import functools
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
from wstui.load.client import LoadClient
from wstui.load.context import WAITING
from wstui.load.conversation.program import WorkerRole
from wstui.load.conversation.replies import EXPIRED_KEPT
from wstui.load.protocol import Spec
from wstui.load.worker import Worker


class NotingMessages(Server):
    """Notes what it is told, and answers as `reply` says: with nothing, or with several messages."""

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


class JsonAnswers(NotingMessages):
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


class NoReplies(NotingMessages):
    def reply(self, payload: bytes) -> list[bytes]:
        return []


ASKING = {"name": "ask", "send": '{"op":"get","id":{{seq}}}', "expect": {"data.id": "{{seq}}"}}


def echoed(text: str, **keys: Any) -> dict[str, Any]:
    """A step that expects its own message back."""
    return {"send": text, "expect": {"equals": text}, **keys}


async def test_every_placeholder_has_its_value_on_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSTUI_TEST_WORD", 'a "quoted" word')
    payload = (
        '{"client":{{client}},"seq":{{seq}},"ms":{{timestamp}},"s":{{timestamp s}},"iso":"{{timestamp iso}}",'
        '"int":{{random int -5 5}},"float":{{random float 1 2}},"hex":"{{random hex 20}}","text":"{{random text 25}}",'
        '"colour":"{{random choice red green}}","uuid":"{{random uuid}}","word":"{{env WSTUI_TEST_WORD}}",'
        '"other":"{{env WSTUI_TEST_NOT_SET:-else}}","any":{{random}},"braces":"{{{{"}'
    )
    step = {"send": payload, "expect": {"seq": "{{seq}}", "uuid": "{{random uuid}}"}}
    async with NotingMessages() as server, led(saying(server.url, step, clients=3)) as workers:
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


async def test_the_same_seed_sends_the_same_and_another_seed_something_else() -> None:
    async def said(seed: int) -> list[bytes]:
        step = echoed("{{seq}} {{random}} {{random text 8}}")
        async with (
            NotingMessages() as server,
            led(saying(server.url, step, clients=2, every=0.01, seed=seed)) as workers,
        ):
            await until(lambda: sum(payload.startswith(b"5 ") for _, _, payload in server.heard) == 2)
            c = await workers.drained()
            assert c.matched == c.sent
        own = sorted((number, int(payload.split()[0]), payload) for number, _, payload in server.heard)
        return [payload for number, seq, payload in own if seq <= 5]

    first, again, other = await said(1), await said(1), await said(2)
    assert sorted(first) == sorted(again)
    assert set(first).isdisjoint(other)


@pytest.mark.parametrize("text", ["{{random text 8}}", "{{seq}} {{random hex 4}}", " {{random uuid}}", "{{feed.word}}"])
async def test_a_text_that_begins_with_a_placeholder_is_no_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "feed.csv").write_text("word\nab\n", encoding="utf-8")
    async with (
        NotingMessages() as server,
        led(saying(server.url, echoed(text), feed=str(tmp_path / "feed.csv"))) as workers,
    ):
        await until(lambda: workers.c.matched >= 3)
        await workers.drained()
    assert not [payload for _, _, payload in server.heard if b'"' in payload]


async def test_kinds_of_message_come_in_proportion_to_their_weight() -> None:
    kinds = {"often": 7, "rarely": 2, "hardly": 1}
    choose = [{"weight": weight, "steps": [echoed(f"{kind} {{{{seq}}}}")]} for kind, weight in kinds.items()]
    async with NotingMessages() as server, led(saying(server.url, {"choose": choose}, clients=4, every=0.0)) as workers:
        await until(lambda: workers.c.matched >= 1500)
        c = await workers.drained()
        assert c.matched == c.sent
    share = {
        word: sum(payload.startswith(word) for _, _, payload in server.heard) / len(server.heard)
        for word in (b"often", b"rarely")
    }
    assert share[b"often"] == pytest.approx(0.7, abs=0.04)
    assert share[b"rarely"] == pytest.approx(0.2, abs=0.04)


@pytest.mark.parametrize("size", [0, 100, 1 << 16, 1 << 20])
async def test_messages_are_padded_to_their_size(size: int) -> None:
    expect = {"id": "{{seq}}"}
    steps = [
        {"send": '{"id":{{seq}},"data":"{{pad}}"}', "size": size or 50, "expect": expect},
        {"send": '{"id":{{seq}}}', "size": size, "expect": expect},
    ]
    async with NotingMessages() as server, led(saying(server.url, *steps, every=0.0)) as workers:
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
    steps: list[dict[str, Any]] = [
        {"hex": "00ff{{seq}} 7f", "expect": {"hex": "00ff"}},
        {"base64": "AP9/{{client}}", "size": 12, "expect": {"hex": "00ff7f"}},
        {"file": str(tmp_path / "raw.bin"), "binary": True, "expect": {"hex": "00010203"}},
        {"file": str(tmp_path / "text.json"), "expect": {"id": "{{seq}}"}},
    ]
    async with NotingMessages() as server, led(saying(server.url, *steps, every=0.01)) as workers:
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
    step = {
        "send": '{"id":{{seq}},"client":{{client}},"u":"{{feed.name}}","n":"{{feed.note}}"}',
        "expect": {"id": "{{seq}}"},
    }
    async with NotingMessages() as server, led(saying(server.url, step, clients=5, feed=str(feed)), workers) as running:
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
async def test_a_feed_gives_each_round_a_row_and_none_twice_before_all_were_used(tmp_path: Path, workers: int) -> None:
    feed = tmp_path / "orders.csv"
    with feed.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["order"], *([f"o{n}"] for n in range(300))])
    async with NotingMessages() as server:
        step = echoed("{{feed.order}}")
        scenario = saying(server.url, step, clients=6, every=0.01, feed=str(feed), feed_per="message")
        async with led(scenario, workers) as running:
            await until(lambda: len(server.heard) >= 60)
            heard = [payload for _, _, payload in server.heard]
            await running.drained()
    assert len(set(heard[:60])) == 60


async def test_replies_are_told_by_a_field_of_their_json() -> None:
    async with JsonAnswers() as server, led(saying(server.url, ASKING, clients=5)) as workers:
        await until(lambda: workers.c.matched >= 50)
        c = await workers.drained()
        assert (c.matched, c.unmatched, c.duplicates, c.late) == (c.sent, 0, 0, 0)
        assert workers.types == {"answer": c.received}


async def test_a_number_may_come_back_as_a_text() -> None:
    async with JsonAnswers(text_ids=True) as server, led(saying(server.url, ASKING)) as workers:
        await until(lambda: workers.c.matched >= 10)
        c = await workers.drained()
        assert c.matched == c.sent


@pytest.mark.parametrize(
    "key", ["c{{client}}-{{seq}}", "{{random uuid}}", "{{timestamp}}", "{{random hex 16}}", "{{id}}"]
)
async def test_a_key_may_be_made_of_placeholders(key: str) -> None:
    step = {"send": f'{{"id":"{key}"}}', "expect": {"data.id": key}}
    async with JsonAnswers() as server, led(saying(server.url, step, clients=3, every=0.0)) as workers:
        await until(lambda: workers.c.matched >= 300)
        c = await workers.drained()
        assert (c.matched, c.unmatched, c.duplicates) == (c.sent, 0, 0)


async def test_what_is_not_answered_times_out_and_what_is_answered_twice_is_counted_apart() -> None:
    async with JsonAnswers(lose=5, twice=3) as server, led(saying(server.url, ASKING, clients=3)) as workers:
        await until(lambda: workers.c.reply_timeouts >= 3)
        c = await workers.drained()
        assert c.sent == c.matched + c.reply_timeouts
        assert c.duplicates > 0 and c.unmatched == 0


async def test_a_reply_without_a_key_answers_the_message_in_flight() -> None:
    class Marking(NotingMessages):
        def reply(self, payload: bytes) -> list[bytes]:
            return [b'{"event":"tick"}', b'{"ok":true}', b'{"event":"tock"}']

    class Plain(NotingMessages):
        def reply(self, payload: bytes) -> list[bytes]:
            return [b"done"]

    async with (
        Plain() as server,
        led(saying(server.url, {"send": "do", "expect": {"equals": "done"}}, clients=3)) as workers,
    ):
        await until(lambda: workers.c.matched >= 30)
        c = await workers.drained()
        assert c.matched == c.sent == c.received
    async with (
        Marking() as marking,
        led(saying(marking.url, {"send": "do", "expect": {"ok": True}}, clients=3)) as workers,
    ):
        await until(lambda: workers.c.matched >= 30)
        c = await workers.drained()
        assert (c.matched, c.received, c.unmatched) == (c.sent, 3 * c.sent, 0)


async def test_a_late_reply_answers_no_later_message() -> None:
    step = {"send": "do {{seq}}", "expect": {"equals": "done {{seq}}"}}
    async with NoReplies() as server, led(saying(server.url, step, timeout=0.3)) as workers:
        await until(lambda: workers.c.reply_timeouts >= 1 and len(server.heard) >= 2)
        server.live[0].send(b"done 1")
        await until(lambda: workers.c.late >= 1)
        assert workers.c.matched == 0
        await workers.drained(0)


async def test_messages_without_a_reply_are_sent_and_nothing_is_waited_for() -> None:
    async with NoReplies() as server, led(saying(server.url, {"send": "{{seq}}"})) as workers:
        await until(lambda: len(server.heard) >= 20)
        c = await workers.drained()
        assert (c.matched, c.reply_timeouts, c.unmatched) == (0, 0, 0)
        assert c.sent >= 20


async def test_the_same_message_again_and_again_is_matched_by_its_echo() -> None:
    async with NotingMessages() as server, led(saying(server.url, echoed("hi"), clients=2)) as workers:
        await until(lambda: workers.c.matched >= 30)
        c = await workers.drained()
        assert c.matched == c.sent and c.unmatched == 0
        assert workers.types == {"(not JSON)": c.sent}


async def test_kinds_with_different_replies_go_side_by_side() -> None:
    class Mixed(NotingMessages):
        def reply(self, payload: bytes) -> list[bytes]:
            if payload.startswith(b"echo"):
                return [payload]
            if payload.startswith(b"{"):
                return [json.dumps({"re": json.loads(payload)["id"]}).encode()]
            return [b"done"] if payload.startswith(b"order") else []

    kinds = [
        echoed("echo {{seq}}"),
        {"send": '{"id":{{seq}}}', "expect": {"re": "{{seq}}"}},
        {"send": "order", "expect": {"equals": "done"}},
        {"send": "none"},
    ]
    step = {"choose": [{"steps": [kind]} for kind in kinds]}
    async with Mixed() as server, led(saying(server.url, step, clients=3, every=0.01)) as workers:
        await until(lambda: workers.c.matched >= 100)
        c = await workers.drained()
        untold = sum(payload == b"none" for _, _, payload in server.heard)
        assert (c.matched + untold, c.reply_timeouts, c.unmatched) == (c.sent, 0, 0)
        assert (c.no_reply_expected, c.in_flight) == (untold, 0)


async def test_replies_that_are_not_as_expected_are_counted_and_say_why() -> None:
    step = ASKING | {"expect": {"data.id": "{{seq}}", "data.status": "ok"}, "refuse": {"data.id": "{{seq}}"}}
    async with JsonAnswers() as server, led(saying(server.url, step, clients=2)) as workers:
        await until(lambda: workers.c.matched >= 20)
        assert workers.c.broken_expectations == 0
        server.status = "\x1b[2Jbusy"
        await until(lambda: workers.c.broken_expectations >= 5)
        c = await workers.drained()
        assert c.matched == c.sent
        (group,) = workers.failures
        assert (group.kind, group.message) == ("refused", 'one, ask: data.id = "{{seq}}"')
        assert group.count == c.broken_expectations
        assert "busy" in group.samples[0].detail and "\x1b" not in group.samples[0].detail


@pytest.mark.parametrize("path", ["data.nothing", "data.id.deeper", "regex:gone(.*)"])
async def test_a_reply_without_what_is_captured_from_it_is_a_failure(path: str) -> None:
    step = ASKING | {"capture": {"found": path}}
    async with JsonAnswers() as server, led(saying(server.url, step)) as workers:
        await until(lambda: workers.c.broken_expectations >= 2)
        await workers.drained()
        (group,) = workers.failures
        assert group.message.startswith("one, ask: nothing to capture for found") and path in group.message


@pytest.mark.parametrize(
    ("expected", "found", "holds"),
    [(True, b"1", False), (1, b"true", False), (1, b"1.0", True), ("1", b"1", False), ("*", b"null", True)],
)
def test_what_is_expected_is_of_the_same_kind(expected: Any, found: bytes, holds: bool) -> None:
    made = spec_of(saying("ws://127.0.0.1:9/", {"expect": {"a": expected}})).conversation.roles.roles[0]
    role = WorkerRole(made, 0)
    (matcher,) = [operation.expect for operation in role.opening if operation.expect is not None]
    payload = b'{"a":%b}' % found
    assert matcher.matches(role.reader.read(payload), payload, matcher.bind(None)) is holds


class SilentTransport(asyncio.Transport):
    """Takes everything and sends nothing."""

    def write(self, data: Any) -> None:
        pass

    def abort(self) -> None:
        pass


def spec_for(*steps: dict[str, Any]) -> Spec:
    """What a worker is told of rounds of these steps that follow each other at once."""
    return spec_of(saying("ws://127.0.0.1:9/", *steps, every=0.0))


def talking(spec: Spec) -> tuple[Worker, LoadClient]:
    """A worker with one ready client."""
    worker = Worker(spec, lambda _: None)
    client = LoadClient(worker.context, worker, 3, 3)
    client.transport, client.step = SilentTransport(), WAITING
    assert worker._roles is not None
    worker._roles.begin(client)
    client.become_ready(worker.context.now)
    return worker, client


async def test_what_is_never_answered_is_forgotten_in_the_end() -> None:
    worker, client = talking(spec_for({"send": "{{seq}}", "expect": {"equals": "{{seq}}"}}))
    for _ in range(2000):
        client.expire(time.monotonic_ns() + 10 * S)
    assert worker.tally.counters.reply_timeouts == 2000
    assert len(client.conversation.replies._expired) == EXPIRED_KEPT  # type: ignore[union-attr]


DOCUMENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "data", "type", "re", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
HEARD = st.binary(max_size=60) | DOCUMENT.map(lambda document: json.dumps(document).encode()) | st.just(b"order")


KINDS: list[dict[str, Any]] = [
    echoed("echo {{seq}}"),
    {"send": "order", "expect": {"equals": "order"}},
    {"send": '{"id":{{seq}}}', "expect": {"data.id": "{{seq}}"}, "refuse": {"data": "*"}},
    {"send": '{"id":{{seq}}}', "expect": {"re": "*"}, "capture": {"a": "re.0.id", "b": "regex:(x?)"}},
    {"send": "order", "expect": [{"x": 1}, {"hex": "00"}, {"regex": "^{{seq}}"}]},
]


@functools.cache
def _every_kind() -> Spec:
    return spec_for({"choose": [{"steps": [kind]} for kind in KINDS]}, {"send": "none"})


@given(st.lists(st.tuples(st.sampled_from([TEXT, BINARY]), HEARD, st.booleans()), max_size=12))
def test_whatever_a_server_answers_is_counted_and_breaks_nothing(said: list[tuple[int, bytes, bool]]) -> None:
    async def talk() -> None:
        worker, client = talking(_every_kind())
        for first, payload, expires in said:
            client.message(first, payload)
            if expires:
                client.expire(time.monotonic_ns() + 10 * S)
        c = worker.tally.counters
        assert not worker.failure and worker._roles is not None and worker._roles.mistake is None
        assert sum(worker.tally.types.values()) >= c.received == len(said)
        assert c.sent == c.matched + c.reply_timeouts + c.no_reply_expected + 1
        assert worker.tally.round_trip.count + worker.tally.on_time.count == c.matched

    asyncio.run(talk())
