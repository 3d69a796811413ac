"""Secrets that servers repeat: in refusals, reasons, types and headers. They stand in clear nowhere."""

from __future__ import annotations

from typing import Any

from tests.servers.server import Connection, switching
from tests.truth.case import Case, failed, passed, unreachable
from tests.truth.case_server import Target, after

SECRET = "s3cr3t-Token-4711"


def auth(send_as: str, token: str = SECRET) -> dict[str, Any]:
    return {"auth": {"kind": "token", "token": token, "send_as": send_as}}


async def refuses_by_name(server: Target, client: Connection, key: bytes) -> bool:
    """Repeat all that it was told."""
    said = client.path + b" " + client.headers.get(b"authorization", b"")
    said += client.headers.get(b"sec-websocket-protocol", b"") + client.headers.get(b"x-api-key", b"")
    said += client.headers.get(b"cookie", b"")
    client.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))
    return False


async def grants_more(server: Target, client: Connection, key: bytes) -> bool:
    client.write(switching(key, b"Sec-WebSocket-Protocol: x-" + client.headers[b"sec-websocket-protocol"]))
    return False


async def redirects(server: Target, client: Connection, key: bytes) -> bool:
    client.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /login?next=" + client.path + b"\r\n\r\n")
    return False


async def tells_reason(server: Target, client: Connection, first: int, payload: bytes) -> None:
    client.close(4001, f"no {client.path.decode()}"[:120])


async def tells_type(server: Target, client: Connection, first: int, payload: bytes) -> None:
    server.send(client, b'{"type":"for %s"}' % client.path)


REFUSED = unreachable("http 401 refused")


def repeated(name: str, **more: Any) -> Case:
    return Case(name, REFUSED, answer=refuses_by_name, hides=(SECRET, SECRET[:10]), **more)


CASES = [
    repeated("a token of the query, repeated by a 401", scenario=auth("query")),
    repeated("a token of a header, repeated by a 401", scenario=auth("header")),
    repeated("a token of a subprotocol, repeated by a 401", scenario=auth("subprotocol")),
    repeated("a token in the URL, repeated by a 401", url="ws://127.0.0.1:{port}/x?token=" + SECRET),
    repeated("a password in the URL", url="ws://user:" + SECRET + "@127.0.0.1:{port}/x"),
    repeated("a user in the URL that is a token", url="ws://" + SECRET + "@127.0.0.1:{port}/x"),
    repeated("a key in a header, repeated by a 401", target={"headers": {"X-Api-Key": SECRET}}),
    repeated("a session in a cookie, repeated by a 401", target={"headers": {"Cookie": f"session={SECRET}"}}),
    Case(
        "a token in a subprotocol that was not asked for",
        unreachable("handshake failed"),
        answer=grants_more,
        scenario=auth("subprotocol"),
        hides=(SECRET,),
    ),
    Case(
        "a token in a redirect",
        unreachable("http 302 refused"),
        answer=redirects,
        scenario=auth("query"),
        hides=(SECRET,),
    ),
    Case(
        "a token in a close reason",
        failed("close 4001 dropped", "timeout unanswered", finding="drops"),
        message=after(2, tells_reason),
        scenario=auth("query"),
        hides=(SECRET,),
        lossy=True,
    ),
    Case(
        "a token in a reason before clients are ready",
        unreachable("close 4001 refused"),
        opened=tells_reason,
        target={"settle": 3.0},
        scenario=auth("query"),
        hides=(SECRET,),
    ),
    Case("a token in the types of messages", passed(), opened=tells_type, scenario=auth("query"), hides=(SECRET,)),
    Case(
        "a token in the first message, in place of the welcome",
        unreachable("connect timeout timed_out"),
        opened=tells_type,
        target={"ready": "welcome", "connect_timeout": 5.0},
        scenario=auth("query"),
        hides=(SECRET,),
    ),
]
