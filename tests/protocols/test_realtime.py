"""Realtime: a small model of ours whose every event, and every event it gets, is one of OpenAI's own library."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import time
import wave
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.conversations.chat import scenario
from tests.conversations.test_roles import balance, counts
from tests.load.leading import MS, Workers, led
from tests.protocols.serving import failure, target
from tests.servers.server import Connection, Server, until
from wstui.load.conversation.conversation_state import StreamState
from wstui.load.conversation.program import StreamTally
from wstui.load.conversation.rules import follow_stream
from wstui.load.reply_matcher import ReplyMatcher
from wstui.measure.steps import StepData, StepTally
from wstui.scenario.errors import ScenarioError

if find_spec("openai") is None:
    pytest.skip("the library openai is not installed", allow_module_level=True)

SECOND = 48_000
TALK = """
[[roles]]
name = "caller"
[[roles.loop]]
name = "speak"
audio = "200ms"
[[roles.loop]]
name = "commit"
commit = true
[[roles.loop]]
name = "answer"
respond = { output_modalities = ["audio"] }
[[roles.loop]]
name = "ask"
text = "how are you?"
respond = true
expect = { "response.usage.total_tokens" = "*" }
"""


@functools.cache
def events() -> tuple[TypeAdapter[Any], TypeAdapter[Any]]:
    """Return what clients may send, and what servers may: the library takes a second to import, so not everywhere."""
    from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent

    return TypeAdapter(RealtimeClientEvent), TypeAdapter(RealtimeServerEvent)


class RealtimeModel(Server):
    """Speaks three parts of 100 ms, each `gap_s` after the one before, or all at once; asked by text it writes."""

    welcome = False
    gap_s = 0.0
    status = "completed"
    refuses = False

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.from_client, self.from_server = events()
        self.log: Counter[str] = Counter()
        self.audio: list[tuple[float, int]] = []
        self.asked_by_text: set[int] = set()
        self.answers: set[asyncio.Task[None]] = set()

    async def opened(self, client: Connection) -> None:
        if self.refuses:
            self.fail(client, "Incorrect API key provided")
        else:
            self.event(client, "session.created", session={"type": "realtime", "id": "s", "object": "realtime.session"})

    async def other(self, client: Connection, first: int, payload: bytes) -> None:
        told = json.loads(payload)
        self.from_client.validate_python(told)
        self.log[told["type"]] += 1
        match told["type"]:
            case "session.update":
                self.event(client, "session.updated", session=told["session"])
            case "input_audio_buffer.append":
                self.audio.append((time.monotonic(), len(base64.b64decode(told["audio"]))))
            case "input_audio_buffer.commit" if not self.audio:
                self.fail(client, "buffer too small")
            case "input_audio_buffer.commit":
                self.event(client, "input_audio_buffer.committed", item_id="i")
            case "conversation.item.create":
                self.asked_by_text.add(client.number)
            case "response.create":
                task = asyncio.create_task(self.answer_to(client))
                self.answers.add(task)
                task.add_done_callback(self.answers.discard)

    async def answer_to(self, client: Connection) -> None:
        usage = {"total_tokens": 7}
        self.event(client, "response.created", response={"id": "r", "object": "realtime.response"})
        place = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
        for number in range(3):
            await asyncio.sleep(self.gap_s)
            if client.number in self.asked_by_text:
                self.event(client, "response.output_text.delta", **place, delta=f"word {number}")
            else:
                self.event(client, "response.output_audio.delta", **place, delta=base64.b64encode(bytes(4800)).decode())
        self.asked_by_text.discard(client.number)
        why = {"reason": "max_output_tokens"} if self.status == "incomplete" else {"error": {"code": "overloaded"}}
        details = {"type": self.status, **why}
        done = {"id": "r", "status": self.status, "usage": usage, "status_details": details}
        self.event(client, "response.done", response=done)

    def fail(self, client: Connection, message: str) -> None:
        self.event(client, "error", error={"type": "invalid_request_error", "message": message, "code": "odd"})

    def event(self, client: Connection, kind: str, **content: Any) -> None:
        made = {"type": kind, "event_id": f"e{self.log.total()}", **content}
        self.from_server.validate_python(made)
        self.log[kind] += 1
        client.say(**made)


def stream(workers: Workers, name: str) -> StepData:
    return next(row for row in workers.steps if row.name == name and row.kind == "stream")


async def test_audio_goes_out_as_it_is_spoken_and_answers_are_measured_part_by_part() -> None:
    more = target("realtime", manual="true", session='{ instructions = "be brief" }')
    async with RealtimeModel(gap_s=0.15) as model, led(scenario(model.url, TALK, clients=2, more=more)) as workers:
        await until(lambda: counts(workers, "ask").done >= 4)
        c = await workers.drained()
        assert c.ready == 2 and not workers.failures
        assert model.log["session.update"] == 2
        assert counts(workers, "commit").begun == model.log["input_audio_buffer.commit"]
        assert counts(workers, "answer").begun + counts(workers, "ask").begun == model.log["response.create"]
        assert model.log["input_audio_buffer.append"] * 4800 == sum(size for _, size in model.audio)
        first, gap = stream(workers, "audio-first"), stream(workers, "audio-gap")
        underrun, text = stream(workers, "audio-underrun"), stream(workers, "text-first")
        answered = counts(workers, "answer").done
        assert answered <= first.counts.done <= answered + 2
        assert gap.counts.done >= 2 * answered and underrun.counts.done == gap.counts.done
        assert text.counts.done >= counts(workers, "ask").done
        for row, least_ms in ((first, 150), (gap, 140), (underrun, 30), (text, 150)):
            assert (row.response.quantile(0.5) or 0) >= least_ms * MS, row.name
        answer = next(row for row in workers.steps if row.name == "answer")
        assert (answer.response.quantile(0.01) or 0) >= 3 * 150 * MS
        balance(workers)


async def test_audio_that_comes_early_plays_without_a_gap() -> None:
    async with RealtimeModel() as model, led(scenario(model.url, TALK, more=target("realtime"))) as workers:
        await until(lambda: stream(workers, "audio-first").counts.done >= 3)
        assert stream(workers, "audio-underrun").counts.done == 0


async def test_a_recording_is_sent_at_its_own_rate(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "question.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24000)
        file.writeframes(bytes(range(256)) * (SECOND // 2 // 256))
    roles = '[[roles]]\nname = "m"\nloop = [{ name = "speak", audio = true, file = "question.wav" }]'
    async with RealtimeModel() as model:
        roles = roles.replace("question.wav", str(tmp_path / "question.wav"))
        async with led(scenario(model.url, roles, more=target("realtime"))):
            await until(lambda: len(model.audio) >= 5)
            times = [at for at, _ in model.audio[:5]]
            assert [size for _, size in model.audio[:5]] == [4800] * 4 + [SECOND // 2 // 256 * 256 - 4 * 4800]
            assert times[-1] - times[0] >= 0.35, "half a second of audio takes almost as long"


@pytest.mark.parametrize(
    ("settings", "loop", "kind", "words"),
    [
        ({"refuses": True}, "respond = true", "refused", "m, session: Incorrect API key provided"),
        ({}, "commit = true", "server error", "m: buffer too small"),
        ({"status": "failed"}, "respond = true", "refused", "m, step: overloaded"),
        ({"status": "incomplete"}, 'text = "hi", respond = true', "refused", "m, step: max_output_tokens"),
    ],
)
async def test_errors_have_the_servers_words(settings: dict[str, Any], loop: str, kind: str, words: str) -> None:
    role = f'[[roles]]\nname = "m"\nloop = [{{ name = "step", {loop} }}]'
    async with RealtimeModel(**settings) as model, led(scenario(model.url, role, more=target("realtime"))) as workers:
        await until(lambda: bool(workers.failures))
        assert failure(workers) == (kind, words)


async def test_the_official_client_gets_on_with_the_model() -> None:
    from openai import AsyncOpenAI

    async with RealtimeModel() as model:
        base = model.url.removesuffix("/ws") + "/v1"
        kinds = []
        async with AsyncOpenAI(api_key="k", websocket_base_url=base).realtime.connect(model="any") as connection:
            await connection.input_audio_buffer.append(audio=base64.b64encode(bytes(4800)).decode())
            await connection.input_audio_buffer.commit()
            await connection.response.create()
            async for event in connection:
                kinds.append(event.type)
                if event.type == "response.done":
                    break
        assert model.paths == [b"/v1/realtime?model=any"]
        assert kinds.count("response.output_audio.delta") == 3 and kinds[0] == "session.created"


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ('audio = "soon"', "soon"),
        ("audio = true", 'takes a length, or true with a file: write audio = "3s"'),
        ('audio = "1m"', "is 600 chunks, more than 400: set a longer chunk in options"),
        ('respond = true, audio = "1s"', "says one of audio, commit, text, respond and listen: write respond = true"),
        ('commit = true, file = "x"', "is not a file"),
    ],
)
def test_what_a_step_can_not_be_is_said(step: str, words: str) -> None:
    from wstui.scenario.checks import check

    role = f'[[roles]]\nname = "m"\nloop = [{{ name = "step", {step} }}]'
    with pytest.raises(ScenarioError) as caught:
        check(scenario("ws://localhost", role, more=target("realtime")))
    assert words in str(caught.value)


@given(st.lists(st.none() | st.integers() | st.text(max_size=9) | st.lists(st.text())))
def test_any_delta_is_a_part_of_the_answer(deltas: list[Any]) -> None:
    first, gap, underrun = (StepTally("m", name) for name in ("first", "gap", "underrun"))
    reader = ReplyMatcher([("type",), ("delta",)], plain=True)
    kind: Any = SimpleNamespace(is_meant=lambda *_message: True)
    talk: Any = SimpleNamespace(context=SimpleNamespace(now=5), sent_ns=1, role=SimpleNamespace(reader=reader))
    of: Any = None
    stream, state = StreamTally(of, of, None, ["delta"], 1, first, gap, underrun), StreamState()
    for delta in deltas:
        follow_stream(talk, kind, stream, state, {"delta": delta}, b"")
    assert (first.counts.done, gap.counts.done) == (bool(deltas), max(0, len(deltas) - 1))
