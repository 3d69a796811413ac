"""Hide secrets wherever a URL, header, error or scenario is shown, logged or stored."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = "***"

_SECRET_WORD = (
    r"(?:[\w.\-\[\]%]*(?:token|secret|passw(?:or)?d|passphrase|credential|signature|apikey|api[_-]key|access[_-]key"
    r"|session|authorization|bearer)[\w.\-\[\]%]*|auth|jwt|key|pass|pwd|sid|sig|ticket|otp)"
)
_PLACES = r"(?:\{\{(?:[^{}]|\{\{[^{}]*\}\})*\}\})+"  # no secret by themselves
_QUERY_VALUE = re.compile(
    rf"(?P<name>(?<=[?&;]){_SECRET_WORD}=)(?!{_PLACES}(?:[&;#\s\"'<>]|$))(?P<value>[^&;#\s\"'<>]*)", re.IGNORECASE
)
# everything up to the last @ before the path: a password may hold an @ of its own
_USERINFO = re.compile(r"(?P<scheme>(?<![\w+.\-])[a-z][a-z0-9+.\-]*://)(?P<value>[^/?#\s\"'<>]*)@", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*)?")
_SCHEME = re.compile(
    r"\b(?P<name>Bearer|Basic)\s+(?!(?:authentication|credentials|tokens?)\b)(?P<value>[\w.~+/=\-]{4,})", re.IGNORECASE
)
_CREDENTIAL_FREE = re.compile(r"(?:(?:Bearer|Basic|Digest|Token|ApiKey)\s*)?|(?:[\w.-]+=[;,\s]*)+", re.IGNORECASE)
_SECRET_NAME = re.compile(_SECRET_WORD, re.IGNORECASE)
_SECRET_HEADER = re.compile(
    r"authorization|cookie|token|secret|pass(w|code|phrase)|credential|session|signature|^x-.*key$|^key$"
    r"|(api|access|private|signing|encryption|master|account)[-_]?key|(^|[-_.])(jwt|pass|auth|otp)$|[-_.]pwd$",
    re.IGNORECASE,
)


def mask_url(url: str) -> str:
    """Return the URL without its user, password, and token-like query values."""
    text = _USERINFO.sub(rf"\g<scheme>{MASK}@", url)
    text = _QUERY_VALUE.sub(lambda match: match["name"] + (MASK if match["value"] else ""), text)
    return _JWT.sub(MASK, text)


def mask_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text without the given secrets, in whatever form, and without whatever looks like one."""
    return masker(tuple(secrets))(text)


class Masker:
    """Replaces known secrets in texts: as they are, escaped, encoded, or cut off at the end of a text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = list(dict.fromkeys(secret for secret in secrets if secret))
        forms = {_upper(form) for secret in known for form in _forms(secret, few=len(known) > _MANY)}
        self._in_place = _in_place(form for form in forms if len(form) < _WORD)
        self._by_head: dict[str, list[str]] = {}
        for form in forms:
            if len(form) >= _WORD:
                self._by_head.setdefault(form[:_HEAD], []).append(form)
        for longest in self._by_head.values():
            longest.sort(key=len, reverse=True)
        self._lengths = sorted({len(head) for head in self._by_head}, reverse=True)
        self._first = re.compile("|".join({re.escape(head[0]) for head in self._by_head}))
        self._known = functools.lru_cache(maxsize=4096)(self._mask)

    def __call__(self, text: str) -> str:
        return self._known(text)

    def _mask(self, text: str) -> str:
        parts, at, kept, like = [], 0, 0, _upper(text)
        while self._by_head and (begins := self._first.search(like, at)):
            at = begins.start()
            if length := self._found(like, at):
                parts += [text[kept:at], MASK]
                at = kept = at + length
            else:
                at += 1
        text = "".join([*parts, text[kept:]])
        if self._in_place is not None:
            text = self._in_place.sub(rf"\g<place>{MASK}", text)
        return _SCHEME.sub(lambda match: f"{match['name']} {MASK}", mask_url(text))

    def _found(self, text: str, at: int) -> int:
        """Return how many characters from here belong to a secret or to a truncated one."""
        for length in self._lengths:
            for form in self._by_head.get(text[at : at + length], ()):
                if text.startswith(form, at):
                    if len(form) > _WORD or not (_is_word(text, at - 1) or _is_word(text, at + len(form))):
                        return len(form)
                elif length == _HEAD:
                    same = _common(text, at, form)
                    if text[at + same : at + same + 1] in ("", "…"):
                        return same
                    for kept in range(same, max(same - 3, 0), -1):  # the secret may go on with dots
                        if text.startswith("...", at + kept):
                            return kept
        return 0


masker = functools.lru_cache(maxsize=32)(Masker)
"""The masker of a tuple of secrets."""

_ESCAPE = re.compile("%[0-9a-fA-F]{2}")
_HEAD = 4
"""Characters that tell the beginning of a secret in a text that was cut."""
_WORD = 3
"""A secret of this length is masked only as a whole word, a shorter one only after a name that says what it is:
masking every "a" would make the text unreadable.
"""
_PLACE = rf"(?:(?<![\w.%\-]){_SECRET_WORD}[\"']?\s*[=:]\s*[\"']?|\b(?:Bearer|Basic|Token)\s+)"
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""The characters that `measure.sanitize` escapes."""
_MANY = 500
"""With more secrets than this, the rare forms are left out."""


def _in_place(short: Iterable[str]) -> re.Pattern[str] | None:
    """Return what finds these where a name says that they are secrets: token=x, "pin": "x", Bearer x."""
    either = "|".join(sorted(map(re.escape, short), key=len, reverse=True))
    return re.compile(rf"(?P<place>(?i:{_PLACE}))(?:{either})(?!\w)") if either else None


def _upper(text: str) -> str:
    """Return the text with its percent escapes in upper case."""
    return _ESCAPE.sub(lambda match: match[0].upper(), text) if "%" in text else text


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and text[at].isalnum()


def _common(text: str, at: int, form: str) -> int:
    same = 0
    while same < len(form) and text[at + same : at + same + 1] == form[same]:
        same += 1
    return same


def _forms(secret: str, *, few: bool) -> set[str]:
    """Yield every form of a secret in a text: escaped once or twice, percent-encoded, base64 or hex."""
    bare = secret.strip().strip("\ufeff").strip()
    # What no escape changes: a character that cannot be shown cuts the text around it.
    pieces = {piece for piece in "".join(c if c.isprintable() else "\n" for c in secret).split("\n") if len(piece) > 3}
    plain = {secret, bare, *pieces} - {""}
    once = {form for text in plain for form in _escaped(text)}
    if few:
        return once | plain
    found = plain | once | {form for text in once for form in _escaped(text)}
    for text in (secret, bare):
        raw = text.encode("utf-8", "surrogateescape")
        if len(raw) > _HEAD:
            found |= {raw.hex(), raw.hex().upper(), *_base64(raw)}
    return found - {""}


def _escaped(text: str) -> Iterator[str]:
    raw = text.encode("utf-8", "surrogateescape")
    yield "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in _HIDDEN else c for c in text)
    yield "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    yield text.replace("\\", "\\\\").replace('"', '\\"')
    yield repr(text)[1:-1]
    yield repr(f"{text}'")[1:-2]  # in the quotes that repr takes beside an apostrophe
    yield repr(raw)[2:-1]
    yield raw.decode("latin-1")
    yield raw.decode("utf-8", "backslashreplace")
    yield text.encode("ascii", "backslashreplace").decode()
    yield json.dumps(text)[1:-1]
    yield json.dumps(text).replace("/", "\\/")[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    import html  # a large table, and few runs have a secret

    yield html.escape(text)
    yield html.escape(text, quote=False)
    for safe in ("", "/", "~!*'()", ":/?#[]@!$&'()*+,;=%"):
        yield quote(raw, safe=safe)
        yield quote_plus(raw, safe=safe)


def _base64(raw: bytes) -> Iterator[str]:
    """Yield the parts of a secret in base64 that do not depend on the text around it."""
    for shift, start in enumerate((0, 2, 3)):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * shift + raw).decode()[start : (shift + len(raw)) * 8 // 6]


def is_secret_header(name: str) -> bool:
    """Return whether a header of this name carries a secret: Authorization, Cookie, X-Api-Key and their kind."""
    return _SECRET_HEADER.search(name) is not None


SHORT_SECRET = 8
"""A shorter text is not taken for a secret between placeholders, nor in a cookie whose name says nothing."""


def is_credential_free(header_value: str) -> bool:
    """Return whether a secret header's value is harmless: "", "Bearer ", "session=".

    What a few letters and a placeholder make, such as "key-{{client}}", is not a secret either: anyone can count.
    """
    parts = re.split(_PLACES, header_value)
    if len(parts) > 1 and all(len(part) < SHORT_SECRET for part in parts):
        return True
    return _CREDENTIAL_FREE.fullmatch("".join(parts)) is not None


def secrets_in_url(url: str) -> list[str]:
    """Return the passwords and token-like values in a URL, as they are written in it."""
    found = [match["value"] for match in _QUERY_VALUE.finditer(url)]
    for match in _USERINFO.finditer(url):
        user, colon, password = match["value"].partition(":")
        found.append(password if colon else user)
    return [value for value in [*found, *_JWT.findall(url)] if value]


def secrets_in_header(value: str) -> list[str]:
    """Return the parts of a secret header's value that are secrets by themselves: credentials, values of cookies.

    A short value of a cookie whose name says nothing is none: theme=dark, Max-Age=3600.
    """
    scheme, _, rest = value.strip().partition(" ")
    found = [rest.strip()] if _CREDENTIAL_FREE.fullmatch(scheme) else []
    if scheme.lower() == "basic":
        with contextlib.suppress(ValueError):
            found.append(base64.b64decode(rest, validate=True).decode("utf-8", "replace").partition(":")[2])
    for part in value.split(";"):
        name, _, said = (text.strip() for text in part.partition("="))
        if len(said) >= SHORT_SECRET or is_secret_header(name) or _SECRET_NAME.fullmatch(name):
            found.append(said)
    return found


def replace_secrets(url: str, token: str, password: str) -> str:
    """Return the URL with its tokens and password replaced; a user name stays."""

    def userinfo(match: re.Match[str]) -> str:
        user, colon, _ = match["value"].partition(":")
        return f"{match['scheme']}{user}:{password}@" if colon else f"{match['scheme']}{token}@"

    url = _USERINFO.sub(userinfo, url)
    url = _QUERY_VALUE.sub(lambda match: match["name"] + (token if match["value"] else ""), url)
    return _JWT.sub(lambda _: token, url)
