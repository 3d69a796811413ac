"""Makes payloads from parts, which are compiled once into a format and functions that fill it."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeGuard

from wstui.load.protocol import MessageScript, Slot
from wstui.load.rng import below, draw, fraction

_LETTERS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LETTERS_A_DRAW = 10  # 62 ** 10 < 2 ** 64
IDS_A_CLIENT = 10**9
"""An {{id}} is the client's number (from 1) times this, plus the number of its message. So it shows its owner, and is
below 2^53, exact in any JSON, for nine million clients."""
_UNITS = {"timestamp s": 1_000_000_000, "timestamp ms": 1_000_000, "timestamp us": 1_000, "timestamp ns": 1}


class Moment(NamedTuple):
    """What a message is made from: client, number of its message, epoch ns, feed row, key."""

    client: int
    seq: int
    epoch_ns: int
    row: Sequence[bytes]
    key: bytes = b""


Fill = Callable[[Moment], object]


class FieldFormat:
    """Parts as one bytes format, which `%` fills at once."""

    __slots__ = ("_fills", "_format", "is_unique", "names_client")

    def __init__(self, parts: Sequence[bytes | Slot], seed: int, lane: int = 0) -> None:
        """`lane` separates the random draws of one format from those of another."""
        slots = [part for part in parts if isinstance(part, Slot)]
        self._format = b"".join(
            b"%b" if isinstance(part, Slot) else part.replace(b"%", b"%%") if slots else part for part in parts
        )
        self._fills = [_fill(slot, seed, lane + index) for index, slot in enumerate(slots)]
        self.is_unique = any(_is_unique(slot) for slot in slots)
        self.names_client = any(slot.kind in ("id", "client") or _is_random(slot) for slot in slots)

    def render(self, moment: Moment) -> bytes:
        fills = self._fills
        if not fills:
            return self._format
        if len(fills) == 1:
            return self._format % fills[0](moment)
        return self._format % tuple([fill(moment) for fill in fills])


class Renderer:
    """Makes the payloads of one kind of message, with padding."""

    __slots__ = (
        "_after", "_before", "_key", "_padding", "_size", "_uses_key", "is_unique", "key_step_ns", "names_client",
    )  # fmt: skip

    def __init__(self, phrase: MessageScript, seed: int, lane: int) -> None:
        kinds = [part.kind if isinstance(part, Slot) else "" for part in phrase.parts]
        cut = kinds.index("pad") if "pad" in kinds else len(kinds)
        self._before = FieldFormat(phrase.parts[:cut], seed, lane)
        self._after = FieldFormat(phrase.parts[cut + 1 :], seed, lane + cut) if cut < len(kinds) else None
        self._key = FieldFormat(phrase.key, seed, lane + len(kinds))
        self._size = phrase.size
        self._padding = phrase.padding * phrase.size
        self._uses_key = "key" in kinds
        steps = [_UNITS.get(part.kind, _UNITS["timestamp ms"]) for part in phrase.key if _is_time(part)]
        # A key that only the time distinguishes must advance by this much from message to message; 0: need not.
        self.key_step_ns = 0 if self._key.is_unique else max(steps, default=0)
        self.is_unique = (
            self._before.is_unique
            or (self._after is not None and self._after.is_unique)
            or (self._uses_key and self._key.is_unique)
        )
        # Whether no two clients get the same bytes as a reply, which holds the key or is the payload.
        if phrase.reply == "field":
            self.names_client = self._key.is_unique and self._key.names_client
        else:
            said = (self._before, *((self._after,) if self._after else ()), *((self._key,) if self._uses_key else ()))
            self.names_client = phrase.reply == "echo" and self.is_unique and any(part.names_client for part in said)

    def key(self, moment: Moment) -> bytes:
        """Return what the reply to this message will carry."""
        return self._key.render(moment)

    def payload(self, moment: Moment) -> bytes:
        """Return the payload. `moment.key` must be set if the reply is matched by a field."""
        if self._uses_key and not moment.key:
            moment = moment._replace(key=self._key.render(moment))
        payload = self._before.render(moment)
        if self._after is None:
            missing = self._size - len(payload)
            return payload + self._padding[:missing] if missing > 0 else payload
        after = self._after.render(moment)
        missing = self._size - len(payload) - len(after)
        return b"".join((payload, self._padding[:missing] if missing > 0 else b"", after))


def _is_time(part: bytes | Slot) -> TypeGuard[Slot]:
    return isinstance(part, Slot) and part.kind.startswith("timestamp")


def _is_unique(slot: Slot) -> bool:
    return slot.kind in ("seq", "id") or _is_random(slot)


def _is_random(slot: Slot) -> bool:
    return slot.kind == "random uuid" or (slot.kind in ("random hex", "random text") and slot.low >= 12)


def _fill(slot: Slot, seed: int, lane: int) -> Fill:
    kind = slot.kind
    if kind in _UNITS:
        unit = _UNITS[kind]
        return lambda moment: b"%d" % (moment.epoch_ns // unit)
    match kind:
        case "client":
            return lambda moment: b"%d" % moment.client
        case "seq":
            return lambda moment: b"%d" % moment.seq
        case "id":
            return lambda moment: b"%d" % ((moment.client + 1) * IDS_A_CLIENT + moment.seq)
        case "key":
            return lambda moment: moment.key
        case "feed":
            column = int(slot.low)
            return lambda moment: moment.row[column]
        case "timestamp iso":
            return _iso
        case "random uuid":
            return _fresh_uuid()
    return _random(slot, seed, lane)


def _random(slot: Slot, seed: int, lane: int) -> Fill:
    low, length, choices = slot.low, int(slot.low), slot.choices
    match slot.kind:
        case "random int":
            first, span = int(slot.low), int(slot.high) - int(slot.low) + 1
            return lambda moment: b"%d" % (first + below(draw(seed, moment.client, moment.seq, lane), span))
        case "random float":
            width = slot.high - slot.low
            return lambda moment: b"%.6f" % (low + width * fraction(draw(seed, moment.client, moment.seq, lane)))
        case "random choice":
            return lambda moment: choices[below(draw(seed, moment.client, moment.seq, lane), len(choices))]
        case "random hex":
            draws = range(math.ceil(length / 16))
            return lambda moment: b"".join(
                [b"%016x" % draw(seed, moment.client, moment.seq, lane + (n << 32)) for n in draws]
            )[:length]
        case "random text":
            draws = range(math.ceil(length / _LETTERS_A_DRAW))
            return lambda moment: b"".join(
                [_letters(draw(seed, moment.client, moment.seq, lane + (n << 32))) for n in draws]
            )[:length]
    raise ValueError(f"no such placeholder: {slot.kind}")


def _letters(bits: int) -> bytes:
    found = bytearray(_LETTERS_A_DRAW)
    for index in range(_LETTERS_A_DRAW):
        bits *= 62
        found[index] = _LETTERS[bits >> 64]
        bits &= (1 << 64) - 1
    return bytes(found)


def _fresh_uuid() -> Fill:
    """Fill in random UUIDs (version 4), seeded once by the system, whose own source is slow."""
    bits = random.Random(random.SystemRandom().getrandbits(256)).getrandbits

    def fill(moment: Moment) -> bytes:
        text = b"%032x" % bits(128)
        variant = b"89ab"[int(text[16:17], 16) & 3]
        return b"%b-%b-4%b-%c%b-%b" % (text[:8], text[8:12], text[13:16], variant, text[17:20], text[20:])

    return fill


def _iso(moment: Moment) -> bytes:
    seconds, ns = divmod(moment.epoch_ns, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode() + b".%03dZ" % (ns // 1_000_000)
