"""A simulated market: prices walk at random, and trades, batches and statistics follow from them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from wstui.odin.odin_messages import nonce, now_ms

_OPENING_PRICES = {
    "BTC": 64_000.0,
    "ETH": 3_200.0,
    "ODIN": 1.5,
    "SOL": 145.0,
    "DOGE": 0.13,
    "USDT": 1.0,
    "BNB": 580.0,
    "XRP": 0.55,
    "ADA": 0.45,
    "MATIC": 0.7,
}
TOKENS = tuple(_OPENING_PRICES)


@dataclass(slots=True)
class _Token:
    name: str
    opened: float
    price: float
    volume: float
    trades: int
    holders: int
    supply: float


class PriceSimulator:
    """The state of all tokens, and the messages about them: each a dict with timestamp, nonce and sequence."""

    def __init__(self, tokens: tuple[str, ...], seed: int | None = None) -> None:
        self.sequence = 0
        self._random = random.Random(seed)
        self._tokens = {name: self._opening(name) for name in tokens}

    @property
    def tokens(self) -> list[str]:
        return list(self._tokens)

    def any_token(self) -> str:
        return self._random.choice(self.tokens)

    def trade(self, name: str) -> dict[str, Any]:
        """Make a trade, which moves the price of its token."""
        token = self._tokens[name]
        token.price = max(1e-6, token.price * (1.0 + self._random.gauss(0.0, 0.002)))
        amount = round(self._random.expovariate(1.0) * 1_000.0 / token.price, 6)
        token.volume += amount * token.price
        token.trades += 1
        return self._stamped(
            "trade:executed",
            tradeId=f"trade-{self._random.getrandbits(48):012x}",
            tokenId=name,
            userId=f"user-{self._random.randrange(1, 1000)}",
            side=self._random.choice(("buy", "sell")),
            price=round(token.price, 6),
            amount=amount,
        )

    def price(self, name: str, source: str) -> dict[str, Any]:
        """Return the price of a token; `source` is "trade", "scheduler" or "rate"."""
        return self._stamped("price:update", **self._quote(self._tokens[name]), source=source)

    def batch(self) -> dict[str, Any]:
        quotes = [self._quote(token) for token in self._tokens.values()]
        return self._stamped("batch:update", updates=quotes, source="scheduler")

    def volume(self, name: str) -> dict[str, Any]:
        token = self._tokens[name]
        return self._stamped(
            "volume:update",
            tokenId=name,
            volume24h=round(token.volume, 2),
            trades24h=token.trades,
            source="scheduler",
        )

    def holders(self, name: str) -> dict[str, Any]:
        """Change and return the number of holders of a token."""
        token = self._tokens[name]
        change = self._random.randint(-5, 20)
        token.holders = max(1, token.holders + change)
        return self._stamped("holder:update", tokenId=name, holders=token.holders, change24h=change, source="scheduler")

    def statistics(self) -> dict[str, Any]:
        """Return the figures of the whole market."""
        tokens = list(self._tokens.values())
        by_change = sorted((self._quote(t) for t in tokens), key=lambda q: float(q["percentChange24h"]))
        return self._stamped(
            "market:stats",
            totalMarketCap=round(sum(t.price * t.supply for t in tokens), 2),
            totalVolume24h=round(sum(t.volume for t in tokens), 2),
            totalTrades24h=sum(t.trades for t in tokens),
            activeTokens=len(tokens),
            topGainers=by_change[::-1][:3],
            topLosers=by_change[:3],
        )

    def _opening(self, name: str) -> _Token:
        price = _OPENING_PRICES.get(name, 1.0)
        return _Token(
            name=name,
            opened=price,
            price=price,
            volume=self._random.uniform(1e5, 1e7),
            trades=self._random.randrange(100, 10_000),
            holders=self._random.randrange(1_000, 100_000),
            supply=self._random.uniform(1e6, 1e9),
        )

    def _quote(self, token: _Token) -> dict[str, Any]:
        change = token.price - token.opened
        return {
            "tokenId": token.name,
            "price": round(token.price, 6),
            "priceChange24h": round(change, 6),
            "percentChange24h": round(100.0 * change / token.opened, 4),
            "volume24h": round(token.volume, 2),
        }

    def _stamped(self, kind: str, **content: Any) -> dict[str, Any]:
        self.sequence += 1
        now = now_ms()
        return {"type": kind, "timestamp": now, "nonce": nonce(now), "sequence": self.sequence, **content}
