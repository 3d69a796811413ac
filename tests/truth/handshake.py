"""Servers that go wrong before a client is ready."""

from __future__ import annotations

from tests.servers.server import Connection
from tests.truth.case import Case, failed, passed, unreachable
from tests.truth.case_server import (
    Target,
    changed,
    closes,
    cut,
    every_other,
    hangs_up,
    http,
    reset,
    resets,
    says,
    sends,
    silent,
    switched,
)

SOON = {"connect_timeout": 0.6}
SURELY = {"connect_timeout": 5.0}
"""Where some clients are answered, which may take a while on a busy machine."""
SETTLING = {"settle": 3.0}
"""Long enough for what comes at once to come before clients are ready."""
HTML = b"<html><head><title>Access denied by policy</title></head><body><h1>no</h1></body></html>"


def refused(status: str, *words: str, headers: tuple[bytes, ...] = (), body: bytes = b"") -> Case:
    code = status.partition(" ")[0]
    return Case(
        f"HTTP {status} to everyone",
        unreachable(f"http {code} refused"),
        answer=http(status, *headers, body=body),
        says=(f"HTTP {code}", *words),
    )


async def moved(server: Target, client: Connection, key: bytes) -> bool:
    to_there = http("307 Temporary Redirect", b"Location: /there")
    return await (switched() if client.path == b"/there" else to_there)(server, client, key)


def wrong(name: str, answer: object, *words: str, **more: object) -> Case:
    return Case(name, unreachable("handshake failed"), answer=answer, says=words, **more)  # type: ignore[arg-type]


CASES = [
    refused("400 Bad Request"),
    refused("401 Unauthorized", "user and a password", headers=(b'WWW-Authenticate: Basic realm="x"',)),
    refused("403 Forbidden", "Access denied by policy", headers=(b"Content-Type: text/html",), body=HTML),
    refused("404 Not Found", "path in target.url"),
    refused("405 Method Not Allowed"),
    refused("426 Upgrade Required", headers=(b"Sec-WebSocket-Version: 8",)),
    refused("429 Too Many Requests", "retry-after 7", headers=(b"Retry-After: 7",)),
    refused("500 Internal Server Error", "look in its log"),
    refused("502 Bad Gateway", "server behind it"),
    refused("503 Service Unavailable"),
    refused("504 Gateway Timeout", "server behind it"),
    refused("302 Found", "set target.url to it", "to ws://127.0.0.1", headers=(b"Location: /other",)),
    refused("301 Moved Permanently", "not a WebSocket server", headers=(b"Location: mailto:a@b",)),
    refused("200 OK", "WebSocket endpoint", body=b"hello"),
    Case(
        "HTTP 503 to every other client",
        failed("http 503 refused", finding="refusals"),
        answer=every_other(http("503 Service Unavailable")),
        says=("connect.success was 50 %",),
    ),
    Case(
        "HTTP 429 to every other client",
        failed("http 429 refused", finding="rate limit"),
        answer=every_other(http("429 Too Many Requests")),
        more=("rate_limited",),
    ),
    Case("no answer to any upgrade", unreachable("connect timeout timed_out"), answer=silent, target=SOON),
    Case(
        "no answer to every other upgrade",
        failed("connect timeout timed_out", finding="slow accept"),
        answer=every_other(silent),
        target={"connect_timeout": 1.5},
        says=("no answer to the upgrade",),
    ),
    Case(
        "half an answer, and then nothing",
        unreachable("connect timeout timed_out"),
        answer=says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webs", stays=True),
        target=SURELY,
    ),
    wrong("closed before the answer", hangs_up, "before the answer"),
    Case("reset before the answer", unreachable("reset failed"), answer=resets),
    wrong("closed in the middle of the answer", says(b"HTTP/1.1 101 Switching Protocols\r\nUpgr")),
    wrong("an answer that is not HTTP", says(b"SSH-2.0-OpenSSH_9.2\r\n", stays=True), "not HTTP"),
    wrong("TLS where plain text was asked", says(b"\x15\x03\x01\x00\x02\x02\x46", stays=True), "wss://"),
    wrong("HTTP/1.0 101", changed(b"HTTP/1.1", b"HTTP/1.0"), "HTTP/1.0"),
    wrong("a status that is none", says(b"HTTP/1.1 abc Weird\r\n\r\n", stays=True), "no status"),
    wrong("101 with a wrong accept key", changed(b"Sec-WebSocket-Accept: ", b"Sec-WebSocket-Accept: A"), "Accept"),
    wrong("101 without an accept key", changed(b"Sec-WebSocket-Accept: ", b"X-Accept: "), "Sec-WebSocket-Accept"),
    wrong("101 without Upgrade", changed(b"Upgrade: websocket", b"X-Nothing: here"), "Upgrade"),
    wrong("101 without Connection", changed(b"Connection: Upgrade", b"Connection: close"), "Connection"),
    wrong("101 to another protocol", changed(b"Upgrade: websocket", b"Upgrade: h2c"), "Upgrade"),
    wrong("101 with a line that is no header", switched(b"this is no header"), "no header"),
    wrong("101 with an extension nobody asked for", switched(b"Sec-WebSocket-Extensions: x-zip"), "xtension"),
    wrong("a subprotocol nobody asked for", switched(b"Sec-WebSocket-Protocol: chat.v9"), "chat.v9"),
    wrong("a subprotocol not granted", switched(), "no subprotocol", target={"subprotocols": ["chat.v1"]}),
    wrong("a header of more than 64 KiB", switched(b"X-Long: " + b"a" * 70_000), "64 KiB", "X-Long"),
    wrong("1xx without end", says(b"HTTP/1.1 102 Processing\r\n\r\n" * 3000, stays=True), "informational"),
    Case("103 before the 101", passed(), answer=switched(before=b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")),
    Case("a header line of 60 KiB", passed(), answer=switched(b"X-Long: " + b"a" * 60_000)),
    Case("1500 headers", passed(), answer=switched(*(b"Set-Cookie: a%d=b" % n for n in range(1500)))),
    Case(
        "a redirect that is followed",
        passed(),
        answer=moved,
        target={"follow_redirects": True},
        uncounted=True,
    ),
    Case(
        "closed with 1008 at once",
        unreachable("close 1008 refused"),
        opened=closes(1008, "not you"),
        target=SETTLING,
        says=("not you",),
    ),
    Case(
        "closed with 1013 at once",
        unreachable("close 1013 refused"),
        opened=closes(1013, "try again later"),
        target=SETTLING,
    ),
    Case("reset after the 101", unreachable("reset failed"), opened=reset, target=SETTLING),
    Case("closed after the 101 without a close frame", unreachable("reset failed"), opened=cut, target=SETTLING),
    Case(
        "no welcome",
        unreachable("connect timeout timed_out"),
        target={"ready": "welcome", **SURELY},
        says=("no welcome within",),
    ),
    Case(
        "another first message than the welcome",
        unreachable("connect timeout timed_out"),
        opened=sends(b'{"event":"connected"}'),
        target={"ready": "welcome", "welcome": "connected", **SURELY},
        says=('the first was {"event":"connected"}',),
    ),
    Case(
        "the welcome in the packet of the 101",
        passed(),
        answer=switched(behind=b'\x81\x10{"type":"hello"}', said=1),
        target={"ready": "welcome", "welcome": "hello"},
    ),
]
