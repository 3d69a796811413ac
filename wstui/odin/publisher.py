"""Publishes the Odin data to NATS: each type of message at its own period, and price updates at a fixed rate."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from wstui.odin.nats_client import NatsConnection
from wstui.odin.price_simulator import TOKENS, PriceSimulator

TRADE_S = 5.0
BTC_PRICE_S = 300.0
BATCH_S = 60.0
TOKEN_STATISTICS_S = 600.0
MARKET_S = 3600.0
STATISTICS_S = 30.0
TICK_S = 0.002
AT_ONCE = 200  # messages, some 2 ms
_PADDING = b',"padding":"'
_log = logging.getLogger("wstui.odin.publisher")
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """Settings of the publisher.

    `speed` divides every period; `rate` adds so many price updates a second; `size` is the minimum size of a message
    in bytes; `seed` makes the market repeatable.
    """

    tokens: tuple[str, ...] = TOKENS
    speed: float = 1.0
    rate: float = 0.0
    size: int = 0
    seed: int | None = None
    statistics: float = STATISTICS_S


class Publisher:
    """One publisher with its own connection to NATS. Messages due while NATS is not connected are skipped."""

    def __init__(self, url: str, plan: PublishPlan) -> None:
        self.published: Counter[str] = Counter()
        self.skipped = 0
        self.reconnects = 0
        self.behind = 0  # messages due by `rate` and not sent yet
        self._plan = plan
        self._nats = NatsConnection(url, "wstui-odin-publisher", back=self._count_reconnect)
        self._market = PriceSimulator(plan.tokens, plan.seed)

    async def connect(self) -> None:
        """Connect to NATS, however long it takes."""
        await self._nats.connect()

    async def run(self) -> None:
        """Publish until cancelled, then close the connection."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for period, publish in self._schedule():
                    tasks.create_task(self._every(period / self._plan.speed, publish))
                if self._plan.rate > 0:
                    tasks.create_task(self._at_rate())
        finally:
            await self.close()

    async def close(self) -> None:
        """Flush, and close the connection."""
        self._nats.closing = True
        if self._nats.connected and self._nats.client is not None:
            with contextlib.suppress(Exception):  # NATS may not be connected any more
                await asyncio.wait_for(self._nats.client.flush(), 1.0)
        await self._nats.close()

    def _schedule(self) -> list[tuple[float, Callable[[], Awaitable[None]]]]:
        schedule: list[tuple[float, Callable[[], Awaitable[None]]]] = [
            (TRADE_S, self._publish_trade),
            (BATCH_S, lambda: self._publish("odin.token.batch.update", self._market.batch())),
            (TOKEN_STATISTICS_S, self._publish_token_statistics),
            (MARKET_S, lambda: self._publish("odin.market.statistics", self._market.statistics())),
            (self._plan.statistics * self._plan.speed, self._log_statistics),  # not divided by the speed
        ]
        if "BTC" in self._plan.tokens:
            schedule.append((BTC_PRICE_S, lambda: self._publish_price("BTC", "scheduler")))
        return schedule

    async def _every(self, period: float, publish: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + period
        while True:
            await asyncio.sleep(due - loop.time())
            await publish()
            due += period

    async def _at_rate(self) -> None:
        """Publish on an absolute schedule that catches up, so that the mean rate is exact."""
        loop = asyncio.get_running_loop()
        start, sent = loop.time(), 0
        while True:
            due = int((loop.time() - start) * self._plan.rate) - sent
            now = min(due, AT_ONCE)
            for _ in range(now):
                await self._publish_price(self._market.any_token(), "rate")
            sent += now
            self.behind = due - now
            # A rate that is out of reach must not starve signals and statistics.
            pause = 0.0 if self.behind else max(TICK_S, start + (sent + 1) / self._plan.rate - loop.time())
            await asyncio.sleep(pause)

    async def _publish_trade(self) -> None:
        token = self._market.any_token()
        await self._publish(f"odin.trades.{token}", self._market.trade(token))
        await self._publish_price(token, "trade")

    async def _publish_price(self, token: str, source: str) -> None:
        await self._publish(f"odin.token.{token}.price", self._market.price(token, source))

    async def _publish_token_statistics(self) -> None:
        for token in self._market.tokens:
            await self._publish(f"odin.token.{token}.volume", self._market.volume(token))
            await self._publish(f"odin.token.{token}.holders", self._market.holders(token))

    async def _publish(self, subject: str, message: dict[str, Any]) -> None:
        client = self._nats.client
        if client is None or not client.is_connected:
            self.skipped += 1
            return
        await client.publish(subject, padded(_encode(message), self._plan.size))
        self.published[message["type"]] += 1

    async def _log_statistics(self) -> None:
        _log.info(
            "published",
            extra={
                "total": self.published.total(),
                "by_type": dict(self.published),
                "skipped": self.skipped,
                "behind": self.behind,
                "reconnects": self.reconnects,
            },
        )

    def _count_reconnect(self) -> None:
        self.reconnects += 1


def padded(message: bytes, size: int) -> bytes:
    """Pad a JSON object to `size` bytes with an extra field; return a longer one unchanged."""
    missing = size - len(message) - len(_PADDING) - 1
    if missing < 0:
        return message
    return message[:-1] + _PADDING + b"." * missing + b'"}'
