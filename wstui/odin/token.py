"""JSON Web Tokens: signs those of `wstui token`, and verifies those of clients."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections import OrderedDict
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

DEVELOPMENT_SECRET = "dev-secret-change-in-production"
DAY_S = 86_400.0
TOKEN_MAX = 4096
TOKENS_KNOWN = 4096
SECRET_MIN = 32
LATEST = 1 << 53  # later than any time of the clock

# The server warns once at startup about a short secret; PyJWT would warn for every token.
warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)


class TokenRefused(Exception):
    """A token that is not accepted; `reason` is a short, stable phrase."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeyUnusable(ValueError):
    """A key that can't verify any token; the message says why."""


def sign(user: str, secret: str, ttl: float = DAY_S, now: float | None = None) -> str:
    """Return an HS256 token with the claims userId, iat and exp.

    Args: ttl: seconds of validity; now: epoch seconds of issue, by default the clock's.
    """
    issued = time.time() if now is None else now
    claims = {"userId": user, "iat": int(issued), "exp": int(issued + ttl)}
    return jwt.encode(claims, secret, algorithm="HS256")


class Verifier:
    """Verifies tokens with one key and the algorithm that belongs to it, never the one that a token names.

    A check costs about 100 µs, more than the whole handshake, and load tests send the same token many times: the
    latest good ones are cached by digest until they expire.
    """

    def __init__(self, key: Any, algorithm: str) -> None:
        self.algorithm = algorithm
        self._key = key
        self._known: OrderedDict[bytes, tuple[str, int]] = OrderedDict()

    @classmethod
    def by_secret(cls, secret: str) -> Self:
        """Return a verifier of HS256 tokens. Raises: KeyUnusable: the secret is empty."""
        if not secret:
            raise KeyUnusable("the JWT secret is empty; set JWT_SECRET")
        return cls(secret, "HS256")

    @classmethod
    def by_public_key(cls, pem: bytes) -> Self:
        """Return a verifier of RS256 tokens (RSA key) or ES256 tokens (P-256 key). Raises: KeyUnusable."""
        try:
            key = load_pem_public_key(pem)
        except ValueError as error:
            raise KeyUnusable(
                "not a public key in PEM form; make one with `openssl pkey -in PRIVATE_KEY -pubout`"
            ) from error
        if isinstance(key, rsa.RSAPublicKey):
            if key.key_size < 2048:
                raise KeyUnusable(f"an RSA key of {key.key_size} bits is too short; use 2048 or more")
            return cls(key, "RS256")
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            return cls(key, "ES256")
        raise KeyUnusable("only RSA keys (RS256) and P-256 keys (ES256) are supported")

    def verify(self, token: str) -> str:
        """Return the user that the token names (claim userId, else sub).

        Raises: TokenRefused: forged, malformed, expired, not yet valid, of another algorithm, or incomplete.
        """
        if len(token) > TOKEN_MAX:
            raise TokenRefused("token too long")
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None:
            if time.time() >= known[1]:
                del self._known[digest]
                raise TokenRefused("token expired")
            self._known.move_to_end(digest)
            return known[0]
        claims = self._decode(token)
        user = claims.get("userId", claims.get("sub"))
        if not isinstance(user, str | int) or isinstance(user, bool) or user == "":
            raise TokenRefused("token without user")
        if len(self._known) >= TOKENS_KNOWN:
            self._known.popitem(last=False)
        self._known[digest] = (str(user), min(int(claims["exp"]), LATEST))
        return str(user)

    def _decode(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(token, self._key, algorithms=[self.algorithm], options={"require": ["exp"]})
        except jwt.ExpiredSignatureError:
            raise TokenRefused("token expired") from None
        except jwt.ImmatureSignatureError:
            raise TokenRefused("token not yet valid") from None
        except jwt.InvalidSignatureError:
            raise TokenRefused("bad signature") from None
        except jwt.InvalidAlgorithmError:
            raise TokenRefused("wrong algorithm") from None
        except jwt.MissingRequiredClaimError:
            raise TokenRefused("token without expiry") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise TokenRefused("malformed token") from None
