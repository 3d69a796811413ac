"""A refused upgrade: the reason, and what the server said about it, fit to be shown."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urldefrag, urljoin

from wstui.load.connect_outcome import Cause, Outcome
from wstui.measure.sanitize import sanitize
from wstui.scenario.errors import BadValue
from wstui.scenario.url import Address, parse_address

REDIRECTS = frozenset((301, 302, 303, 307, 308))
MOST_REDIRECTS = 5
BODY_LIMIT = 4096
_TEXT_LIMIT = 120
_TITLE = re.compile(r"<(title|h1)\b[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<(?:(style|script)\b.*?</\1\s*>|[^>]*>)", re.IGNORECASE | re.DOTALL)

Header = tuple[bytes, bytes]
"""A name in lower case, and its value."""


class Refusal(NamedTuple):
    """Why an attempt did not become a connection."""

    outcome: Outcome
    cause: Cause
    detail: str = ""
    status: int = 0  # of an HTTP answer other than 101
    text: str = ""  # its body in words
    challenge: str = ""  # the scheme that WWW-Authenticate asks for, in lower case
    location: Address | None = None  # of a redirect
    http_1_0: bool = False

    def not_followed(self, same_server: bool) -> Refusal:
        """Return this redirect with the reason why it is not followed."""
        why = f"after {MOST_REDIRECTS} redirects" if same_server else "another server: no token or cookie is sent there"
        return self._replace(detail=" · ".join(filter(None, (why, self.detail))))


def failed(message: str, detail: str = "") -> Refusal:
    """Return the failure of an answer that does not belong to an upgrade request."""
    return Refusal(Outcome.FAILED, Cause("handshake", message), detail)


def refusal_of(uri: Address, line: bytes, fields: Sequence[Header], body: bytes) -> Refusal:
    """Read an answer other than 101: its first line, its headers, and as much of its body as arrived."""
    version, _, rest = line.partition(b" ")
    number, _, reason = rest.partition(b" ")
    values, code = dict(fields), int(number)
    message = f"HTTP {code} {sanitize(reason, 60)}".strip()
    text = _text_of(values, body)
    parts = [text] if text else []
    challenge = sanitize(values.get(b"www-authenticate", b""), 60)
    if challenge:
        parts.insert(0, f"www-authenticate {challenge.split(',')[0]}")
    if retry := values.get(b"retry-after"):
        parts.insert(0, f"retry-after {sanitize(retry, 60)}")
    location = None
    if code in REDIRECTS and (written := values.get(b"location")):
        url, location = _location(uri, written)
        shown = sanitize(url, 160)
        message = f"HTTP {code} to {shown}" + (
            ": set target.url to it" if location else ", which is not a WebSocket server"
        )
    return Refusal(
        Outcome.REFUSED,
        Cause(f"http {code}", message),
        " · ".join(parts),
        status=code,
        text=text,
        challenge=challenge.partition(" ")[0].lower(),
        location=location,
        http_1_0=version == b"HTTP/1.0",
    )


def is_whole(fields: Sequence[Header], body: bytes) -> bool:
    """Return whether enough of a body has arrived to quote it; one of unknown length is taken as it is."""
    values = dict(fields)
    if len(body) >= BODY_LIMIT:
        return True
    if b"chunked" in values.get(b"transfer-encoding", b"").lower():
        return body.endswith(b"0\r\n\r\n")
    length = values.get(b"content-length", b"")
    return not length.isdigit() or len(body) >= int(length[:18])


def _location(uri: Address, written: bytes) -> tuple[str, Address | None]:
    """Return the target of a redirect, as a WebSocket URL if it can be one."""
    try:
        text = written.decode()
    except UnicodeDecodeError:
        text = written.decode("latin-1")
    host = f"[{uri.node}]" if ":" in uri.host else uri.host
    base = f"{'wss' if uri.secure else 'ws'}://{host}:{uri.port}{uri.resource_name}"
    try:
        url = urldefrag(urljoin(base, text)).url
        url = re.sub(r"\Ahttp(s?)(?=://)", r"ws\1", url, count=1, flags=re.IGNORECASE)
        address = parse_address(url) if url.lower().startswith(("ws://", "wss://")) else None
    except (BadValue, ValueError):
        return text, None
    if address is not None and address.origin == uri.origin:
        address = replace(address, username=uri.username, password=uri.password, zone=uri.zone)
    return url if address is not None else text, address


def _text_of(values: dict[bytes, bytes], body: bytes) -> str:
    if values.get(b"content-encoding", b"identity").lower() != b"identity":
        return ""
    if b"chunked" in values.get(b"transfer-encoding", b"").lower():
        body = _joined(body)
    text = body[:BODY_LIMIT].decode("utf-8", "backslashreplace").strip()
    if text.startswith("<") or b"html" in values.get(b"content-type", b"").lower():
        titled = _TITLE.search(text)
        text = html.unescape(_TAG.sub(" ", titled[2] if titled else text))
        text = " ".join(text.split())
    return sanitize(text, _TEXT_LIMIT)


def _joined(body: bytes) -> bytes:
    """Join the chunks of a body that have arrived (RFC 9112 7.1)."""
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        try:
            length = int(size.partition(b";")[0], 16)
        except ValueError:
            break
        if length <= 0:
            break
        whole += rest[:length]
        body = rest[length + 2 :]
    return whole
