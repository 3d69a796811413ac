"""Speech and language models by OpenAI's Realtime API, and the servers that speak the same: Azure, vLLM and others.

Written by hand: a frame is one JSON document, and audio goes out as a microphone sends it: a chunk, a pause, a chunk.
"""

from __future__ import annotations

import base64
import io
import math
import struct
import wave
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from wstui.protocols.plain import document
from wstui.scenario.conversation.dialect import (
    BadKey,
    Dialect,
    Frame,
    Json,
    Malformed,
    RecordedState,
    RecordedStep,
    Seconds,
    Table,
    reply,
    text,
    with_path,
    with_query,
)
from wstui.scenario.errors import BadValue
from wstui.scenario.units import parse_duration

_MOST_CHUNKS = 400
_TONE_HZ = 440
_ERROR = {"type": "error"}
_NOT_HEARD = "conversation.item.input_audio_transcription.failed"


class RealtimeOptions(msgspec.Struct, kw_only=True):
    model: Annotated[str, Meta(description="the model, if the URL does not say it: ?model=…")] = ""
    session: Annotated[
        dict[str, Any], Meta(description="session.update: voice, instructions, turn_detection; {}: none is sent")
    ] = {}
    manual: Annotated[bool, Meta(description="turn the server's detection of speech off: turns end by commit")] = False
    format: Annotated[Literal["pcm16", "g711"], Meta(description="audio: 16 bits, or 8 bits of µ-law or A-law")] = (
        "pcm16"
    )
    rate: Annotated[int, Meta(description="samples a second; unset: 24000, with g711 8000", ge=0)] = 0
    chunk: Annotated[Seconds, Meta(description="how much audio is sent at once")] = Seconds(0.1)

    @property
    def samples(self) -> int:
        return self.rate or (24000 if self.format == "pcm16" else 8000)

    @property
    def bytes_per_second(self) -> int:
        return self.samples * (2 if self.format == "pcm16" else 1)


class RealtimeKeys(msgspec.Struct, kw_only=True):
    audio: Annotated[
        str | bool, Meta(description='speak: a tone of "3s", or true with file = "question.wav" (or the bare samples)')
    ] = ""
    commit: Annotated[bool, Meta(description="end what was spoken, where the server does not detect it")] = False
    text: Annotated[str, Meta(description="a message of the user; may stand beside respond")] = ""
    respond: Annotated[
        bool | dict[str, Any], Meta(description="ask for an answer, and wait until it is done: true, or its parameters")
    ] = False
    listen: Annotated[bool, Meta(description="wait for the answer that the server begins by itself")] = False


class Realtime(Dialect):
    title = "OpenAI Realtime and its kind: speech and language models"
    option_keys, step_keys = RealtimeOptions, RealtimeKeys
    takes_files = True
    options: RealtimeOptions

    def address(self, url: str) -> str:
        url = with_path(url, "/v1/realtime")
        return with_query(url, model=self.options.model) if self.options.model else url

    def opening(self) -> list[Table]:
        told: Table = {"refuse": _ERROR, "reason": ["error.message", "error.code"]}
        steps = [told | {"name": "session", "expect": {"type": "session.created"}}]
        session = self.options.session
        if self.options.manual:
            audio = session.get("audio", {})
            state = audio.get("input", {}) | {"turn_detection": None}
            session = {"type": "realtime"} | session | {"audio": audio | {"input": state}}
        if session:
            update = {"type": "session.update", "session": session}
            steps.append(told | {"name": "update", "json": update, "expect": {"type": "session.updated"}})
        return steps

    def step(self, keys: RealtimeKeys, given: Table) -> Table:
        said = [name for name in ("audio", "commit", "text", "respond", "listen") if getattr(keys, name)]
        if len(said) != 1 and said != ["text", "respond"]:
            raise BadKey((), "says one of audio, commit, text, respond and listen: write respond = true")
        if keys.audio:
            return self._spoken(keys.audio, given)
        if "file" in given:
            raise BadKey((said[0],), "and file are both given: a file goes with audio = true")
        frames: list[Frame] = []
        if keys.commit:
            frames += text(Json({"type": "input_audio_buffer.commit"}))
        if keys.text:
            content = [{"type": "input_text", "text": keys.text}]
            item = {"type": "message", "role": "user", "content": content}
            frames += text(Json({"type": "conversation.item.create", "item": item}))
        if isinstance(keys.respond, dict) or keys.respond:
            asked = {"response": keys.respond} if isinstance(keys.respond, dict) else {}
            frames += text(Json({"type": "response.create"} | asked))
        table = given | ({"frames": frames} if frames else {})
        if not (keys.respond or keys.listen):
            return table
        done = {"type": "response.done"}
        details = [f"response.status_details.{path}" for path in ("error.message", "error.code", "reason")]
        told = ["error.message", *details, "response.status"]
        return reply(table, done | {"response.status": "completed"}, "", _ERROR, done, reason=told)

    def _spoken(self, audio: str | bool, given: Table) -> Table:
        """Return the steps that send audio as fast as it is spoken; the last chunk has the name."""
        options = self.options
        size = max(2, round(options.bytes_per_second * options.chunk) // 2 * 2)
        content: bytes = given.pop("file", b"")
        if (audio is True) != bool(content):
            raise BadKey(("audio",), 'takes a length, or true with a file: write audio = "3s"')
        content = self._samples(content) if isinstance(audio, bool) else self._tone(audio)
        chunks = [content[at : at + size] for at in range(0, len(content), size)]
        if len(chunks) > _MOST_CHUNKS:
            raise BadKey(
                ("audio",), f"is {len(chunks)} chunks, more than {_MOST_CHUNKS}: set a longer chunk in options"
            )
        pause = f"{options.chunk:g}s"
        steps: list[Table] = []
        for chunk in chunks:
            append = {"type": "input_audio_buffer.append", "audio": base64.b64encode(chunk).decode()}
            steps += [{"json": append}, {"think": pause}]
        steps[-2] |= {"name": given.pop("name")} if "name" in given else {}
        return given | {"repeat": 1, "steps": steps}

    def _samples(self, content: bytes) -> bytes:
        options = self.options
        if not content.startswith(b"RIFF"):
            return content
        wanted = "pcm_s16le" if options.format == "pcm16" else "pcm_mulaw"
        advice = f"ffmpeg -i IN -ac 1 -ar {options.samples} -c:a {wanted} -f {wanted[4:]} OUT.raw"
        try:
            with wave.open(io.BytesIO(content)) as file:
                found = (file.getnchannels(), file.getsampwidth() * 8, file.getframerate())
                samples: bytes = file.readframes(file.getnframes())
        except (wave.Error, EOFError) as error:
            raise BadKey(("file",), f"is a WAV file that can't be read ({error}): {advice}") from None
        if found != (1, 16 if options.format == "pcm16" else 8, options.samples):
            what = f"{found[0]} channels of {found[1]} bits at {found[2]} Hz"
            raise BadKey(("file",), f"has {what}, which options do not say: {advice}")
        return samples

    def _tone(self, length: str) -> bytes:
        try:
            count = round(parse_duration(length) * self.options.samples)
        except BadValue as error:
            raise BadKey(("audio",), error.message, error.nearest) from None
        if self.options.format == "g711":
            return bytes([0xD5, 0x55] * (count // 2 + 1))  # a faint one, in both laws
        turn = 2 * math.pi * _TONE_HZ / self.options.samples
        return struct.pack(f"<{count}h", *(round(8000 * math.sin(turn * at)) for at in range(count)))

    def recorded(self, frame: str | bytes, state: RecordedState) -> list[RecordedStep]:
        """Return audio as one step, once the client says something else or speaks after a turn ended."""
        found = document(frame)
        turns = sum(message.get("type") == "input_audio_buffer.speech_stopped" for message in state.received)
        size, begun = state.kept.get("audio", (0, turns))
        given: list[RecordedStep] = []
        is_audio = isinstance(found, dict) and found.get("type") == "input_audio_buffer.append"
        if size and (not is_audio or turns > begun):
            given = [RecordedStep({"audio": f"{max(1, round(1000 * size / self.options.bytes_per_second))}ms"})]
            given += [RecordedStep({"listen": True})] * (turns > begun)
            size, begun = 0, turns
        state.kept["audio"] = size, begun
        match found:
            case {"type": "input_audio_buffer.append", "audio": str(audio)}:
                state.kept["audio"] = size + len(audio) * 3 // 4, begun
                return given
            case {"type": "session.update", "session": dict(session)} if "session" not in state.kept:
                state.kept["session"] = True
                return [*given, RecordedStep({"session": session}, opens=True)]
            case {"type": "input_audio_buffer.commit"}:
                return [*given, RecordedStep({"commit": True})]
            case {"type": "conversation.item.create", "item": {"role": "user", "content": [{"text": str(words)}]}}:
                return [*given, RecordedStep({"text": words})]
            case {"type": "response.create", **rest}:
                return [*given, RecordedStep({"respond": rest.get("response") or True})]
        raise Malformed("no event that a step sends")

    def rules(self) -> dict[str, list[Table]]:
        ends, begins = {"type": "response.done"}, {"type": "input_audio_buffer.speech_stopped"}
        streams: list[Table] = []
        for name in ("audio", "text"):
            of = [{"type": f"response.{prefix}{name}.delta"} for prefix in ("output_", "")]  # now, and formerly
            streams.append({"name": name, "of": of, "ends": ends, "begins": begins})
        streams[0] |= {"audio": "delta", "rate": self.options.bytes_per_second}
        return {
            "streams": streams,
            "errors": [
                {"on": [_ERROR, {"type": _NOT_HEARD}], "reason": ["error.message", "error.code"]},
            ],
        }


KINDS = {"realtime": Realtime}
