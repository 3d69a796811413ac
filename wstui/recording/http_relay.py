"""HTTP through the recording proxy: requests and answers as bytes, with the names of both sides exchanged."""

from __future__ import annotations

import asyncio
import io
import re
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from typing import Any

from wstui.recording.session import Headers, value_of

LARGEST_HEAD = 64 << 10
LARGEST_BODY = 32 << 20
_HOP = frozenset(("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade-insecure-requests"))
_COOKIE_PARTS = re.compile(r";\s*(?:domain=[^;]*|secure)(?=;|$)", re.IGNORECASE)
_TEXT = ("json", "text", "javascript", "xml", "html", "x-www-form-urlencoded")


class BadRequest(Exception):
    """Something that is not HTTP, or too large."""


@dataclass(slots=True)
class RequestHead:
    """A request: its first line and its headers."""

    method: str
    path: str
    headers: Headers
    raw: bytes = field(repr=False, default=b"")

    @property
    def is_upgrade(self) -> bool:
        return "websocket" in value_of(self.headers, "upgrade").lower()

    def bytes(self, headers: Headers, path: str) -> bytes:
        """The request with other headers and path."""
        lines = [f"{self.method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"


async def read_head(reader: asyncio.StreamReader) -> RequestHead | None:
    """Return the next request, None at the end. Raises BadRequest."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise BadRequest(f"a request with more than {LARGEST_HEAD >> 10} KiB of headers") from None
    first, *lines = raw.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1") or not parts[1].startswith("/"):
        raise BadRequest("what a client sent is not an HTTP/1.1 request")
    headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines if line)]
    return RequestHead(parts[0], parts[1], headers, raw)


async def read_body(reader: asyncio.StreamReader, headers: Headers) -> bytes:
    """Return the body of a request. Raises BadRequest."""
    if "chunked" in value_of(headers, "transfer-encoding").lower():
        body = b""
        while size := int((await reader.readline()).split(b";")[0] or b"0", 16):
            if len(body) + size > LARGEST_BODY:
                raise BadRequest(f"a request with more than {LARGEST_BODY >> 20} MiB")
            body += (await reader.readexactly(size + 2))[:-2]
        while (await reader.readline()).strip():
            pass
        return body
    length = value_of(headers, "content-length") or "0"
    if not length.isdigit() or int(length) > LARGEST_BODY:
        raise BadRequest(f"a request with Content-Length {length[:20]}: {LARGEST_BODY >> 20} MiB at most")
    return await reader.readexactly(int(length))


async def read_answer(reader: asyncio.StreamReader, method: str) -> tuple[int, str, Headers, bytes]:
    """Return status, reason, headers and body of an answer that ends with its connection. Raises BadRequest."""
    raw = b""
    while chunk := await reader.read(1 << 16):
        raw += chunk
        if len(raw) > LARGEST_BODY:
            raise BadRequest(f"an answer with more than {LARGEST_BODY >> 20} MiB")
    answer = HTTPResponse(_Socket(raw), method=method)  # type: ignore[arg-type]  # all that it needs of a socket
    try:
        answer.begin()
        return answer.status, answer.reason, answer.getheaders(), answer.read()
    except (HTTPException, ValueError, OSError) as error:
        raise BadRequest(f"the target's answer is not HTTP ({type(error).__name__})") from None


class _Socket:
    """Bytes that read as a socket."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self._raw)


def request_headers(headers: Headers, host: str, ours: str, theirs: str, length: int) -> Headers:
    """The headers of a request as the target gets them: `ours` and `theirs` are the origins of proxy and target."""
    kept = [
        (name, value.replace(ours, theirs) if name.lower() in ("origin", "referer") else value)
        for name, value in headers
        if name.lower() not in _HOP | {"host", "accept-encoding", "content-length"}
    ]
    more = [("Host", host), ("Accept-Encoding", "identity"), ("Connection", "close")]
    return [*more, *kept, *([("Content-Length", str(length))] if length else [])]


def answer_bytes(status: int, reason: str, headers: Headers, body: bytes, ours: str, theirs: str) -> bytes:
    """An answer as the client gets it: its cookies and its redirects are for the proxy."""
    lines = [f"HTTP/1.1 {status} {reason}"]
    for name, value in headers:
        lower = name.lower()
        if lower in _HOP or lower in ("content-length", "strict-transport-security"):
            continue
        if lower == "set-cookie":
            value = _COOKIE_PARTS.sub("", value)
        elif lower == "location" and value.startswith(theirs):
            value = ours + value.removeprefix(theirs)
        lines.append(f"{name}: {value}")
    lines += [f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


def body_text(body: bytes, headers: Headers) -> str:
    """Return a body as text, "" if it is none."""
    kind = value_of(headers, "content-type").lower()
    return body.decode("utf-8", "replace") if not kind or any(word in kind for word in _TEXT) else ""
