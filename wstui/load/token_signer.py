"""Makes a token for each client, good ones and such that no server may accept."""

from __future__ import annotations

import secrets
import time
import warnings

import jwt

from wstui.scenario.token_mix import TokenKind

EXPIRED_FOR_S = 3600
"""Longer than any leeway that a server grants for clocks that differ."""

# The target says whether its secret is long enough; PyJWT would say it again for every token.
warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)


class TokenSigner:
    """Signs with the secret of the target. `ttl_s`: seconds for which a good token is valid."""

    def __init__(self, secret: str, ttl_s: int) -> None:
        self._secret = secret
        self._ttl_s = ttl_s
        self._forger = secrets.token_hex(32)

    def token(self, number: int, kind: TokenKind = "good") -> str:
        """The token of client `number`, "" for a missing one; all of them have the claims of a good one."""
        issued = int(time.time())
        if kind == "expired":
            issued -= EXPIRED_FOR_S + self._ttl_s
        claims = {"userId": f"wstui-{number}", "iat": issued, "exp": issued + self._ttl_s}
        match kind:
            case "missing":
                return ""
            case "wrong_algorithm":
                return jwt.encode(claims, "", algorithm="none")
            case "forged":
                return jwt.encode(claims, self._forger, algorithm="HS256")
            case _:
                return jwt.encode(claims, self._secret, algorithm="HS256")
