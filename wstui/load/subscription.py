"""Clients that subscribe to some tokens only: messages about other tokens are leaks."""

from __future__ import annotations

from typing import Any

import msgspec

from wstui.load.connect_outcome import Cause
from wstui.load.context import MessageClient
from wstui.load.exchange import Exchange, quick_type
from wstui.load.frames import TEXT, encode
from wstui.load.protocol import ConversationSpec
from wstui.measure.sanitize import sanitize

ACK = b"subscription:ack"
KNOWN_MOST = 512
"""So many messages are remembered with their tokens: a broadcast is read once, not once per client."""
UNSUBSCRIBE_ALL = b'{"type":"unsubscribe","tokens":["all"]}'


class _Ack(msgspec.Struct):
    subscriptions: list[str]


class _Update(msgspec.Struct):
    tokenId: Any = None


class _Message(msgspec.Struct):
    tokenId: Any = None
    updates: list[_Update] = []


_decode_ack = msgspec.json.Decoder(_Ack).decode
_decode = msgspec.json.Decoder(_Message).decode


def tokens_of(document: bytes) -> frozenset[str]:
    """Return the tokens that a message names; none if it can't be read."""
    try:
        message = _decode(document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return frozenset()
    named = (message.tokenId, *(update.tokenId for update in message.updates))
    return frozenset(name.upper() for name in named if isinstance(name, str))


class Subscribing(Exchange):
    """Wraps an exchange: its clients leave "all" and subscribe to their own tokens (the Odin protocol).

    A leak is a message that names only tokens of others and comes after the acknowledgement: before it, messages may
    still be on their way.
    """

    def __init__(self, inner: Exchange, spec: ConversationSpec) -> None:
        super().__init__(spec)
        self._inner = inner
        self.sends = inner.sends
        self.personal = inner.personal | {ACK}
        self._names = [name.upper() for name in spec.subscribe]
        self._each = spec.subscribe_each or len(self._names)
        self._acknowledged: set[int] = set()
        self._known: dict[bytes, frozenset[str]] = {}

    def tokens(self, number: int) -> frozenset[str]:
        """Return the tokens of client `number`: `each` of all names, from its own place on."""
        names = self._names
        return frozenset(names[(number + i) % len(names)] for i in range(self._each))

    def begin(self, client: MessageClient) -> None:
        """Let a ready client leave "all" and subscribe to its tokens."""
        counters = client.context.counters
        counters.subscribes += 1
        self._acknowledged.discard(client.number)
        document = {"type": "subscribe", "tokens": sorted(self.tokens(client.number))}
        client.write(encode(TEXT, UNSUBSCRIBE_ALL, client.number))
        client.write(encode(TEXT, msgspec.json.encode(document), client.number))

    def compose(self, client: MessageClient, now_ns: int) -> tuple[int, bytes, int]:
        return self._inner.compose(client, now_ns)

    def has_sent(self, client: MessageClient, key: int) -> bool:
        return self._inner.has_sent(client, key)

    def pong(self, client: MessageClient, payload: bytes) -> None:
        self._inner.pong(client, payload)

    def receive(self, client: MessageClient, first: int, payload: bytes) -> None:
        """Pass a message on, and check it against the client's subscriptions."""
        self._inner.receive(client, first, payload)
        if first != TEXT:
            return
        for document in payload.split(b"\n") if b"\n" in payload else (payload,):
            if quick_type(document) == ACK:
                self._take_ack(client, document)
            elif client.number in self._acknowledged:
                self._look(client, document)

    def _take_ack(self, client: MessageClient, document: bytes) -> None:
        if client.number in self._acknowledged:
            return
        try:
            named = frozenset(name.upper() for name in _decode_ack(document).subscriptions)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            named = frozenset()
        if named == self.tokens(client.number):
            self._acknowledged.add(client.number)
            client.context.counters.subscribe_acks += 1
        else:
            cause = Cause("subscription", "the acknowledgement names other tokens than were asked for")
            client.context.events.expectation_failed(client.number, cause, sanitize(document, 120))

    def _look(self, client: MessageClient, document: bytes) -> None:
        tokens = self._known.get(document)
        if tokens is None:
            tokens = tokens_of(document)
            if len(self._known) >= KNOWN_MOST:
                del self._known[next(iter(self._known))]
            self._known[document] = tokens
        if tokens and tokens.isdisjoint(self.tokens(client.number)):
            client.context.counters.filter_leaks += 1
            cause = Cause("leak", "a message about tokens that the client had not subscribed to")
            client.context.events.expectation_failed(client.number, cause, sanitize(document, 120))
