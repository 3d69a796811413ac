"""What a client sends, and how a reply is told from everything else that arrives."""

from __future__ import annotations

import re
from operator import eq
from typing import TYPE_CHECKING, Any

import msgspec

from wstui.load.broadcasts import stamp_of
from wstui.load.frames import BINARY, PING, TEXT
from wstui.load.reply_matcher import ReplyMatcher, is_index
from wstui.measure.fanout import ClockOffset

if TYPE_CHECKING:
    from wstui.load.messaging import Messaging
    from wstui.load.protocol import Spec
    from wstui.load.worker import Worker

EMPTY = b"(empty)"
BINARY_TYPE = b"(binary)"
NOT_JSON = b"(not JSON)"
NO_TYPE = b"(no type)"
ECHO_TYPE = b"(echo)"
PONG_TYPE = b"pong"
_PONGS = (b'{"type":"pong"', b'{"type": "pong"')
_ORIGINAL = b'"originalTimestamp":'
_BEHIND = (b",", b"}")
_NEWLINE = 10
_ZERO = 48
_OTHERS_ECHO = re.compile(rb"wstui:\d+:\d+;")
COMPARE_EVERY_NS = 50_000_000
"""How often a pong's timestamp is looked at, to compare the target's clock with ours."""
ALTERED = -1
"""The key of a reply to a message of the client's own that did not come back as it was sent."""


class _Typed(msgspec.Struct):
    type: Any = None
    originalTimestamp: Any = None


_decode = msgspec.json.Decoder(_Typed).decode


def read_typed(document: bytes) -> tuple[bytes, Any]:
    """The `type` of a JSON document and its `originalTimestamp`, read the careful way."""
    try:
        typed = _decode(document)
    except msgspec.ValidationError:
        return NO_TYPE, None  # JSON, but no object
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return NOT_JSON, None
    if not isinstance(typed.type, str):
        return NO_TYPE, typed.originalTimestamp
    return typed.type.encode("utf-8", "backslashreplace"), typed.originalTimestamp


def quick_type(payload: bytes) -> bytes | None:
    """The type of a document that begins with it, as most servers write it; None when a careful look is needed."""
    if payload[:8] == b'{"type":':
        start = 9 if payload[8:9] == b'"' else 10
        if start == 9 or payload[8:10] == b' "':
            end = payload.find(b'"', start)
            name = payload[start:end]
            if end > 0 and b"\\" not in name:
                return name
    return None


class Kind:
    """Reads the name of a message's kind where a scenario says it is: "event", "data.kind", "0" in an array."""

    def __init__(self, field: str) -> None:
        self._path = field.split(".")
        self._reader = ReplyMatcher([self._path])
        plain = len(self._path) == 1 and not is_index(field)
        self._first = b"{%b:" % msgspec.json.encode(field) if plain else b""

    def quick(self, payload: bytes) -> bytes | None:
        """As `quick_type`."""
        first = self._first
        if first and payload.startswith(first):
            start = len(first) + payload.startswith(b" ", len(first)) + 1
            end = payload.find(b'"', start)
            name = payload[start:end]
            if payload[start - 1 : start] == b'"' and end > 0 and b"\\" not in name:
                return name
        return None

    def read(self, document: bytes) -> tuple[bytes, Any]:
        """As `read_typed`; numbers name kinds as well."""
        found = self._reader.read(document)
        if found is None:
            return NOT_JSON if read_typed(document)[0] == NOT_JSON else NO_TYPE, None
        name = self._reader.value(found, self._path)
        if isinstance(name, int) and not isinstance(name, bool):
            return b"%d" % name, None
        if not isinstance(name, str):
            return NO_TYPE, None
        return name.encode("utf-8", "backslashreplace"), None


class Exchange:
    """The base: sends nothing, counts what arrives by type, and knows a welcome."""

    sends = False
    personal: frozenset[bytes] = frozenset()
    """Types that are meant for one client; all others may be broadcasts."""

    def __init__(self, spec: Spec) -> None:
        self.welcome = spec.welcome.encode()
        self.waits = spec.ready == "welcome"
        self.personal = self.personal | {self.welcome}
        kind = None if spec.type_field == "type" else Kind(spec.type_field)
        self._quick = quick_type if kind is None else kind.quick
        self._read = read_typed if kind is None else kind.read

    def compose(self, client: Messaging, now_ns: int) -> tuple[int, bytes, int]:
        """The next message of `client`: first byte of its frame, payload, and the key its reply will carry."""
        raise NotImplementedError

    def has_sent(self, client: Messaging, key: int) -> bool:
        """Whether `client` has sent a message with this key before; False also where nobody can tell."""
        return False

    def receive(self, client: Messaging, first: int, payload: bytes) -> None:
        """A whole message arrived; the worker's clock is in `client.worker.now`."""
        worker = client.worker
        # For a client that waits, a message that others have had before may be its welcome.
        if (
            worker.broadcasts is not None
            and not client.waiting
            and worker.broadcasts.known(client.slot, payload, worker.now)
        ):
            return
        if first == BINARY:
            self._document(client, BINARY_TYPE, payload, None)
        elif not payload:
            self._document(client, EMPTY, payload, None)
        elif b"\n" in payload:
            self._several(client, payload)
        else:
            name = self._quick(payload)
            if name is not None:
                self._document(client, name, payload, None)
            else:
                self._document(client, *self._typed(payload))

    def pong(self, client: Messaging, payload: bytes) -> None:
        """A pong frame arrived."""
        client.worker.tally.count_type(b"(pong frame)")

    def _several(self, client: Messaging, payload: bytes) -> None:
        """One frame with line breaks: several documents, one a line, if each line is one; else a single document."""
        lines = [line for line in payload.split(b"\n") if line.strip()]
        documents = [self._typed(line) for line in lines]
        if not documents or any(name == NOT_JSON for name, _, _ in documents):
            self._document(client, *self._typed(payload))
            return
        for name, line, reply_to in documents:
            self._document(client, name, line, reply_to)

    def _typed(self, document: bytes) -> tuple[bytes, bytes, Any]:
        name, reply_to = self._read(document)
        return name, document, reply_to

    def _document(self, client: Messaging, name: bytes, document: bytes, reply_to: Any) -> None:
        client.worker.tally.count_type(name)
        if not client.waiting:
            self._maybe_broadcast(client, name, document)
        elif name == self.welcome or not self.welcome:
            client.on_welcome()
        else:
            client.not_the_welcome(document)

    def _maybe_broadcast(self, client: Messaging, name: bytes, document: bytes) -> None:
        worker = client.worker
        if worker.broadcasts is not None and not client.waiting and name not in self.personal:
            worker.broadcasts.first(client.slot, name, document, worker.now)


class Odin(Exchange):
    """JSON pings whose `timestamp` (epoch ms) comes back as the pong's `originalTimestamp`."""

    sends = True
    personal = frozenset((PONG_TYPE, b"heartbeat", b"subscription:ack", b"error"))

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._compare_ns = 0

    def compose(self, client: Messaging, now_ns: int) -> tuple[int, bytes, int]:
        """A ping; its timestamp is unique among the client's own, since it is all that the reply tells."""
        key = (now_ns + client.worker.epoch_ns) // 1_000_000
        if key <= client.sequence:
            counters = client.worker.counters
            # A closed loop may send several a millisecond: one at a time they may share it, unless an earlier one's
            # answer may still come, or the target has been seen to answer twice: it would be taken for this one's.
            if client.pending or client.expired or counters.duplicates or counters.unmatched:
                key = client.sequence + 1
        client.sequence = key
        return TEXT, b'{"type":"ping","timestamp":%d}' % key, key

    def receive(self, client: Messaging, first: int, payload: bytes) -> None:
        """Pongs take the short way: they are most of what arrives."""
        if first != TEXT or not payload.startswith(_PONGS) or _NEWLINE in payload:
            super().receive(client, first, payload)
            return
        types = client.worker.tally.types
        types[PONG_TYPE] = types.get(PONG_TYPE, 0) + 1
        # The usual case is a number of 13 digits and what follows it.
        start = payload.find(_ORIGINAL) + 20
        digits = payload[start : start + 13]
        if start > 19 and digits.isdigit() and payload[start + 13 : start + 14] in _BEHIND:
            self._pong(client, payload, int(digits))
        else:
            self._pong(client, payload, read_typed(payload)[1])

    def _document(self, client: Messaging, name: bytes, document: bytes, reply_to: Any) -> None:
        if name != PONG_TYPE:
            super()._document(client, name, document, reply_to)
            return
        client.worker.tally.count_type(PONG_TYPE)
        self._pong(client, document, read_typed(document)[1] if reply_to is None else reply_to)

    def _pong(self, client: Messaging, document: bytes, reply_to: Any) -> None:
        worker = client.worker
        sent = client.replied(reply_to)
        if sent and worker.now >= self._compare_ns:
            self._compare_clocks(worker, document, sent)

    def _compare_clocks(self, worker: Worker, document: bytes, sent: int) -> None:
        """What a pong tells of the target's clock."""
        self._compare_ns = worker.now + COMPARE_EVERY_NS
        stamp = stamp_of(document)
        if stamp is not None:
            told = int(stamp * 1e6) - worker.epoch_ns
            worker.clock.sample(told - ClockOffset.STAMP_NS - worker.now, told + ClockOffset.STAMP_NS - sent)


class _Numbered(Exchange):
    """Each client numbers its messages from 1, and the number is the key."""

    sends = True

    def has_sent(self, client: Messaging, key: int) -> bool:
        """Whether this number has been reached."""
        return 0 < key <= client.sequence


class Echo(_Numbered):
    """Messages that any echo server sends back: they name the client and a number, padded to the wanted size."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.first = TEXT if spec.text else BINARY
        self.size = spec.size

    def _payload(self, client: Messaging, key: int) -> bytes:
        return (b"wstui:%d:%d;" % (client.number, key)).ljust(self.size, b".")

    def compose(self, client: Messaging, now_ns: int) -> tuple[int, bytes, int]:
        """A numbered message."""
        client.sequence = key = client.sequence + 1
        return self.first, self._payload(client, key), key

    def receive(self, client: Messaging, first: int, payload: bytes) -> None:
        """An echo of our own, or something else."""
        start = payload.find(b"wstui:%d:" % client.number)
        if start < 0:
            if client.pending and self._resembles(client, payload):
                client.worker.tally.count_type(ECHO_TYPE)
                client.replied(ALTERED)
            else:
                super().receive(client, first, payload)
            return
        end = payload.find(b";", start)
        digits = payload[payload.rfind(b":", start, end) + 1 : end]
        client.worker.tally.count_type(ECHO_TYPE)
        key = int(digits) if digits.isdigit() and len(digits) < 20 else 0
        if key and self._payload(client, key) in payload:
            client.replied(key)
            # Its sender is one of those that a message to all reaches.
            self._maybe_broadcast(client, ECHO_TYPE, payload)
        else:
            client.replied(ALTERED)
        if client.waiting and not self.welcome:
            client.on_welcome()

    def _resembles(self, client: Messaging, payload: bytes) -> bool:
        """Whether this is a message of our own of which so much was changed that it names nobody any more."""
        sent = self._payload(client, next(iter(client.pending)))
        if len(payload) != len(sent) or _OTHERS_ECHO.match(payload):
            return False
        same: int = sum(map(eq, payload, sent))
        return same > len(sent) // 2


class Ping(_Numbered):
    """WebSocket ping frames: works against any server."""

    def compose(self, client: Messaging, now_ns: int) -> tuple[int, bytes, int]:
        """A ping frame whose payload is a number."""
        client.sequence = key = client.sequence + 1
        return PING, b"%d" % key, key

    def pong(self, client: Messaging, payload: bytes) -> None:
        """The pong carries the ping's payload (RFC 6455 5.5.3)."""
        client.worker.tally.count_type(b"(pong frame)")
        if payload.isdigit() and len(payload) < 20 and payload[0] != _ZERO and (key := int(payload)) <= client.sequence:
            client.replied(key)
        elif payload:
            client.replied(ALTERED)
        else:
            client.replied(None)  # a server may send pongs of its own accord (RFC 6455 5.5.3)


class Listen(Exchange):
    """Sends nothing; what arrives is counted."""


EXCHANGES: dict[str, type[Exchange]] = {"odin": Odin, "echo": Echo, "ping": Ping, "listen": Listen}
