"""Which client brings which kind of token, when a scenario mixes good and bad ones. Pure: decided by client number."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wstui.scenario.token_kind import TOKEN_KINDS, TokenKind
from wstui.scenario.types import TomlTable, Whole

Parts = Annotated[Whole, Field(ge=0, le=100)]


class Mix(TomlTable):
    """How many parts of all clients bring which kind of token: 6 + 1 + 1 + 1 + 1 parts are six clients of every ten."""

    # Without a good one, a server that is down would pass for one that checks tokens.
    good: Annotated[Whole, Field(ge=1, le=100)] = Field(
        default=6, description="parts of all clients with a valid token"
    )
    expired: Parts = Field(default=1, description="parts with a token that expired an hour ago")
    forged: Parts = Field(default=1, description="parts with a token signed with another secret")
    missing: Parts = Field(default=1, description="parts without a token")
    wrong_algorithm: Parts = Field(
        default=1, title="unsigned", description='parts with an unsigned token, "alg": "none" (RFC 8725, 2.1)'
    )

    def pattern(self) -> list[TokenKind]:
        """Return the kinds of clients 0, 1, 2, … up to the sum of the parts; from there on they repeat.

        The kinds take turns, so that a part of the clients has about the same mix. Client 0 has a good token.
        """
        # Smooth weighted round robin, as in nginx: each kind gains its weight, the richest is chosen and pays.
        parts: dict[TokenKind, int] = {kind: getattr(self, kind) for kind in TOKEN_KINDS if getattr(self, kind)}
        credit = dict.fromkeys(parts, 0)
        total = sum(parts.values())
        order: list[TokenKind] = []
        for _ in range(total):
            for kind, count in parts.items():
                credit[kind] += count
            richest = max(credit, key=credit.__getitem__)
            credit[richest] -= total
            order.append(richest)
        first = order.index("good")
        return order[first:] + order[:first]
