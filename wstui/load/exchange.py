"""Message exchanges: what clients send, and how replies are told from everything else that arrives."""

from __future__ import annotations

import re
from operator import eq
from typing import Any

import msgspec

from wstui.load.broadcasts import stamp_of
from wstui.load.context import ALTERED, MessageClient, WorkerContext
from wstui.load.frames import BINARY, PING, TEXT
from wstui.load.protocol import ConversationSpec
from wstui.load.reply_matcher import ReplyMatcher, is_index
from wstui.measure.fanout import ClockOffset

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
"""How often a pong's timestamp is used to compare the target's clock with ours."""


class _Typed(msgspec.Struct):
    type: Any = None
    originalTimestamp: Any = None


_decode = msgspec.json.Decoder(_Typed).decode


def read_typed(document: bytes) -> tuple[bytes, Any]:
    """Return the `type` of a JSON document and its `originalTimestamp`, decoding it in full."""
    try:
        typed = _decode(document)
    except msgspec.ValidationError:
        return NO_TYPE, None  # JSON, but not an object
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return NOT_JSON, None
    if not isinstance(typed.type, str):
        return NO_TYPE, typed.originalTimestamp
    return typed.type.encode("utf-8", "backslashreplace"), typed.originalTimestamp


def quick_type(payload: bytes) -> bytes | None:
    """Return the type of a document that begins with it, as most do; None if it must be decoded."""
    if payload[:8] == b'{"type":':
        start = 9 if payload[8:9] == b'"' else 10
        if start == 9 or payload[8:10] == b' "':
            end = payload.find(b'"', start)
            name = payload[start:end]
            if end > 0 and b"\\" not in name:
                return name
    return None


class Kind:
    """Reads the type of a message at the scenario's `type_field`: "event", "data.kind", "0" in an array."""

    def __init__(self, field: str) -> None:
        self._path = field.split(".")
        self._reader = ReplyMatcher([self._path])
        plain = len(self._path) == 1 and not is_index(field)
        self._first = b"{%b:" % msgspec.json.encode(field) if plain else b""

    def quick(self, payload: bytes) -> bytes | None:
        """Do what `quick_type` does."""
        first = self._first
        if first and payload.startswith(first):
            start = len(first) + payload.startswith(b" ", len(first)) + 1
            end = payload.find(b'"', start)
            name = payload[start:end]
            if payload[start - 1 : start] == b'"' and end > 0 and b"\\" not in name:
                return name
        return None

    def read(self, document: bytes) -> tuple[bytes, Any]:
        """Do what `read_typed` does; a type may also be a number."""
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
    """Base of all exchanges: sends nothing, counts what arrives by type, and recognizes the welcome."""

    sends = False
    personal: frozenset[bytes] = frozenset()
    """Types that are meant for one client; all others may be broadcasts."""

    def __init__(self, spec: ConversationSpec) -> None:
        self.welcome = spec.welcome.encode()
        self.waits = spec.ready == "welcome"
        self.personal = self.personal | {self.welcome}
        kind = None if spec.type_field == "type" else Kind(spec.type_field)
        self._quick = quick_type if kind is None else kind.quick
        self._read = read_typed if kind is None else kind.read

    def compose(self, client: MessageClient, now_ns: int) -> tuple[int, bytes, int]:
        """Return the next message: first byte of its frame, payload, and the key of its reply (0: none is expected)."""
        raise NotImplementedError

    def has_sent(self, client: MessageClient, key: int) -> bool:
        """Return whether `client` has sent a message with this key before; False if that is unknown."""
        return False

    def receive(self, client: MessageClient, first: int, payload: bytes) -> None:
        """Take a whole message, which arrived at `client.context.now`."""
        context = client.context
        # While a client waits, a message that others have received may still be its welcome.
        if (
            context.broadcasts is not None
            and not client.waiting
            and context.broadcasts.known(client.slot, payload, context.now)
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

    def pong(self, client: MessageClient, payload: bytes) -> None:
        client.context.tally.count_type(b"(pong frame)")

    def _several(self, client: MessageClient, payload: bytes) -> None:
        """Read a message with line breaks: a document per line if every line is one, else a single document."""
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

    def _document(self, client: MessageClient, name: bytes, document: bytes, reply_to: Any) -> None:
        client.context.tally.count_type(name)
        if not client.waiting:
            self._maybe_broadcast(client, name, document)
        elif name == self.welcome or not self.welcome:
            client.on_welcome()
        else:
            client.not_the_welcome(document)

    def _maybe_broadcast(self, client: MessageClient, name: bytes, document: bytes) -> None:
        context = client.context
        if context.broadcasts is not None and not client.waiting and name not in self.personal:
            context.broadcasts.first(client.slot, name, document, context.now)


class Odin(Exchange):
    """JSON pings whose `timestamp` (epoch ms) comes back as the pong's `originalTimestamp`."""

    sends = True
    personal = frozenset((PONG_TYPE, b"heartbeat", b"subscription:ack", b"error"))

    def __init__(self, spec: ConversationSpec) -> None:
        super().__init__(spec)
        self._compare_ns = 0

    def compose(self, client: MessageClient, now_ns: int) -> tuple[int, bytes, int]:
        """Return a ping. Its timestamp is unique for the client: the reply carries nothing else."""
        key = (now_ns + client.context.epoch_ns) // 1_000_000
        if key <= client.sequence:
            counters = client.context.counters
            # A closed loop may send several a millisecond. One at a time, they may share the timestamp, unless the
            # reply to an earlier one may still come or the target has answered twice: it would match this one.
            if client.pending or client.expired or counters.duplicates or counters.unmatched:
                key = client.sequence + 1
        client.sequence = key
        return TEXT, b'{"type":"ping","timestamp":%d}' % key, key

    def receive(self, client: MessageClient, first: int, payload: bytes) -> None:
        """Take pongs by a short path: they are most of what arrives."""
        if first != TEXT or not payload.startswith(_PONGS) or _NEWLINE in payload:
            super().receive(client, first, payload)
            return
        types = client.context.tally.types
        types[PONG_TYPE] = types.get(PONG_TYPE, 0) + 1
        # Usually this is a number of 13 digits with a comma or brace behind it.
        start = payload.find(_ORIGINAL) + 20
        digits = payload[start : start + 13]
        if start > 19 and digits.isdigit() and payload[start + 13 : start + 14] in _BEHIND:
            self._pong(client, payload, int(digits))
        else:
            self._pong(client, payload, read_typed(payload)[1])

    def _document(self, client: MessageClient, name: bytes, document: bytes, reply_to: Any) -> None:
        if name != PONG_TYPE:
            super()._document(client, name, document, reply_to)
            return
        client.context.tally.count_type(PONG_TYPE)
        self._pong(client, document, read_typed(document)[1] if reply_to is None else reply_to)

    def _pong(self, client: MessageClient, document: bytes, reply_to: Any) -> None:
        context = client.context
        sent = client.replied(reply_to)
        if sent and context.now >= self._compare_ns:
            self._compare_clocks(context, document, sent)

    def _compare_clocks(self, context: WorkerContext, document: bytes, sent: int) -> None:
        self._compare_ns = context.now + COMPARE_EVERY_NS
        stamp = stamp_of(document)
        if stamp is not None:
            at = int(stamp * 1e6) - context.epoch_ns
            context.clock.sample(at - ClockOffset.STAMP_NS - context.now, at + ClockOffset.STAMP_NS - sent)


class _Numbered(Exchange):
    """Each client numbers its messages from 1; the number is the key."""

    sends = True

    def has_sent(self, client: MessageClient, key: int) -> bool:
        return 0 < key <= client.sequence


class Echo(_Numbered):
    """Messages for any echo server: they name the client and a number, padded to the wanted size."""

    def __init__(self, spec: ConversationSpec) -> None:
        super().__init__(spec)
        self.first = TEXT if spec.text else BINARY
        self.size = spec.size

    def _payload(self, client: MessageClient, key: int) -> bytes:
        return (b"wstui:%d:%d;" % (client.number, key)).ljust(self.size, b".")

    def compose(self, client: MessageClient, now_ns: int) -> tuple[int, bytes, int]:
        client.sequence = key = client.sequence + 1
        return self.first, self._payload(client, key), key

    def receive(self, client: MessageClient, first: int, payload: bytes) -> None:
        start = payload.find(b"wstui:%d:" % client.number)
        if start < 0:
            if client.pending and self._resembles(client, payload):
                client.context.tally.count_type(ECHO_TYPE)
                client.replied(ALTERED)
            else:
                super().receive(client, first, payload)
            return
        end = payload.find(b";", start)
        digits = payload[payload.rfind(b":", start, end) + 1 : end]
        client.context.tally.count_type(ECHO_TYPE)
        key = int(digits) if digits.isdigit() and len(digits) < 20 else 0
        if key and self._payload(client, key) in payload:
            client.replied(key)
            # A broadcast reaches its sender as well.
            self._maybe_broadcast(client, ECHO_TYPE, payload)
        else:
            client.replied(ALTERED)
        if client.waiting and not self.welcome:
            client.on_welcome()

    def _resembles(self, client: MessageClient, payload: bytes) -> bool:
        """Return whether this is our own message, changed so much that it no longer names its client."""
        sent = self._payload(client, next(iter(client.pending)))
        if len(payload) != len(sent) or _OTHERS_ECHO.match(payload):
            return False
        same: int = sum(map(eq, payload, sent))
        return same > len(sent) // 2


class Ping(_Numbered):
    """WebSocket ping frames: works against any server."""

    def compose(self, client: MessageClient, now_ns: int) -> tuple[int, bytes, int]:
        client.sequence = key = client.sequence + 1
        return PING, b"%d" % key, key

    def pong(self, client: MessageClient, payload: bytes) -> None:
        """Match a pong by its payload, which is the ping's (RFC 6455 5.5.3)."""
        client.context.tally.count_type(b"(pong frame)")
        if payload.isdigit() and len(payload) < 20 and payload[0] != _ZERO and (key := int(payload)) <= client.sequence:
            client.replied(key)
        elif payload:
            client.replied(ALTERED)
        else:
            client.replied(None)  # unsolicited (RFC 6455 5.5.3)


class Listen(Exchange):
    """Sends nothing and counts what arrives."""


EXCHANGES: dict[str, type[Exchange]] = {"odin": Odin, "echo": Echo, "ping": Ping, "listen": Listen}
