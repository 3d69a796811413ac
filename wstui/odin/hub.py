"""Subscriptions, and the relay of each message to the clients that it is meant for."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Any, Protocol

from websockets.frames import CloseCode

from wstui.odin.faults import Faults
from wstui.odin.odin_messages import decode_any, now_ms
from wstui.odin.rate_limit import TokenBucket
from wstui.odin.stats import LATEST_MS, Stats
from wstui.servers.frame_writer import text_frame

ALL = "all"
NONCES_MAX = 200_000
NONCE_LENGTH_MAX = 128


class Peer(Protocol):
    """An open connection as the rest of the server sees it: `write` sends at once, `enqueue` if there is a backlog."""

    address: str
    backlog: deque[bytes] | None
    bucket: TokenBucket | None
    heard: bool
    malformed: int
    pinged: bool
    tokens: frozenset[str]
    write: Callable[[bytes], None]

    def send(self, payload: bytes) -> None:
        """Send one text message."""
        ...

    def enqueue(self, frame: bytes) -> None:
        """Keep a frame until the client has read earlier ones."""
        ...

    def ping(self) -> None:
        """Send a ping frame."""
        ...

    def eject(self, code: CloseCode, reason: str) -> None:
        """Close the connection for something that the client did."""
        ...

    def abort(self) -> None:
        """Drop the TCP connection."""
        ...


class Hub:
    """All open connections and their subscriptions.

    A message about tokens goes to the subscribers of one of them and to those of "all"; a message about no token goes
    to the latter. Each client gets a message once.
    """

    def __init__(self, stats: Stats, deduplication: Deduplication, faults: Faults) -> None:
        self.connections: set[Peer] = set()
        self.last_relay_ms = now_ms()
        self._stats = stats
        self._deduplication = deduplication
        self._faults = faults
        self._random = random.Random(faults.seed)
        self._everything: set[Peer] = set()
        self._by_token: dict[str, set[Peer]] = {}

    def join(self, peer: Peer) -> None:
        """Add a new connection, subscribed to "all"."""
        self.connections.add(peer)
        self.subscribe(peer, frozenset((ALL,)))

    def leave(self, peer: Peer) -> None:
        """Forget a connection."""
        self.subscribe(peer, frozenset())
        self.connections.discard(peer)

    def subscribe(self, peer: Peer, tokens: frozenset[str]) -> None:
        """Replace the subscriptions of a connection."""
        for token in peer.tokens - tokens:
            if token == ALL:
                self._everything.discard(peer)
            elif (listeners := self._by_token.get(token)) is not None:
                listeners.discard(peer)
                if not listeners:
                    del self._by_token[token]
        for token in tokens - peer.tokens:
            if token == ALL:
                self._everything.add(peer)
            else:
                self._by_token.setdefault(token, set()).add(peer)
        peer.tokens = tokens

    def relay(self, data: bytes, now: float) -> None:
        """Relay a message from NATS unless it is a duplicate or not JSON. `now`: seconds of the loop's clock."""
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

    def broadcast(self, payload: bytes, receivers: Collection[Peer] | None = None) -> None:
        """Send one text message to `receivers`, or to every open connection."""
        frame = text_frame(payload)
        # A copy: a client that is closed for reading too slowly leaves the set during the loop.
        chosen: Iterable[Peer] = tuple(self.connections if receivers is None else receivers)
        if self._faults.deliveries:
            chosen = self._with_faults(chosen)
        sent = 0
        for peer in chosen:
            sent += 1
            if peer.backlog is None:
                peer.write(frame)
            else:
                peer.enqueue(frame)
        self._stats.delivered += sent

    def _receivers(self, fields: dict[str, Any]) -> Collection[Peer]:
        if not self._by_token:
            return self._everything
        listeners = [self._by_token[token] for token in _tokens(fields) if token in self._by_token]
        return self._everything.union(*listeners) if listeners else self._everything

    def _with_strays(self, receivers: Collection[Peer]) -> set[Peer]:
        chance, draw = self._faults.stray, self._random.random
        others = self.connections.difference(receivers)
        return {*receivers, *(other for other in others if draw() < chance)}

    def _with_faults(self, receivers: Iterable[Peer]) -> list[Peer]:
        drop, duplicate = self._faults.drop, self._faults.drop + self._faults.duplicate
        chosen: list[Peer] = []
        for peer in receivers:
            draw = self._random.random()
            if draw >= drop:
                chosen.append(peer)
                if draw < duplicate:
                    chosen.append(peer)
        return chosen


class Deduplication:
    """Tells a nonce that was seen within `window` seconds from a new one.

    At most `limit` nonces are remembered; beyond that the oldest is forgotten early and counted in `forgotten`.
    """

    def __init__(self, window: float, limit: int = NONCES_MAX) -> None:
        self.forgotten = 0
        self._window = window
        self._limit = limit
        self._seen: dict[str, float] = {}  # nonce → when, oldest first

    def __len__(self) -> int:
        return len(self._seen)

    def is_duplicate(self, nonce: str, now: float) -> bool:
        """Return whether `nonce` was seen in the window that ends at `now` (seconds of a monotonic clock)."""
        seen = self._seen
        horizon = now - self._window
        while seen:
            oldest = next(iter(seen))
            if seen[oldest] > horizon:
                break
            del seen[oldest]
        nonce = nonce[:NONCE_LENGTH_MAX]
        if nonce in seen:
            return True
        if len(seen) >= self._limit:
            del seen[next(iter(seen))]
            self.forgotten += 1
        seen[nonce] = now
        return False


def _tokens(fields: dict[str, Any]) -> set[str]:
    """Return the tokens that a message is about."""
    updates = fields.get("updates")
    parts = [fields, *(updates if isinstance(updates, list) else ())]
    found = (part.get("tokenId") for part in parts if isinstance(part, dict))
    return {token for token in found if isinstance(token, str)}
