"""Clients that want some tokens only: they say so when they are ready, and what else comes then is a leak."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from wstui.load.connect_outcome import Cause
from wstui.load.exchange import Exchange, quick_type
from wstui.load.frames import TEXT, encode
from wstui.measure.sanitize import visible

if TYPE_CHECKING:
    from wstui.load.messaging import Messaging
    from wstui.load.protocol import Spec

ACK = b"subscription:ack"
KNOWN_MOST = 512
"""Messages whose tokens are remembered: a broadcast is read once, not once for each client."""
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
    """The tokens that a message is about; none where it names none, or can't be read."""
    try:
        message = _decode(document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return frozenset()
    named = (message.tokenId, *(update.tokenId for update in message.updates))
    return frozenset(name.upper() for name in named if isinstance(name, str))


class Subscribing(Exchange):
    """Another exchange, whose clients have left "all" and subscribed to their own tokens (the Odin protocol).

    A leak is a message about none of a client's tokens that comes after the acknowledgement: what was on its way
    before may still come. A message that names no token is none.
    """

    def __init__(self, inner: Exchange, spec: Spec) -> None:
        super().__init__(spec)
        self._inner = inner
        self.sends = inner.sends
        self.personal = inner.personal | {ACK}
        self._names = [name.upper() for name in spec.subscribe]
        self._each = spec.subscribe_each or len(self._names)
        self._acknowledged: set[int] = set()
        self._known: dict[bytes, frozenset[str]] = {}

    def tokens(self, number: int) -> frozenset[str]:
        """What client `number` subscribes to: the next `each` of all names, from its own place on."""
        names = self._names
        return frozenset(names[(number + i) % len(names)] for i in range(self._each))

    def begin(self, client: Messaging) -> None:
        """A client is ready: it leaves "all" and names its tokens."""
        counters = client.worker.tally.counters
        counters.subscribes += 1
        self._acknowledged.discard(client.number)
        document = {"type": "subscribe", "tokens": sorted(self.tokens(client.number))}
        client.write(encode(TEXT, UNSUBSCRIBE_ALL, client.number))
        client.write(encode(TEXT, msgspec.json.encode(document), client.number))

    def compose(self, client: Messaging, now_ns: int) -> tuple[int, bytes, int]:
        """The inner exchange's message."""
        return self._inner.compose(client, now_ns)

    def has_sent(self, client: Messaging, key: int) -> bool:
        """Whether the inner exchange has sent this."""
        return self._inner.has_sent(client, key)

    def pong(self, client: Messaging, payload: bytes) -> None:
        """The inner exchange's pong."""
        self._inner.pong(client, payload)

    def receive(self, client: Messaging, first: int, payload: bytes) -> None:
        """The inner exchange takes it; here it is held against what the client has subscribed to."""
        self._inner.receive(client, first, payload)
        if first != TEXT:
            return
        for document in payload.split(b"\n") if b"\n" in payload else (payload,):
            if quick_type(document) == ACK:
                self._take_ack(client, document)
            elif client.number in self._acknowledged:
                self._look(client, document)

    def _take_ack(self, client: Messaging, document: bytes) -> None:
        if client.number in self._acknowledged:
            return
        try:
            named = frozenset(name.upper() for name in _decode_ack(document).subscriptions)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            named = frozenset()
        if named == self.tokens(client.number):
            self._acknowledged.add(client.number)
            client.worker.tally.counters.subscribe_acks += 1
        else:
            cause = Cause("subscription", "the acknowledgement names other tokens than were asked for")
            client.worker.expectation_failed(client, cause, visible(document, 120))

    def _look(self, client: Messaging, document: bytes) -> None:
        tokens = self._known.get(document)
        if tokens is None:
            tokens = tokens_of(document)
            if len(self._known) >= KNOWN_MOST:
                del self._known[next(iter(self._known))]
            self._known[document] = tokens
        if tokens and tokens.isdisjoint(self.tokens(client.number)):
            client.worker.tally.counters.filter_leaks += 1
            cause = Cause("leak", "a message about tokens that the client had not subscribed to")
            client.worker.expectation_failed(client, cause, visible(document, 120))
