"""Hides secrets wherever a URL, a header, an error or a scenario is shown, logged or stored."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"

_SECRET_WORD = (
    r"(?:[\w.\-\[\]%]*(?:token|secret|passw(?:or)?d|passphrase|credential|signature|apikey|api[_-]key|access[_-]key"
    r"|session|authorization|bearer)[\w.\-\[\]%]*|auth|jwt|key|pass|pwd|sid|sig|ticket|otp)"
)
_QUERY_VALUE = re.compile(rf"(?P<name>(?<=[?&;]){_SECRET_WORD}=)(?P<value>[^&;#\s\"'<>]*)", re.IGNORECASE)
# everything up to the last @ before the path: a password may hold an @ of its own
_USERINFO = re.compile(r"(?P<scheme>(?<![\w+.\-])[a-z][a-z0-9+.\-]*://)(?P<value>[^/?#\s\"'<>]*)@", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*)?")
_SCHEME = re.compile(r"\b(?P<name>Bearer|Basic)\s+(?P<value>[\w.~+/=\-]{4,})", re.IGNORECASE)
_CREDENTIAL_FREE = re.compile(r"(?:(?:Bearer|Basic|Digest|Token|ApiKey)\s*)?|(?:[\w.-]+=[;,\s]*)+", re.IGNORECASE)
_SECRET_HEADER = re.compile(
    r"authorization|cookie|token|secret|passw|credential|session|signature|api-?_?key|access-?_?key|^x-.*key$|^key$",
    re.IGNORECASE,
)


def mask_url(url: str) -> str:
    """The URL without its user, password, and token-like query values."""
    text = _USERINFO.sub(rf"\g<scheme>{MASK}@", url)
    text = _QUERY_VALUE.sub(lambda match: match["name"] + (MASK if match["value"] else ""), text)
    return _JWT.sub(MASK, text)


def mask_text(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the given secrets (also percent-encoded), and without whatever looks like one."""
    known = [secret for secret in secrets if secret]
    forms = {form for secret in known for form in (secret, quote(secret, safe=""), quote_plus(secret))}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    text = mask_url(text)
    return _SCHEME.sub(lambda match: f"{match['name']} {MASK}", text)


def is_secret_header(name: str) -> bool:
    """Whether a header of this name carries a secret: Authorization, Cookie, X-Api-Key and their kind."""
    return _SECRET_HEADER.search(name) is not None


def is_credential_free(header_value: str) -> bool:
    """Whether a secret header's value says nothing secret: "", "Bearer ", "session="."""
    return _CREDENTIAL_FREE.fullmatch(header_value) is not None


def secrets_in_url(url: str) -> list[str]:
    """The passwords and token-like values in a URL, as they are written in it."""
    found = [match["value"] for match in _QUERY_VALUE.finditer(url)]
    for match in _USERINFO.finditer(url):
        user, colon, password = match["value"].partition(":")
        found.append(password if colon else user)
    return [value for value in [*found, *_JWT.findall(url)] if value]


def replace_secrets(url: str, token: str, password: str) -> str:
    """The URL with other texts where its tokens and its password stand; a user name stays."""

    def userinfo(match: re.Match[str]) -> str:
        user, colon, _ = match["value"].partition(":")
        return f"{match['scheme']}{user}:{password}@" if colon else f"{match['scheme']}{token}@"

    url = _USERINFO.sub(userinfo, url)
    url = _QUERY_VALUE.sub(lambda match: match["name"] + (token if match["value"] else ""), url)
    return _JWT.sub(lambda _: token, url)
