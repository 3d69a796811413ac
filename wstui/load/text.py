"""Renders what a client sends: compiled once into a format and the functions that fill it."""

from __future__ import annotations

import base64
import hmac
import math
import random
import time
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from wstui.load.rng import below, draw, fraction
from wstui.load.role_spec import Slot, TextSpec
from wstui.scenario.conversation.pack import packer

IDS_A_CLIENT = 10**9
"""An {{id}} is the client's number, from 1, times this, and the number of its message: below 2^53, exact in any JSON,
for nine million clients, and its owner can be read from it."""
_LETTERS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LETTERS_A_DRAW = 10  # 62 ** 10 < 2 ** 64
_UNITS = {"timestamp s": 1_000_000_000, "timestamp ms": 1_000_000, "timestamp us": 1_000, "timestamp ns": 1}
_to_json = msgspec.json.Encoder().encode
_THIS_RUN = random.SystemRandom().getrandbits(63)


class Sender(Protocol):
    """What a message is made from: the client, the number of its message, when, its row, its variables."""

    number: int
    seq: int
    sent_ns: int  # monotonic
    epoch_offset_ns: int
    ahead_ns: int  # what this host's monotonic clock is ahead of the operator's
    row: Sequence[str]
    values: Sequence[Any]

    def of_message(self, path: Sequence[str]) -> Any:
        """A value of the message that is being answered."""


Fill = Callable[[Any], Any]
Render = Callable[[Any], bytes]


def text_of(value: Any) -> str:
    """A value as a text: a string as it is, all else as JSON writes it, or Python where JSON can't."""
    try:
        return value if isinstance(value, str) else _to_json(value).decode()
    except TypeError:
        return repr(value)  # MessagePack has tables whose keys are lists, for one


def _in_json(value: Fill) -> Fill:
    def made(speaker: Any) -> bytes:
        try:
            return _to_json(value(speaker))
        except TypeError:
            return _to_json(text_of(value(speaker)))

    return made


def compile_text(text: TextSpec, seed: int) -> Render:
    """The function that renders a text for a speaker."""
    cut = next((i for i, part in enumerate(text.parts) if isinstance(part, Slot) and part.kind == "pad"), None)
    if cut is None:
        render = compile_parts(text.parts, seed)
        return _padded(render, None, text) if text.size else render
    after = compile_parts(text.parts[cut + 1 :], seed)
    return _padded(compile_parts(text.parts[:cut], seed), after, text)


def compile_parts(parts: Sequence[bytes | Slot], seed: int) -> Render:
    """The same for parts without padding. `%` fills all places at once; what is constant is rendered now."""
    slots = [part for part in parts if isinstance(part, Slot)]
    if not slots:
        constant = b"".join(part for part in parts if isinstance(part, bytes))
        return lambda _speaker: constant
    places = iter(_place(slot, seed) for slot in slots)
    made = [next(places) if isinstance(part, Slot) else (part.replace(b"%", b"%%"), None) for part in parts]
    pattern = b"".join(piece for piece, _ in made)
    fills = [fill for _, fill in made if fill is not None]
    if len(fills) == 1:
        (fill,) = fills
        if pattern == b"%b":
            return fill
        return lambda speaker: pattern % fill(speaker)
    if len(fills) == 2:
        first, second = fills
        return lambda speaker: pattern % (first(speaker), second(speaker))
    return lambda speaker: pattern % tuple([fill(speaker) for fill in fills])


def _padded(before: Render, after: Render | None, text: TextSpec) -> Render:
    size, padding = text.size, text.padding * text.size

    def render(speaker: Sender) -> bytes:
        head = before(speaker)
        tail = b"" if after is None else after(speaker)
        missing = size - len(head) - len(tail)
        return b"".join((head, padding[:missing], tail)) if missing > 0 else head + tail

    return render


def _place(slot: Slot, seed: int) -> tuple[bytes, Fill]:
    """The conversion of a place in the format, and what fills it."""
    kind, form = slot.kind, slot.form
    if kind == "packed":
        return b"%b", _packed(slot, seed)
    value = compile_value(slot, seed)
    if kind in ("client", "seq", "seq16", "id", "stamp", "random int") or kind in _UNITS:
        return b"%d", value
    if kind == "random float":
        return b"%.6f", value
    if kind in ("variable", "message"):
        if form == "json":
            return b"%b", _in_json(value)
        if form == "quoted":
            return b"%b", lambda speaker: _to_json(text_of(value(speaker)))[1:-1]
        if form == "url":
            return b"%b", lambda speaker: quote(text_of(value(speaker)), safe="").encode()
        return b"%b", lambda speaker: text_of(value(speaker)).encode()
    if form == "raw":
        return b"%b", lambda speaker: value(speaker).encode()
    if form == "url":
        return b"%b", lambda speaker: quote(value(speaker), safe="").encode()
    piece = b"%b" if form == "quoted" else b'"%b"'
    return piece, lambda speaker: _to_json(value(speaker))[1:-1]


def _packed(slot: Slot, seed: int) -> Fill:
    if slot.form == "number16" and len(slot.parts) == 1 and isinstance(number := slot.parts[0], Slot):
        value = compile_value(number, seed)
        if number.kind == "seq16":
            return lambda speaker: value(speaker).to_bytes(2, "big")
    inner, pack = compile_parts(slot.parts, seed), packer(slot.form, slot.choices[0])
    return lambda speaker: pack(inner(speaker))


def compile_value(slot: Slot, seed: int) -> Fill:
    """The function that returns the value of a place, in its own type."""
    kind, column = slot.kind, int(slot.low)
    if kind in _UNITS:
        unit = _UNITS[kind]
        return lambda speaker: (speaker.sent_ns + speaker.epoch_offset_ns) // unit
    match kind:
        case "client":
            return attrgetter("number")
        case "seq":
            return attrgetter("seq")
        case "seq16":
            return lambda speaker: (speaker.seq - 1) % 65535 + 1
        case "id":
            return lambda speaker: (speaker.number + 1) * IDS_A_CLIENT + speaker.seq
        case "stamp":
            return lambda speaker: speaker.sent_ns - speaker.ahead_ns
        case "feed":
            return lambda speaker: speaker.row[column]
        case "variable":
            return lambda speaker: speaker.values[column]
        case "message":
            path = slot.path
            return lambda speaker: speaker.of_message(path)
        case "timestamp iso":
            return _iso
        case "base64":
            inner = compile_parts(slot.parts, seed)
            return lambda speaker: base64.b64encode(inner(speaker)).decode()
    if kind.startswith("hmac "):
        inner, key, digest = compile_parts(slot.parts, seed), slot.choices[0].encode(), kind.removeprefix("hmac ")
        return lambda speaker: hmac.new(key, inner(speaker), digest).hexdigest()
    return _random(slot, seed)


def _random(slot: Slot, seed: int) -> Fill:
    low, length, choices, lane = slot.low, int(slot.low), slot.choices, slot.lane
    match slot.kind:
        case "random int":
            first, span = int(slot.low), int(slot.high) - int(slot.low) + 1
            return lambda s: first + below(draw(seed, s.number, s.seq, lane), span)
        case "random float":
            width = slot.high - slot.low
            return lambda s: low + width * fraction(draw(seed, s.number, s.seq, lane))
        case "random choice":
            return lambda s: choices[below(draw(seed, s.number, s.seq, lane), len(choices))]
        case "random hex":
            draws = range(math.ceil(length / 16))
            return lambda s: "".join([f"{draw(seed, s.number, s.seq, lane + (n << 32)):016x}" for n in draws])[:length]
        case "random text":
            draws = range(math.ceil(length / _LETTERS_A_DRAW))
            return lambda s: b"".join([_letters(draw(seed, s.number, s.seq, lane + (n << 32))) for n in draws])[
                :length
            ].decode()
        case "random uuid":
            return lambda s: _uuid(s.number, s.seq, lane)
    raise ValueError(f"no such placeholder: {slot.kind}")


def _letters(bits: int) -> bytes:
    """Ten letters and digits."""
    found = bytearray(_LETTERS_A_DRAW)
    for index in range(_LETTERS_A_DRAW):
        bits *= 62
        found[index] = _LETTERS[bits >> 64]
        bits &= (1 << 64) - 1
    return bytes(found)


def _uuid(number: int, seq: int, lane: int) -> str:
    """A UUID (version 4) that no other run draws again: its seed is the system's, once a process."""
    text = f"{draw(_THIS_RUN, number, seq, lane):016x}{draw(_THIS_RUN, number, seq, lane + (1 << 32)):016x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:]}"


def _iso(speaker: Sender) -> str:
    seconds, ns = divmod(speaker.sent_ns + speaker.epoch_offset_ns, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{ns // 1_000_000:03d}Z"
