"""Publishes the Odin data to NATS: each type of message at its period, or price updates at a fixed rate."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from wstui.odin.nats_client import NatsLine
from wstui.odin.price_simulator import TOKENS, Market

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
    """What is published.

    `speed` divides every period; `rate` above 0 adds so many price updates a second; `size` is the least number of
    bytes of each message; `seed` makes the market repeatable.
    """

    tokens: tuple[str, ...] = TOKENS
    speed: float = 1.0
    rate: float = 0.0
    size: int = 0
    seed: int | None = None
    statistics: float = STATISTICS_S


class Publisher:
    """One publisher with its own line to NATS. What can't be sent while NATS is gone is skipped, not kept."""

    def __init__(self, url: str, plan: PublishPlan) -> None:
        self.published: Counter[str] = Counter()
        self.skipped = 0
        self.reconnects = 0
        self.behind = 0  # messages that the rate asked for by now, and that are still to be sent
        self._plan = plan
        self._line = NatsLine(url, "wstui-odin-publisher", back=self._back)
        self._market = Market(plan.tokens, plan.seed)

    async def connect(self) -> None:
        """Connect to NATS, however long that takes."""
        await self._line.connect()

    async def run(self) -> None:
        """Publish until cancelled, then close the line."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for period, publish in self._schedule():
                    tasks.create_task(self._every(period / self._plan.speed, publish))
                if self._plan.rate > 0:
                    tasks.create_task(self._at_rate())
                tasks.create_task(self._every(self._plan.statistics, self._log_statistics))
        finally:
            await self.close()

    async def close(self) -> None:
        """Send what is on its way, and close the line."""
        self._line.closing = True
        if self._line.connected and self._line.client is not None:
            with contextlib.suppress(Exception):  # NATS may be gone, and then there is nothing to save
                await asyncio.wait_for(self._line.client.flush(), 1.0)
        await self._line.close()

    def _schedule(self) -> list[tuple[float, Callable[[], Any]]]:
        schedule: list[tuple[float, Callable[[], Any]]] = [
            (TRADE_S, self._publish_trade),
            (BATCH_S, self._publish_batch),
            (TOKEN_STATISTICS_S, self._publish_token_statistics),
            (MARKET_S, self._publish_market),
        ]
        if "BTC" in self._plan.tokens:
            schedule.append((BTC_PRICE_S, lambda: self._publish_price("BTC", "scheduler")))
        return schedule

    async def _every(self, period: float, publish: Callable[[], Any]) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + period
        while True:
            await asyncio.sleep(due - loop.time())
            result = publish()
            if result is not None:
                await result
            due += period

    async def _at_rate(self) -> None:
        """Keep an absolute schedule: what is late is caught up, so that the mean rate is the one asked for."""
        loop = asyncio.get_running_loop()
        start, sent = loop.time(), 0
        while True:
            due = int((loop.time() - start) * self._plan.rate) - sent
            now = min(due, AT_ONCE)
            for _ in range(now):
                await self._publish_price(self._market.any_token(), "rate")
            sent += now
            self.behind = due - now
            # A rate that is more than can be sent must not keep signals and statistics from their turn.
            pause = 0.0 if self.behind else max(TICK_S, start + (sent + 1) / self._plan.rate - loop.time())
            await asyncio.sleep(pause)

    async def _publish_trade(self) -> None:
        token = self._market.any_token()
        await self._publish(f"odin.trades.{token}", self._market.trade(token))
        await self._publish_price(token, "trade")

    async def _publish_price(self, token: str, source: str) -> None:
        await self._publish(f"odin.token.{token}.price", self._market.price(token, source))

    async def _publish_batch(self) -> None:
        await self._publish("odin.token.batch.update", self._market.batch())

    async def _publish_token_statistics(self) -> None:
        for token in self._market.tokens:
            await self._publish(f"odin.token.{token}.volume", self._market.volume(token))
            await self._publish(f"odin.token.{token}.holders", self._market.holders(token))

    async def _publish_market(self) -> None:
        await self._publish("odin.market.statistics", self._market.statistics())

    async def _publish(self, subject: str, message: dict[str, Any]) -> None:
        client = self._line.client
        if client is None or not client.is_connected:
            self.skipped += 1
            return
        await client.publish(subject, padded(_encode(message), self._plan.size))
        self.published[message["type"]] += 1

    def _log_statistics(self) -> None:
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

    def _back(self) -> None:
        self.reconnects += 1


def padded(message: bytes, size: int) -> bytes:
    """A JSON object with a field of padding, so that it has `size` bytes; a longer one stays as it is."""
    missing = size - len(message) - len(_PADDING) - 1
    if missing < 0:
        return message
    return message[:-1] + _PADDING + b"." * missing + b'"}'
