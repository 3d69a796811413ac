"""The exchange of the user's own messages: several kinds in proportion, each reply matched to its message."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import accumulate
from typing import Any

from wstui.load.connect_outcome import Cause
from wstui.load.context import MessageClient
from wstui.load.exchange import BINARY_TYPE, ECHO_TYPE, EMPTY, NO_TYPE, NOT_JSON, Exchange, read_typed
from wstui.load.frames import BINARY, TEXT
from wstui.load.protocol import ConversationSpec, Slot
from wstui.load.render import IDS_A_CLIENT, Moment, Renderer
from wstui.load.reply_matcher import MISSING, ReplyMatcher, broken
from wstui.load.rng import spread
from wstui.measure.sanitize import sanitize

_ORDER = -1
_QUEUE_SLACK = 64
"""A queue of unanswered messages is purged of expired ones when it is this much longer than what is in flight."""
_MOST = 10**18
_OWNERS = 2**53 // IDS_A_CLIENT


class TemplateExchange(Exchange):
    """Sends the messages of a script. The key of a message in flight names its kind: key % number of kinds."""

    sends = True

    def __init__(self, spec: ConversationSpec, seed: int) -> None:
        super().__init__(spec)
        script = spec.script
        self._phrases = script.phrases
        self._count = len(script.phrases)
        self._renderers = [Renderer(phrase, seed, index << 16) for index, phrase in enumerate(script.phrases)]
        self._steps = [
            renderer.key_step_ns if phrase.reply == "field" else 0
            for phrase, renderer in zip(script.phrases, self._renderers, strict=True)
        ]
        # Phrases with the key {{id}}, which shows whether a reply is for this client.
        self._by_id = frozenset(i for i, phrase in enumerate(script.phrases) if phrase.key == [Slot("id")])
        self._stamped: dict[int, int] = {}  # client → the last stamp that was used as a key
        self._bounds = _bounds([phrase.weight for phrase in script.phrases])
        self._rows = script.rows
        self._dealt = 0 if script.each == "message" else -1
        self._paths: dict[tuple[str, ...], list[int]] = {}
        for index, phrase in enumerate(script.phrases):
            if phrase.reply == "field":
                self._paths.setdefault(tuple(phrase.path), []).append(index)
        self._echoes = [index for index, phrase in enumerate(script.phrases) if phrase.reply == "echo"]
        ordered = [tuple(phrase.path) for phrase in script.phrases if phrase.reply == "order"]
        self._orders = bool(ordered)
        self._order_paths = [path for path in ordered if path]
        self._any_order = len(self._order_paths) < len(ordered)
        asked = [*self._paths, *self._order_paths]
        asked += [tuple(expected.path) for phrase in script.phrases for expected in phrase.expected if expected.path]
        self._reader = ReplyMatcher(asked)
        self._reads = bool(asked)

    # -- what is sent ------------------------------------------------------------------------------------------

    def compose(self, client: MessageClient, now_ns: int) -> tuple[int, bytes, int]:
        client.sequence = seq = client.sequence + 1
        number = client.number
        index = bisect_right(self._bounds, spread(number, seq)) if self._bounds else 0
        phrase, renderer = self._phrases[index], self._renderers[index]
        moment = Moment(number, seq, now_ns + client.context.epoch_ns, self._row(number))
        key = 0
        if phrase.reply == "field":
            if step := self._steps[index]:
                # Of two messages within one tick of the clock the later is stamped with the next tick.
                stamp = max(moment.epoch_ns // step, self._stamped.get(number, 0) + 1)
                self._stamped[number] = stamp
                moment = moment._replace(epoch_ns=stamp * step)
            moment = moment._replace(key=renderer.key(moment))
            key = _number_of(moment.key) * self._count + index
        payload = renderer.payload(moment)
        if phrase.reply == "echo" and renderer.is_unique:
            key = _digest(payload) * self._count + index
        elif phrase.reply in ("echo", "order"):
            key = seq * self._count + index
            self._remember(client, _ORDER if phrase.reply == "order" else _digest(payload), key)
        return BINARY if phrase.binary else TEXT, payload, key

    def has_sent(self, client: MessageClient, key: int) -> bool:
        """Whether the key numbers the client's own messages, and this number was reached."""
        value, index = divmod(key, self._count)
        phrase = self._phrases[index]
        if index in self._by_id and phrase.reply == "field":
            owner, value = divmod(value, IDS_A_CLIENT)
            return owner == client.number + 1 and value <= client.sequence
        return phrase.reply == "field" and phrase.key == [Slot("seq")] and 0 < value <= client.sequence

    def _row(self, number: int) -> list[bytes]:
        rows = self._rows
        if not rows:
            return rows  # type: ignore[return-value]
        if self._dealt < 0:
            return rows[number % len(rows)]
        row = rows[self._dealt % len(rows)]
        self._dealt += 1
        return row

    def _remember(self, client: MessageClient, queue: int, key: int) -> None:
        """Put a message behind those that the same kind of reply answers."""
        if client.queues is None:
            client.queues = {}
        waiting = client.queues.get(queue)
        if waiting is None:
            client.queues[queue] = deque((key,))
            return
        waiting.append(key)
        if len(waiting) > len(client.pending) + _QUEUE_SLACK:
            kept = [key for key in waiting if client.is_pending(key)]
            waiting.clear()
            waiting.extend(kept)
            waiting.append(key)

    # -- what arrives ------------------------------------------------------------------------------------------

    def receive(self, client: MessageClient, first: int, payload: bytes) -> None:
        if client.waiting:
            super().receive(client, first, payload)
            return
        document = self._reader.read(payload) if self._reads else None
        if document is None and self._reads and b"\n" in payload:
            lines = [line for line in payload.split(b"\n") if line.strip()]
            documents = [self._reader.read(line) for line in lines]
            if documents and None not in documents:
                for line, document in zip(lines, documents, strict=True):
                    self._one(client, first, line, document)
                return
        self._one(client, first, payload, document)

    def _one(self, client: MessageClient, first: int, payload: bytes, document: Any) -> None:
        key = self._key(client, payload, document)
        if key is None:
            super().receive(client, first, payload)
            return
        phrase = self._phrases[key % self._count]
        name = ECHO_TYPE if phrase.reply == "echo" else self._type(first, payload, document)
        client.context.tally.count_type(name)
        if client.context.broadcasts is not None and self._renderers[key % self._count].names_client:
            # A broadcast reaches its sender as well.
            self._maybe_broadcast(client, name, payload)
        if client.replied(key):
            for expected in phrase.expected:
                lack = broken(expected, payload, self._reader, document)
                if lack:
                    cause = Cause("expectation", f"reply to {sanitize(phrase.name, 60)} {lack}")
                    client.context.events.expectation_failed(client.number, cause, sanitize(payload, 120))
                    break

    def _key(self, client: MessageClient, payload: bytes, document: Any) -> int | None:
        """Return the key of the message that this answers; None if it is not a reply."""
        known: int | None = None
        names_one = False
        follows = client.context.broadcasts is not None
        for path, indices in self._paths.items():
            value = _value_of(self._reader.value(document, path))
            if value is None:
                continue
            names_one = True
            for index in indices:
                key = value * self._count + index
                if key in client.pending:
                    return key
                if client.is_pending(key) or key == client.answered:
                    known = key
                elif known is None and not (index in self._by_id and _is_others(value, client.number)):
                    # If broadcasts are followed, a message that does not answer this client is one.
                    known = key if not follows or self.has_sent(client, key) else None
        if self._echoes:
            digest = _digest(payload)
            for index in self._echoes:
                key = digest * self._count + index
                if key in client.pending or client.is_pending(key) or key == client.answered:
                    return key
            if client.queues and (found := self._oldest(client, digest)) is not None:
                return found
        if self._orders and not names_one and client.queues and self._counts(document):
            return self._oldest(client, _ORDER)
        return known

    def _counts(self, document: Any) -> bool:
        return self._any_order or any(self._reader.value(document, path) is not MISSING for path in self._order_paths)

    def _oldest(self, client: MessageClient, queue: int) -> int | None:
        """Take the message that has waited longest in a queue, even if it has expired: its reply is late then."""
        assert client.queues is not None
        waiting = client.queues.get(queue)
        while waiting:
            key = waiting.popleft()
            if not waiting and queue != _ORDER:
                del client.queues[queue]
            if client.is_pending(key):
                return key
        return None

    def _type(self, first: int, payload: bytes, document: Any) -> bytes:
        if first == BINARY:
            return BINARY_TYPE
        if not payload:
            return EMPTY
        name = self._quick(payload)
        if name is not None:
            return name
        if self._read is not read_typed:
            return self._read(payload)[0]
        if document is None:
            return NOT_JSON
        kind = self._reader.value(document, ("type",))
        return kind.encode("utf-8", "backslashreplace") if isinstance(kind, str) else NO_TYPE


def _bounds(weights: list[float]) -> list[int]:
    """Return where the shares of all but the last phrase end within 64 bits."""
    total = sum(weights)
    return [round(end / total * 2**64) for end in accumulate(weights)][:-1]


def _digest(payload: bytes) -> int:
    """Return a number for these bytes, valid in this process and distinct from counts and timestamps."""
    return (hash(payload) & (1 << 62) - 1) | 1 << 62


def _is_others(value: int, number: int) -> bool:
    """Whether an id belongs to a message of another client."""
    owner, seq = divmod(value, IDS_A_CLIENT)
    return 0 < owner < _OWNERS and owner != number + 1 and seq > 0


def _number_of(key: bytes) -> int:
    """Return the number for a key; whole numbers stand for themselves."""
    return int(key) if key.isdigit() and len(key) < 19 else _digest(key)


def _value_of(value: Any) -> int | None:
    """Return the number for the key in a reply; None if it can't be a key."""
    if isinstance(value, str):
        return _number_of(value.encode("utf-8", "backslashreplace"))
    if isinstance(value, bool):
        return None
    if isinstance(value, int) and abs(value) < _MOST:
        return _number_of(b"%d" % value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _MOST:
        return _number_of(b"%d" % int(value))
    return None
