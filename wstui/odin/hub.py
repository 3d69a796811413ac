"""Who listens to what: subscriptions, and the relay of each message to those it is meant for."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Any, Protocol

from wstui.odin.deduplication import Deduplication
from wstui.odin.faults import Faults
from wstui.odin.messages import decode_any, now_ms
from wstui.odin.stats import LATEST_MS, Stats
from wstui.servers.frame_writer import text_frame

ALL = "all"


class Subscriber(Protocol):
    """What the hub needs of a connection: `write` sends at once, `enqueue` is for one that has a backlog."""

    backlog: deque[bytes] | None
    write: Callable[[bytes], None]
    tokens: frozenset[str]

    def enqueue(self, frame: bytes) -> None:
        """Keep a frame until the client has read what it was sent before."""
        ...


class Hub:
    """All open connections and their subscriptions.

    A message about tokens goes to those who subscribed to one of them and to those subscribed to "all"; a message
    about no token goes to the latter. Nobody gets a message twice.
    """

    def __init__(self, stats: Stats, deduplication: Deduplication, faults: Faults) -> None:
        self.connections: set[Subscriber] = set()
        self.last_relay_ms = now_ms()
        self._stats = stats
        self._deduplication = deduplication
        self._faults = faults
        self._random = random.Random(faults.seed)
        self._everything: set[Subscriber] = set()
        self._by_token: dict[str, set[Subscriber]] = {}

    def join(self, subscriber: Subscriber) -> None:
        """Let a new connection listen; everybody starts subscribed to "all"."""
        self.connections.add(subscriber)
        self.subscribe(subscriber, frozenset((ALL,)))

    def leave(self, subscriber: Subscriber) -> None:
        """Forget a connection."""
        self.subscribe(subscriber, frozenset())
        self.connections.discard(subscriber)

    def subscribe(self, subscriber: Subscriber, tokens: frozenset[str]) -> None:
        """Make `tokens` the subscriptions of a connection, in place of those it had."""
        for token in subscriber.tokens - tokens:
            if token == ALL:
                self._everything.discard(subscriber)
            elif (listeners := self._by_token.get(token)) is not None:
                listeners.discard(subscriber)
                if not listeners:
                    del self._by_token[token]
        for token in tokens - subscriber.tokens:
            if token == ALL:
                self._everything.add(subscriber)
            else:
                self._by_token.setdefault(token, set()).add(subscriber)
        subscriber.tokens = tokens

    def relay(self, data: bytes, now: float) -> None:
        """Pass a message from NATS on, unless it is a duplicate or no JSON. `now`: seconds of the loop's clock."""
        stats = self._stats
        try:
            content = decode_any(data)
            if not data.isascii():
                data.decode()
        except (ValueError, RecursionError):
            stats.unreadable += 1
            stats.errors += 1
            return
        fields: dict[str, Any] = content if isinstance(content, dict) else {}
        nonce = fields.get("nonce")
        if isinstance(nonce, str) and self._deduplication.is_duplicate(nonce, now):
            stats.duplicates += 1
            return
        kind = fields.get("type")
        stats.published += 1
        stats.count_published(kind if isinstance(kind, str) else "unknown")
        self.last_relay_ms = now_ms()
        stamp = fields.get("timestamp")
        if isinstance(stamp, int | float) and not isinstance(stamp, bool) and 0 < stamp < LATEST_MS:
            stats.record_latency(self.last_relay_ms - stamp)
        receivers = self._receivers(fields)
        if self._faults.stray > 0:
            receivers = self._with_strays(receivers)
        self.broadcast(data, receivers)

    def broadcast(self, payload: bytes, receivers: Collection[Subscriber] | None = None) -> None:
        """Send one text message to `receivers`, or to every open connection."""
        frame = text_frame(payload)
        # A copy, since a client that is closed for reading too slowly leaves the set meanwhile.
        chosen: Iterable[Subscriber] = tuple(self.connections if receivers is None else receivers)
        if self._faults.deliveries:
            chosen = self._faulty(chosen)
        sent = 0
        for subscriber in chosen:
            sent += 1
            if subscriber.backlog is None:
                subscriber.write(frame)
            else:
                subscriber.enqueue(frame)
        self._stats.delivered += sent

    def _receivers(self, fields: dict[str, Any]) -> Collection[Subscriber]:
        if not self._by_token:
            return self._everything
        listeners = [self._by_token[token] for token in _tokens(fields) if token in self._by_token]
        return self._everything.union(*listeners) if listeners else self._everything

    def _with_strays(self, receivers: Collection[Subscriber]) -> set[Subscriber]:
        chance, dice = self._faults.stray, self._random.random
        others = self.connections.difference(receivers)
        return {*receivers, *(other for other in others if dice() < chance)}

    def _faulty(self, receivers: Iterable[Subscriber]) -> list[Subscriber]:
        drop, duplicate = self._faults.drop, self._faults.drop + self._faults.duplicate
        chosen: list[Subscriber] = []
        for subscriber in receivers:
            dice = self._random.random()
            if dice >= drop:
                chosen.append(subscriber)
                if dice < duplicate:
                    chosen.append(subscriber)
        return chosen


def _tokens(fields: dict[str, Any]) -> set[str]:
    """The tokens that a message is about."""
    token = fields.get("tokenId")
    tokens = {token} if isinstance(token, str) else set()
    updates = fields.get("updates")
    if isinstance(updates, list):
        for update in updates:
            if isinstance(update, dict) and isinstance(update.get("tokenId"), str):
                tokens.add(update["tokenId"])
    return tokens
