"""Networks that fail below WebSocket: TCP, names, TLS."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from cryptography import x509

from tests.servers.server import Connection, frame, switching
from tests.truth.authority import serving
from tests.truth.case import Case, failed, passed, unreachable
from tests.truth.case_server import Target, after, cut, cut_unanswered, later, nothing, reset, some, then, wait, writes

WSS = "wss://127.0.0.1:{port}/{path}"


def tls(name: str, says: str, tls: Any, **more: Any) -> Case:
    return Case(name, unreachable("tls failed"), url=WSS, tls=tls, says=(says,), uncounted=True, **more)


async def drip(server: Target, client: Connection, key: bytes) -> bool:
    for byte in switching(key):
        client.write(bytes((byte,)))
        await asyncio.sleep(0)
    return True


async def slowly(server: Target, client: Connection, key: bytes) -> bool:
    await asyncio.sleep(0.5)
    return await server.switch(client, key)


async def finds_no_http(server: Target, client: Connection, first: int, payload: bytes) -> None:
    await client.reader.read(65536)
    client.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def alerts(code: int, says: str) -> Case:
    """A server that ends the TLS handshake with this alert (RFC 8446, 6.2)."""

    async def act(server: Target, client: Connection, first: int, payload: bytes) -> None:
        await client.reader.read(65536)
        client.write(bytes((0x15, 3, 3, 0, 2, 2, code)))

    return Case(f"TLS alert {code}", unreachable("tls failed"), url=WSS, tcp=act, says=(says,), uncounted=True)


async def hangs_up_in_tls(server: Target, client: Connection, first: int, payload: bytes) -> None:
    await client.reader.read(65536)


async def stops_reading(server: Target, client: Connection, first: int, payload: bytes) -> None:
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]


CASES = [
    Case(
        "nobody listens",
        unreachable("connect failed"),
        url="ws://127.0.0.1:9/{path}",
        uncounted=True,
        says=("connection refused",),
    ),
    Case(
        "another address than the server's",
        unreachable("connect failed"),
        url="ws://127.7.7.7:{port}/x",
        uncounted=True,
    ),
    Case("a name that nobody knows", unreachable("dns failed"), url="ws://nowhere.invalid:{port}/x", uncounted=True),
    Case("TCP is reset before the request is read", unreachable("reset failed"), tcp=reset),
    Case("TCP is closed when the request was read", unreachable("handshake failed"), tcp=cut_unanswered),
    Case(
        "TCP is accepted and nothing is said",
        unreachable("connect timeout timed_out"),
        tcp=wait,
        target={"connect_timeout": 0.6},
    ),
    Case("an answer a byte at a time", passed(), answer=drip),
    Case("a server that takes half a second to answer", passed(), answer=slowly),
    Case(
        "TCP ends within a frame",
        failed("reset dropped", "timeout unanswered", finding="drops"),
        message=after(2, then(writes(frame(0x81, b"half a message")[:6]), cut)),
        lossy=True,
    ),
    Case(
        "TCP is reset within a frame",
        failed("reset dropped", "timeout unanswered", finding="drops"),
        message=after(2, then(writes(frame(0x81, b"half a message")[:6]), reset)),
        lossy=True,
    ),
    Case(
        "every other connection is reset",
        failed("reset dropped", "timeout unanswered", finding="drops"),
        message=after(2, some(reset)),
        lossy=True,
    ),
    Case(
        "the way to the server goes dark",
        failed("timeout unanswered", finding="no replies"),
        message=after(2, then(stops_reading, nothing)),
        messages={"timeout": 0.5},
        target={"close_timeout": 0.3},
        lossy=True,
    ),
    Case("a delay of 300 ms each way", passed(), message=later(0.3)),
    tls("a certificate that nobody has vouched for", "not trusted", serving()),
    tls("a certificate that has expired", "has expired", serving(ended=True), trusts=True),
    tls("a certificate for another name", "another name", serving(name=x509.DNSName("other.example")), trusts=True),
    tls("a client certificate is wanted", "target.cert_file", serving(client=True), trusts=True),
    tls(
        "a client certificate is wanted, over TLS 1.2",
        "target.cert_file",
        serving(client=True, least=ssl.TLSVersion.TLSv1_2),
        trusts=True,
    ),
    alerts(40, "cipher or key type"),
    alerts(48, "target.cert_file"),
    alerts(70, "TLS versions"),
    alerts(80, "ook in the server's log"),
    alerts(112, "heck the host in target.url"),
    alerts(120, "ALPN"),
    Case("TLS is hung up on", unreachable("tls failed"), url=WSS, tcp=hangs_up_in_tls, says=("in the TLS handshake",)),
    Case("TLS is reset", unreachable("tls failed"), url=WSS, tcp=reset, says=("in the TLS handshake",)),
    Case(
        "TLS is not answered",
        unreachable("connect timeout timed_out"),
        url=WSS,
        tcp=wait,
        target={"connect_timeout": 0.6},
        says=("no answer in the TLS handshake",),
    ),
    Case(
        "TLS asked of a server of plain text",
        unreachable("tls failed"),
        url=WSS,
        tcp=finds_no_http,
        says=("s it ws://",),
    ),
    Case("plain text asked of a server of TLS", unreachable("handshake failed"), tls=serving(), uncounted=True),
    Case("any certificate, when told so", passed(), url=WSS, tls=serving(), target={"insecure": True}),
    Case("an authority of one's own", passed(), url=WSS, tls=serving(), trusts=True),
]
