"""The exchange of one's own messages: several kinds in proportion, replies told by what they answer."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from wstui.load.connect_outcome import Cause
from wstui.load.exchange import BINARY_TYPE, ECHO_TYPE, EMPTY, NO_TYPE, NOT_JSON, Exchange, read_typed
from wstui.load.frames import BINARY, TEXT
from wstui.load.message_script import Slot
from wstui.load.render import IDS_A_CLIENT, Moment, Renderer
from wstui.load.reply_matcher import MISSING, ReplyMatcher, broken
from wstui.load.rng import spread
from wstui.measure.sanitize import visible

if TYPE_CHECKING:
    from wstui.load.messaging import Messaging
    from wstui.load.protocol import Spec

_ORDER = -1
_QUEUE_SLACK = 64
"""A queue of unanswered messages this much longer than what is in flight is rid of what was given up."""
_MOST = 10**18
_OWNERS = 2**53 // IDS_A_CLIENT


class TemplateExchange(Exchange):
    """Says what a script holds. The key of a message in flight tells its phrase too: key % number of phrases."""

    sends = True

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        script = spec.script
        self._phrases = script.phrases
        self._count = len(script.phrases)
        self._renderers = [Renderer(phrase, spec.seed, index << 16) for index, phrase in enumerate(script.phrases)]
        self._steps = [
            renderer.key_step_ns if phrase.reply == "field" else 0
            for phrase, renderer in zip(script.phrases, self._renderers, strict=True)
        ]
        # Phrases whose key is {{id}}, which says of any reply whether it is for this client.
        self._by_id = frozenset(i for i, phrase in enumerate(script.phrases) if phrase.key == [Slot("id")])
        self._stamped: dict[int, int] = {}  # by client: what the last message with a time for a key was stamped with
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

    def compose(self, client: Messaging, now_ns: int) -> tuple[int, bytes, int]:
        """The client's next message; its key is 0 when no reply is waited for."""
        client.sequence = seq = client.sequence + 1
        number = client.number
        index = bisect_right(self._bounds, spread(number, seq)) if self._bounds else 0
        phrase, renderer = self._phrases[index], self._renderers[index]
        moment = Moment(number, seq, now_ns + client.worker.epoch_ns, self._row(number))
        key = 0
        if phrase.reply == "field":
            if step := self._steps[index]:
                # Two messages within one tick of the clock: the later one is stamped with the next.
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

    def has_sent(self, client: Messaging, key: int) -> bool:
        """Whether the key is one that counts the client's own messages, and this one has been reached."""
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

    def _remember(self, client: Messaging, queue: int, key: int) -> None:
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

    def receive(self, client: Messaging, first: int, payload: bytes) -> None:
        """A reply to one of ours, or something else."""
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

    def _one(self, client: Messaging, first: int, payload: bytes, document: Any) -> None:
        key = self._key(client, payload, document)
        if key is None:
            super().receive(client, first, payload)
            return
        phrase = self._phrases[key % self._count]
        name = ECHO_TYPE if phrase.reply == "echo" else self._type(first, payload, document)
        client.worker.tally.count_type(name)
        if client.worker.broadcasts is not None and self._renderers[key % self._count].names_client:
            # Its sender is one of those that a message to all reaches.
            self._maybe_broadcast(client, name, payload)
        if client.replied(key):
            for expected in phrase.expected:
                lack = broken(expected, payload, self._reader, document)
                if lack:
                    cause = Cause("expectation", f"reply to {visible(phrase.name, 60)} {lack}")
                    client.worker.expectation_failed(client, cause, visible(payload, 120))
                    break

    def _key(self, client: Messaging, payload: bytes, document: Any) -> int | None:
        """The key of the message that this answers; None when it is no reply at all."""
        known: int | None = None
        names_one = False
        follows = client.worker.broadcasts is not None
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
                    # Where broadcasts are followed, what is no reply to this client is one of them.
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
        """Whether a message may be a reply in order."""
        return self._any_order or any(self._reader.value(document, path) is not MISSING for path in self._order_paths)

    def _oldest(self, client: Messaging, queue: int) -> int | None:
        """The message that has waited longest in a queue, also when it has been given up: its reply is late then."""
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
    """Where the shares of all but the last phrase end within 64 bits."""
    total = sum(weights)
    return [round(end / total * 2**64) for end in accumulate(weights)][:-1]


def _digest(payload: bytes) -> int:
    """A number that stands for these bytes in this process, apart from all that count messages or milliseconds."""
    return (hash(payload) & (1 << 62) - 1) | 1 << 62


def _is_others(value: int, number: int) -> bool:
    """Whether an id is that of a message that another client has sent."""
    owner, seq = divmod(value, IDS_A_CLIENT)
    return 0 < owner < _OWNERS and owner != number + 1 and seq > 0


def _number_of(key: bytes) -> int:
    """The number that stands for a key: whole numbers for themselves."""
    return int(key) if key.isdigit() and len(key) < 19 else _digest(key)


def _value_of(value: Any) -> int | None:
    """The same for the key in a reply; None when it can be none."""
    if isinstance(value, str):
        return _number_of(value.encode("utf-8", "backslashreplace"))
    if isinstance(value, bool):
        return None
    if isinstance(value, int) and abs(value) < _MOST:
        return _number_of(b"%d" % value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _MOST:
        return _number_of(b"%d" % int(value))
    return None
