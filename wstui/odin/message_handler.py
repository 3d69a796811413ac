"""Handles the messages of clients: answers them, changes subscriptions, enforces limits."""

from __future__ import annotations

import asyncio

import msgspec
from websockets.frames import CloseCode

from wstui.odin import odin_messages
from wstui.odin.hub import ALL, Hub, Peer
from wstui.odin.rate_limit import RateLimit, TokenBucket
from wstui.odin.server_settings import ServerSettings
from wstui.odin.stats import Stats

TOKEN_NAME_MAX = 32


class MessageHandler:
    def __init__(
        self, loop: asyncio.AbstractEventLoop, settings: ServerSettings, stats: Stats, hub: Hub, rate: RateLimit
    ) -> None:
        limits = settings.limits
        self._rate = rate if rate.limits else None
        self._rate_per_client = limits.message_rate_per_client
        self._limits = limits
        self._delay = settings.faults.delay
        self._rollout = round(100 * (1 - settings.faults.refuse))
        self._loop = loop
        self._stats = stats
        self._hub = hub

    def welcome(self, client: Peer) -> None:
        """Send the welcome message to a new client."""
        if self._rate_per_client > 0:
            client.bucket = TokenBucket(self._rate_per_client, self._loop.time())
        client.send(odin_messages.welcome(self._rollout))

    def receive(self, client: Peer, payload: bytes) -> None:
        stats = self._stats
        stats.received += 1
        if (self._rate is not None or client.bucket is not None) and self._floods(client):
            client.eject(CloseCode.POLICY_VIOLATION, "message rate limit")
            return
        if not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError:
                stats.malformed += 1
                client.eject(CloseCode.INVALID_DATA, "not UTF-8")
                return
        try:
            message = odin_messages.decode_inbound(payload)
        except (msgspec.DecodeError, RecursionError):
            self._count_malformed(client)
            return
        if message.type == "ping":
            stats.pongs += 1
            self._reply(client, odin_messages.pong(bytes(message.timestamp)))
        elif message.type == "subscribe":
            stats.received_by_type["subscribe"] += 1
            self._subscribe(client, message.tokens or [])
        elif message.type == "unsubscribe":
            stats.received_by_type["unsubscribe"] += 1
            self._hub.subscribe(client, client.tokens - frozenset(map(_token_name, message.tokens or [])))
        else:
            stats.received_by_type["unknown"] += 1

    def _floods(self, client: Peer) -> bool:
        now = self._loop.time()
        if client.bucket is not None and not client.bucket.take(now):
            return True
        return self._rate is not None and self._rate.take(client.address, now) > 0

    def _subscribe(self, client: Peer, tokens: list[str]) -> None:
        names = client.tokens | frozenset(map(_token_name, tokens))
        if len(names) > self._limits.tokens or any(not 0 < len(name) <= TOKEN_NAME_MAX for name in names):
            self._count_malformed(client)
            return
        self._hub.subscribe(client, names)
        self._reply(client, odin_messages.subscription_ack(sorted(names)))

    def _reply(self, client: Peer, payload: bytes) -> None:
        if self._delay:
            self._loop.call_later(self._delay, client.send, payload)
        else:
            client.send(payload)

    def _count_malformed(self, client: Peer) -> None:
        self._stats.malformed += 1
        client.malformed += 1
        if client.malformed > self._limits.malformed_messages:
            client.eject(CloseCode.POLICY_VIOLATION, "too many malformed messages")


def _token_name(text: str) -> str:
    return ALL if text.lower() == ALL else text.upper()
