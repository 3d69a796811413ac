"""JSON Web Tokens: signs the ones that `wstui token` prints, and verifies the ones that clients bring."""

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
LATEST = 1 << 53  # a time after every other: no float of the clock passes it

# The server says once at its start that a secret is short; PyJWT would say it again for every token.
warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)


class TokenRefused(Exception):
    """A token that does not let its bearer in; `reason` is one short, stable phrase."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeyUnusable(ValueError):
    """A key that can't verify anything; the message says why."""


def sign(user: str, secret: str, ttl: float = DAY_S, now: float | None = None) -> str:
    """An HS256 token with the claims userId, iat and exp.

    Args: user: who; secret: the key; ttl: seconds of validity; now: epoch seconds of issue, else the clock's.
    """
    issued = time.time() if now is None else now
    claims = {"userId": user, "iat": int(issued), "exp": int(issued + ttl)}
    return jwt.encode(claims, secret, algorithm="HS256")


class Verifier:
    """Verifies tokens with one key and the algorithm that belongs to it, never the one a token asks for.

    A check costs about 100 µs, more than the whole handshake, and load often brings one token many times: the
    latest good ones are remembered (by their digest) until they expire.
    """

    def __init__(self, key: Any, algorithm: str) -> None:
        self.algorithm = algorithm
        self._key = key
        self._known: OrderedDict[bytes, tuple[str, int]] = OrderedDict()

    @classmethod
    def by_secret(cls, secret: str) -> Self:
        """A verifier of HS256 tokens. Raises: KeyUnusable: the secret is empty."""
        if not secret:
            raise KeyUnusable("the JWT secret is empty; set JWT_SECRET")
        return cls(secret, "HS256")

    @classmethod
    def by_public_key(cls, pem: bytes) -> Self:
        """A verifier of RS256 tokens (RSA key) or ES256 tokens (P-256 key). Raises: KeyUnusable."""
        try:
            key = load_pem_public_key(pem)
        except ValueError as error:
            raise KeyUnusable(
                "not a public key in PEM form; `openssl pkey -in KEY -pubout` makes one of a private key"
            ) from error
        if isinstance(key, rsa.RSAPublicKey):
            if key.key_size < 2048:
                raise KeyUnusable(f"an RSA key of {key.key_size} bits is too short; use 2048 or more")
            return cls(key, "RS256")
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            return cls(key, "ES256")
        raise KeyUnusable("only RSA keys (RS256) and P-256 keys (ES256) are known")

    def verify(self, token: str) -> str:
        """The user that the token names (claim userId, else sub).

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


def make_verifier(public_key: str, secret: str) -> Verifier:
    """The verifier by the public key (PEM) if there is one, else by the secret. Raises: KeyUnusable."""
    return Verifier.by_public_key(public_key.encode()) if public_key else Verifier.by_secret(secret)
