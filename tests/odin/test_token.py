"""Tokens: what is signed is verified, and nothing else is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from wstui.odin.token import DAY_S, KeyUnusable, TokenRefused, Verifier, sign

SECRET = "a secret that is long enough to sign with"


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def claims(**changed: object) -> dict[str, object]:
    now = int(time.time())
    return {"userId": "ann", "iat": now, "exp": now + 3600} | changed


def encoded(part: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")


def refusal(verifier: Verifier, token: str) -> str:
    with pytest.raises(TokenRefused) as refused:
        verifier.verify(token)
    return refused.value.reason


def test_a_signed_token_names_its_user_and_lasts_a_day() -> None:
    token = sign("ann", SECRET, now=1_000)
    content = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False})
    assert content == {"userId": "ann", "iat": 1_000, "exp": 1_000 + DAY_S}
    assert Verifier.by_secret(SECRET).verify(sign("ann", SECRET)) == "ann"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (sign("ann", SECRET, now=time.time() - 2 * DAY_S), "token expired"),
        (jwt.encode(claims(nbf=int(time.time()) + 3600), SECRET), "token not yet valid"),
        (sign("ann", "another secret, just as long as the first one"), "bad signature"),
        (jwt.encode(claims(), 2 * SECRET, algorithm="HS512"), "wrong algorithm"),
        (jwt.encode(claims(), "", algorithm="none"), "wrong algorithm"),
        (jwt.encode({"userId": "ann"}, SECRET), "token without expiry"),
        (jwt.encode(claims(userId=None), SECRET), "token without user"),
        (jwt.encode(claims(userId=["ann"]), SECRET), "token without user"),
        (jwt.encode(claims(userId=True), SECRET), "token without user"),
        (jwt.encode(claims(exp="soon"), SECRET), "malformed token"),
        ("", "malformed token"),
        ("a.b.c", "malformed token"),
        ("ä.ö.ü", "malformed token"),
        ("x" * 10_000, "token too long"),
    ],
    ids=itertools.count(),
)
def test_a_bad_token_is_refused_with_its_reason(token: str, reason: str) -> None:
    assert refusal(Verifier.by_secret(SECRET), token) == reason


@pytest.mark.parametrize("exp", [10**1000, str(1 << 40), (1 << 40) + 0.5])
def test_an_expiry_of_any_size_or_form_is_a_time(exp: object) -> None:
    verifier = Verifier.by_secret(SECRET)
    token = jwt.encode(claims(exp=exp), SECRET)
    assert [verifier.verify(token) for _ in range(2)] == ["ann", "ann"]


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
def test_a_token_without_a_signature_is_refused_however_it_spells_its_algorithm(algorithm: str) -> None:
    token = b".".join((encoded({"alg": algorithm, "typ": "JWT"}), encoded(claims()), b"")).decode()
    assert refusal(Verifier.by_secret(SECRET), token) in ("wrong algorithm", "malformed token", "bad signature")


def test_a_known_token_is_refused_once_it_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = Verifier.by_secret(SECRET)
    token = sign("ann", SECRET, ttl=60)
    assert verifier.verify(token) == "ann"
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    assert refusal(verifier, token) == "token expired"


def test_the_memory_of_known_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wstui.odin.token.TOKENS_KNOWN", 10)
    verifier = Verifier.by_secret(SECRET)
    for number in range(30):
        verifier.verify(sign(f"user {number}", SECRET))
    assert len(verifier._known) == 10


def test_rs256_and_es256_tokens_are_verified_by_a_public_key(rsa_key: rsa.RSAPrivateKey) -> None:
    ec_key = ec.generate_private_key(ec.SECP256R1())
    by_rsa, by_ec = Verifier.by_public_key(pem(rsa_key)), Verifier.by_public_key(pem(ec_key))
    assert by_rsa.verify(jwt.encode(claims(), rsa_key, algorithm="RS256")) == "ann"
    assert by_ec.verify(jwt.encode(claims(), ec_key, algorithm="ES256")) == "ann"
    assert refusal(by_rsa, jwt.encode(claims(), ec_key, algorithm="ES256")) == "wrong algorithm"
    other = rsa.generate_private_key(65537, 2048)
    assert refusal(by_rsa, jwt.encode(claims(), other, algorithm="RS256")) == "bad signature"


def test_a_public_key_used_as_hmac_secret_opens_nothing(rsa_key: rsa.RSAPrivateKey) -> None:
    signed = encoded({"alg": "HS256", "typ": "JWT"}) + b"." + encoded(claims())
    for secret in (pem(rsa_key), pem(rsa_key).strip()):
        signature = base64.urlsafe_b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).rstrip(b"=")
        token = (signed + b"." + signature).decode()
        assert refusal(Verifier.by_public_key(pem(rsa_key)), token) == "wrong algorithm"


@pytest.mark.parametrize(
    "key",
    [
        b"no key at all",
        pem(rsa.generate_private_key(65537, 1024)),
        pem(ec.generate_private_key(ec.SECP384R1())),
    ],
    ids=["garbage", "short RSA", "P-384"],
)
def test_an_unfit_public_key_is_refused_at_once(key: bytes) -> None:
    with pytest.raises(KeyUnusable):
        Verifier.by_public_key(key)


def test_an_empty_secret_verifies_nothing() -> None:
    with pytest.raises(KeyUnusable):
        Verifier.by_secret("")
