"""The kinds of token that a client may bring, without pydantic: workers need them."""

from __future__ import annotations

from typing import Literal, get_args

TokenKind = Literal["good", "expired", "forged", "missing", "wrong_algorithm"]
TOKEN_KINDS: tuple[TokenKind, ...] = get_args(TokenKind)
