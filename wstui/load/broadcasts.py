"""Records which client received which broadcast, and when, over a window of messages that are still arriving."""

from __future__ import annotations

import array
import hashlib
from collections import deque
from typing import Any

import msgspec

from wstui.measure.counters import counted_under
from wstui.measure.fanout import Receipts
from wstui.measure.histogram import UNIT_SHIFT
from wstui.measure.sanitize import sanitize

KEY_LIMIT = 4096
"""Longer messages are kept as a digest."""
MESSAGES_LIMIT = 20_000
FEW = 16
YOUNG_NS = 1_000_000_000
NEWCOMER_NS = 250_000_000
"""For this long a new client cannot miss a message: one that was sent before it was let in may still be arriving at
the others."""
MAX_UNITS = (1 << 32) - 1


class _Stamped(msgspec.Struct):
    timestamp: Any = None


class _Singular(_Stamped):
    ts: Any = None
    time: Any = None
    nonce: Any = None
    seq: Any = None
    sequence: Any = None
    messageId: Any = None


_decode = msgspec.json.Decoder(_Stamped).decode
_decode_singular = msgspec.json.Decoder(_Singular).decode


class Audience:
    """The clients that are open: a byte for each slot, 1 = open. Messages that begin while no client joins share it."""

    __slots__ = ("count", "messages", "open")

    def __init__(self, slots: bytearray, count: int) -> None:
        self.open = slots
        self.count = count
        self.messages = 0

    def leave(self, slot: int) -> None:
        if slot < len(self.open) and self.open[slot]:
            self.open[slot] = 0
            self.count -= 1


class Broadcast:
    """One message that is arriving: its audience, those of it that have left excepted, and when each client got it."""

    __slots__ = ("audience", "count", "distances", "duplicates", "few", "first_ns", "key", "name", "seen")

    def __init__(self, key: bytes, name: bytes, first_ns: int, audience: Audience) -> None:
        self.key = key
        self.name = name
        self.first_ns = first_ns
        self.audience = audience
        audience.messages += 1
        self.few: list[int] = []  # slots, as long as they are few: most messages to one client stay there
        self.seen: bytearray | None = None  # then a byte for each slot
        self.count = 0
        self.duplicates = 0
        self.distances = array.array("I")

    def grow(self) -> None:
        """Note receivers by slot from now on."""
        self.seen = bytearray(max(len(self.audience.open), *(slot + 1 for slot in self.few)))
        for slot in self.few:
            self.seen[slot] = 1

    @property
    def received(self) -> int:
        """Return how many of the audience have it."""
        there = self.audience.open
        if self.seen is None:
            return sum(there[slot] for slot in self.few if slot < len(there))
        # The bytes are 0 or 1, so the bits of the whole as one number are the clients.
        return (int.from_bytes(self.seen, "little") & int.from_bytes(there, "little")).bit_count()


class Broadcasts:
    """The window of one worker. Slots are the worker's own numbering of its clients."""

    def __init__(self, window_ns: int, types: dict[bytes, int]) -> None:
        self._window_ns = window_ns
        self._types = types
        self._audience = Audience(bytearray(), 0)
        self._earlier: deque[Audience] = deque()  # of messages that began before the last clients came
        self._newcomers: dict[int, int] = {}  # slots and since when, in the order of arrival
        self._current: dict[bytes, Broadcast] = {}
        self._recent: dict[bytes, bool] = {}  # messages whose window has closed, and whether they are singular
        self.late = 0
        self._order: deque[tuple[Broadcast, bytes]] = deque()

    def opened(self, slot: int, now_ns: int) -> None:
        self._newcomers[slot] = now_ns

    def _admit(self, now_ns: int) -> None:
        """Expect broadcasts at the clients that have been ready long enough."""
        newcomers, audience = self._newcomers, self._audience
        while newcomers:
            slot = next(iter(newcomers))
            if now_ns - newcomers[slot] < NEWCOMER_NS:
                return
            del newcomers[slot]
            if audience.messages:
                self._earlier.append(audience)
                self._audience = audience = Audience(audience.open[:], audience.count)
            if slot >= len(audience.open):
                audience.open.extend(bytes(slot + 256 - len(audience.open)))
            audience.open[slot] = 1
            audience.count += 1

    def closed(self, slot: int) -> None:
        """Stop expecting broadcasts at a client that has gone, also those that are still arriving."""
        if self._newcomers.pop(slot, None) is None:
            self._audience.leave(slot)
            for audience in self._earlier:
                audience.leave(slot)

    def known(self, slot: int, payload: bytes, now_ns: int) -> bool:
        """Count a receipt if the message is in the window. This is the hot path of a broadcast."""
        if len(payload) > KEY_LIMIT:
            payload = hashlib.blake2b(payload, digest_size=16).digest()
        message = self._current.get(payload)
        if message is None:
            return False
        self._types[message.name] += 1
        self._receive(message, slot, now_ns)
        return True

    def first(self, slot: int, name: bytes, payload: bytes, now_ns: int) -> None:
        """Begin the window of a message that has none. Its type has been counted already."""
        digest = hashlib.blake2b(payload, digest_size=16).digest()
        key = digest if len(payload) > KEY_LIMIT else payload
        known = self._current.get(key)
        if known is not None:  # one of several documents in a frame that is new as a whole
            self._receive(known, slot, now_ns)
            return
        if self._recent.get(digest):
            self.late += 1
            return
        self._admit(now_ns)
        message = Broadcast(digest, counted_under(self._types, name), now_ns, self._audience)
        self._current[key] = message
        # Its bytes are needed when the window closes, for the server's timestamp.
        self._order.append((message, payload))
        self._receive(message, slot, now_ns)

    def _receive(self, message: Broadcast, slot: int, now_ns: int) -> None:
        seen = message.seen
        if seen is None:
            if slot in message.few:
                message.duplicates += 1
                return
            message.few.append(slot)
            if len(message.few) > FEW:
                message.grow()
        else:
            if slot >= len(seen):  # a client that became ready later: it is not expected
                seen.extend(bytes(slot + 256 - len(seen)))
            if seen[slot]:
                message.duplicates += 1
                return
            seen[slot] = 1
        message.count += 1
        units = (now_ns - message.first_ns) >> UNIT_SHIFT
        message.distances.append(units if units < MAX_UNITS else MAX_UNITS)

    def expired(self, now_ns: int, epoch_ns: int, *, last: bool = False) -> list[Receipts]:
        """Return the receipts of the messages whose window has closed.

        The `last` time windows close early. Messages younger than `YOUNG_NS` are left out, complete or not: they might
        still have arrived.
        """
        found = []
        order = self._order
        window = min(self._window_ns, YOUNG_NS) if last else self._window_ns
        while order and (now_ns - order[0][0].first_ns >= window or len(order) > MESSAGES_LIMIT):
            message, payload = order.popleft()
            del self._current[message.key if len(payload) > KEY_LIMIT else payload]
            singular = is_singular(payload)
            if message.duplicates and not singular:
                # The server repeats the same bytes: its copies cannot be told apart.
                found.append(Receipts(message.key, "", message.first_ns, 0, 0, 0, 0, b"", None, epoch_ns))
            else:
                found.append(self._receipts(message, payload, epoch_ns))
            message.audience.messages -= 1
            self._recent[message.key] = singular
            if len(self._recent) > MESSAGES_LIMIT:
                del self._recent[next(iter(self._recent))]
        while self._earlier and not self._earlier[0].messages:
            self._earlier.popleft()
        return found

    def _receipts(self, message: Broadcast, payload: bytes, epoch_ns: int) -> Receipts:
        return Receipts(
            message.key,
            sanitize(message.name, 60),
            message.first_ns,
            message.audience.count,
            message.received,
            message.count + message.duplicates,
            message.duplicates,
            message.distances.tobytes(),
            stamp_of(payload),
            epoch_ns,
        )


def is_singular(payload: bytes) -> bool:
    """Return whether a JSON message has a time or a number, so that the same bytes are the same message."""
    try:
        return _decode_singular(payload) != _Singular()
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False


def stamp_of(payload: bytes) -> float | None:
    """Return the server's `timestamp` in a JSON message, epoch milliseconds; None without a plausible one."""
    try:
        stamp = _decode(payload).timestamp
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    if isinstance(stamp, (int, float)) and not isinstance(stamp, bool) and 1e12 < stamp < 1e13:
        return float(stamp)
    return None
