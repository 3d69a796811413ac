"""The way in, word by word: what is asked, what answers are taken, and what a refusal is called by probe and engine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.execution.running import finish, scenario
from tests.load.leading import spec
from tests.servers.failing_handshake import Mumbling, Refusing, WrongKey
from tests.servers.server import Connection, Server, switching
from wstui.execution.preflight.first_message import one_reply
from wstui.execution.preflight.probe import Unreachable, probe
from wstui.load.connect_outcome import Outcome
from wstui.load.credentials import Credentials
from wstui.load.handshake import Accepted, Upgrade
from wstui.load.identity import Identity
from wstui.load.refusal import Refusal
from wstui.scenario.model import Auth, Scenario
from wstui.scenario.url import parse_address

TOKEN = Auth(kind="token", token="s3cr3t", send_as="header")  # type: ignore[arg-type]


class Scripted(Server):
    """Answers with these pieces, each in a packet of its own; {key} stands for the answer that accepts."""

    pieces: tuple[bytes, ...] = ()

    async def answer(self, client: Connection, key: bytes) -> bool:
        for piece in self.pieces:
            client.write(piece.replace(b"{key}", switching(key)))
            await client.writer.drain()
            await asyncio.sleep(0.02)
        return True


async def both(server: Server, **settings: Any) -> tuple[str, str]:
    """What the first client of either implementation says is wrong, "" when it got in and was answered."""
    async with server:
        asked = scenario(server.url, timeout=5.0, **{"connect_timeout": 5.0, **settings})
        return await tried(asked)


async def tried(asked: Scenario) -> tuple[str, str]:
    told = ""
    try:
        told = (await probe(asked)).warning
    except Unreachable as error:
        told = str(error)
    return told, (await one_reply(asked)).missing


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{key}",),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLi", b"nk: </a>\r\n\r\n", b"{key}"),
        (b"HTTP/1.1 102 Processing\r\nX: " + b"y" * 9000 + b"\r\n\r\n" + b"{key}",),
    ],
)
async def test_informational_answers_before_the_upgrade_are_skipped(pieces: tuple[bytes, ...]) -> None:
    assert await both(Scripted(pieces=pieces)) == ("", "")


async def test_informational_answers_without_end_are_bounded() -> None:
    for told in await both(Scripted(pieces=(b"HTTP/1.1 102 Processing\r\nX: abc\r\n\r\n" * 3000,))):
        assert "64 KiB" in told and "informational" in told


class Wordy(Server):
    """Accepts with many more headers than anybody needs."""

    more: tuple[bytes, ...] = ()

    async def answer(self, client: Connection, key: bytes) -> bool:
        client.write(switching(key, *self.more))
        return True


async def test_long_lines_and_many_headers_are_taken_up_to_64_kib() -> None:
    cookies = tuple(b"Set-Cookie: a%d=b" % number for number in range(1500))
    for more in ((b"X-Long: " + b"a" * 60_000,), cookies):
        assert await both(Wordy(more=more)) == ("", "")
    for told in await both(Wordy(more=(b"X-Long: " + b"a" * 66_000,))):
        assert "larger than 64 KiB" in told and "X-Long" in told


async def test_a_subprotocol_is_granted_as_browsers_want_it() -> None:
    for told in await both(Scripted(pieces=(b"{key}",)), subprotocols=["chat.v1"]):
        assert "no subprotocol was granted" in told and "chat.v1" in told
    for offered in ([], ["chat.v1"]):
        for told in await both(Wordy(more=(b"Sec-WebSocket-Protocol: chat.v9",)), subprotocols=offered):
            assert "not asked for" in told and "chat.v9" in told
    assert await both(Server(), subprotocols=["chat.v1"]) == ("", "")
    own = Auth(kind="token", token="s3cr3t", send_as="subprotocol")  # type: ignore[arg-type]
    assert await both(Server(), auth=own) == ("", "")
    for told in await both(Scripted(pieces=(b"{key}",)), auth=own):
        assert "no subprotocol was granted" in told and "s3cr3t" not in told


async def test_what_a_wrong_answer_holds_of_the_key_is_not_repeated() -> None:
    for told in await both(WrongKey()):
        assert "Sec-WebSocket-Accept of the answer is wrong" in told


class Redirecting(Server):
    """Sends clients on, and lets in who comes to /there."""

    status = b"302 Found"
    to = b"/there"

    async def answer(self, client: Connection, key: bytes) -> bool:
        if client.path.startswith(b"/there"):
            return await super().answer(client, key)
        client.write(b"HTTP/1.1 " + self.status + b"\r\nLocation: " + self.to + b"\r\nContent-Length: 0\r\n\r\n")
        return False


async def test_a_redirect_names_where_it_leads() -> None:
    for to, words, grouped in (
        (b"/there", "/there: set target.url to it", ""),
        (b"https://other.example/x?y=1#z", "wss://other.example/x?y=1: ", "wss://other.example/x?y=…: set target.url"),
        (
            b"https://other.example/in/7f3a-1/x",
            "wss://other.example/in/7f3a-1/x: ",
            "wss://other.example/…: set target.url",
        ),
        (b"mailto:nobody", "mailto:nobody", ""),
        (b"http://[broken/", "http://[broken/", ""),
    ):
        server = Redirecting(to=to)
        for told, expected in zip(await both(server), (words, grouped or words), strict=True):
            assert "HTTP 302 to " in told and expected in told and "socket" not in told
        assert not server.upgraded


async def test_a_redirect_is_followed_to_the_same_server_when_asked() -> None:
    server = Redirecting(status=b"308 Permanent Redirect", to=b"/there?a=b")
    assert await both(server, follow_redirects=True, auth=TOKEN) == ("", "")
    assert server.paths == [b"/ws", b"/there?a=b"] * 2
    assert all(b"Authorization: Bearer s3cr3t\r\n" in head for head in server.heads)
    async with Redirecting() as server:
        finished = await finish(scenario(server.url, clients=6, hold=0.5, follow_redirects=True))
        assert (finished.counters.attempted, finished.counters.ready) == (6, 6)
        assert finished.counters.matched == finished.counters.sent > 0
        assert server.accepted == 12 and server.upgraded == 6


async def test_a_redirect_is_never_followed_to_another_server_nor_in_a_circle() -> None:
    async with Server() as other:
        server = Redirecting(to=b"http://127.0.0.1:%d/there" % other.port)
        for told in await both(server, follow_redirects=True, auth=TOKEN):
            assert f"ws://127.0.0.1:{other.port}/there" in told and "set target.url to it" in told
        assert not other.accepted
    circle = Redirecting(to=b"/ws")
    for told in await both(circle, follow_redirects=True):
        assert "HTTP 302" in told
    assert circle.accepted == 12


NGINX = b"<html>\r\n<head><title>%b</title></head>\r\n<body><center><h1>%b</h1></center></body></html>"


async def refused(status: bytes, body: bytes = b"", *headers: bytes, **settings: Any) -> tuple[str, str]:
    return await both(Refusing(status=status, body=body, headers=headers), **settings)


@pytest.mark.parametrize(
    ("status", "title", "advice"),
    [
        (b"400 Bad Request", b"400 The plain HTTP request was sent to HTTPS port", "wss://"),
        (b"400 Bad Request", b"Client sent an HTTP request to an HTTPS server.\n", "wss://"),
        (b"400 Bad Request", b"400 No required SSL certificate was sent", "target.cert_file"),
        (b"502 Bad Gateway", b"502 Bad Gateway", "the server behind it did not"),
        (b"504 Gateway Time-out", b"504 Gateway Time-out", "the server behind it did not"),
    ],
)
async def test_an_answer_in_html_is_told_by_its_title(status: bytes, title: bytes, advice: str) -> None:
    body = title if title.endswith(b"\n") else NGINX % (title, title)
    told, engine = await refused(status, body)
    assert title.decode().strip() in told and advice in told and "<" not in told
    assert status.decode() in engine


async def test_a_body_may_come_later_in_chunks_and_holds_nothing_that_a_terminal_obeys() -> None:
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = [
        b"%x\r\n%b\r\n" % (len(chunk), chunk)
        for chunk in (b"<html><title>no &amp; never\x1b", b"[2J</title></html>", b"")
    ]
    pieces = (head, *chunks)
    told, _ = await both(Scripted(pieces=pieces))
    assert "no & never\\x1b[2J" in told
    # One whose body never comes is refused all the same, by both.
    stalled = Mumbling(words=b"HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\n")
    for told in await both(stalled, connect_timeout=0.3):
        assert "403" in told


async def test_401_is_answered_by_what_clients_bring_and_servers_ask_for() -> None:
    no = b"401 Unauthorized"
    basic, _ = await refused(no, b"", b'WWW-Authenticate: Basic realm="x"')
    assert "user and a password" in basic and "AUTH_TOKEN" not in basic
    odin, _ = await refused(no)
    other, _ = await refused(no, exchange="echo")
    assert "AUTH_TOKEN" in odin and "wstui token" in odin
    assert "AUTH_TOKEN" in other and "wstui token" not in other
    cookie, _ = await refused(no, headers={"Cookie": "session=s3cr3t"})
    assert "target.headers.Cookie" in cookie and "AUTH_TOKEN" not in cookie and "s3cr3t" not in cookie
    async with Refusing(status=no) as server:
        url = server.url.replace("ws://", "ws://user:pw4711@")
        user, _ = await tried(scenario(url, connect_timeout=5.0))
        query, _ = await tried(scenario(f"{server.url}?token=s3cr3t", connect_timeout=5.0))
    assert "user and password in target.url" in user and "pw4711" not in user
    assert "the token in target.url" in query and "s3cr3t" not in query
    signed = Auth(kind="jwt", secret="x" * 32)  # type: ignore[arg-type]
    assert "JWT_SECRET" in (await refused(no, auth=signed))[0]


class Eventful(Server):
    """Its welcome has its kind under another key."""

    async def opened(self, client: Connection) -> None:
        client.say(event="connected", token="eyJhbGciOi.eyJ1c2VyIjoi.c2lnbmF0dXJl", more="\x1b[2J" + "x" * 500)


async def test_what_came_in_place_of_the_welcome_is_quoted() -> None:
    told, _ = await both(Eventful(), connect_timeout=0.5, welcome="connected")
    assert '{"event":"connected"' in told and "`type`" in told
    assert "eyJhbG" not in told and "\x1b" not in told and len(told) < 600
    async with Eventful() as server:
        finished = await finish(scenario(server.url, clients=2, hold=1.0, connect_timeout=0.5, welcome="connected"))
    assert "no message had 'connected' as its type" in finished.messages[0]
    assert '{"event":"connected"' in finished.details[0]


def request_of(url: str, **settings: Any) -> list[str]:
    made = spec(url, **settings)
    upgrade = Credentials(made.connect, made.auth).upgrade(Identity(0))
    return upgrade.request().decode("latin-1").split("\r\n")


def test_the_request_names_each_header_once_and_the_scenarios_own_replaces_ours() -> None:
    lines = request_of(
        "ws://127.0.0.1:8080/",
        headers=[("hOST", "ws.example.com"), ("ORIGIN", "https://a.example"), ("X-Name", "Zoë")],
        origin="https://b.example",
    )
    names = [line.partition(":")[0].lower() for line in lines[1:-2]]
    assert len(names) == len(set(names))
    assert lines[1] == "hOST: ws.example.com" and "ORIGIN: https://a.example" in lines and "X-Name: Zoë" in lines


@pytest.mark.parametrize(
    ("url", "request_line", "host"),
    [
        ("ws://h:81/caf%C3%A9/ü?q=a%20b", "/caf%C3%A9/%C3%BC?q=a%20b", "h:81"),
        ("ws://h/100%/a|b?q=%zz", "/100%25/a%7Cb?q=%25zz", "h"),
        ("ws://straße.example/", "/", "xn--strae-oqa.example"),
        ("ws://stra%C3%9Fe.example?x", "/?x", "xn--strae-oqa.example"),
        ("wss://[::1%25lo]:18901/", "/", "[::1]:18901"),
        ("wss://[fe80::1%eth0]/", "/", "[fe80::1]"),
    ],
)
def test_a_url_goes_over_the_wire_as_it_is_meant(url: str, request_line: str, host: str) -> None:
    lines = request_of(url)
    assert lines[0] == f"GET {request_line} HTTP/1.1"
    assert lines[1] == f"Host: {host}"


def test_a_token_in_the_query_is_encoded_once() -> None:
    line = request_of("ws://h/r%C3%A4um/ä?x=%2F", kind="token", token="a b/%41ü", send_as="query")[0]
    assert line == "GET /r%C3%A4um/%C3%A4?x=%2F&token=a+b%2F%2541%C3%BC HTTP/1.1"


def test_a_user_without_a_password_has_an_empty_one() -> None:
    assert "Authorization: Basic dXNlcjo=" in request_of("ws://user@h/")  # user:
    assert "Authorization: Basic ZMO8OnA6cQ==" in request_of("ws://d%C3%BC:p%3Aq@h/")  # dü:p:q


async def test_localhost_is_reached_with_a_zone_that_host_does_not_name() -> None:
    async with Server(host="::1") as server:
        assert await tried(scenario(f"ws://[::1%25lo]:{server.port}/ws")) == ("", "")
    assert all(f"Host: [::1]:{server.port}\r\n".encode() in head for head in server.heads)


async def test_what_fails_inside_a_client_is_never_the_servers_silence() -> None:
    # A scenario is checked before it runs; this one was not.
    unchecked = Auth.model_construct(kind="token", token=TOKEN.token.__class__("s3\ncr3t"), send_as="header")
    async with Server() as server:
        asked = scenario(server.url).model_copy(update={"auth": unchecked})
        told, engine = await tried(asked)
        finished = await finish(scenario(server.url, clients=3, hold=0.3).model_copy(update={"auth": unchecked}))
    assert "on this machine" in told and "Authorization" in told and "cr3t" not in told + engine
    assert finished.failures == {"internal": 3} and finished.counters.failed == 3
    assert finished.result.failures[0].local and "cr3t" not in finished.result.to_json()


def upgrade(**settings: Any) -> Upgrade:
    given = {"headers": [], "origin": None, "extensions": None, "subprotocols": [], "max_size": 1, **settings}
    return Upgrade(parse_address("ws://h/"), **given)


def test_requests_of_clients_alike_differ_in_the_key_alone() -> None:
    first, second = (upgrade().request().split(b"\r\n") for _ in range(2))
    assert {a.partition(b":")[0] for a, b in zip(first, second, strict=True) if a != b} == {b"Sec-WebSocket-Key"}
    own = upgrade(headers=[("Sec-WebSocket-Key", "mine")]).request()
    assert own.count(b"Sec-WebSocket-Key: ") == 1 and b"Sec-WebSocket-Key: mine\r\n" in own
    assert b"mine" not in upgrade().request()


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_an_answer_may_be_cut_anywhere(size: int) -> None:
    asking = upgrade()
    key = next(line[19:] for line in asking.request().split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key: "))
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" + switching(key)
    cuts = [asking.read(answer[at : at + size]) for at in range(0, len(answer), size)]
    assert cuts[:-1] == [None] * (len(cuts) - 1) and isinstance(cuts[-1], Accepted)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"\x15\x03\x01\x00\x02\x02\x46", "TLS"),
        (b"HTTP/1.0 101 Switching Protocols\r\n\r\n", "HTTP/1.0"),
        (b"HTTP/1.1 101 Switching Protocols\r\nno header\r\n\r\n", "no header"),
        (b"HTTP/1.1 1 x\r\n\r\n", "no status"),
        (b"HTTP/1.1\r\n\r\n", "no status"),
    ],
)
def test_an_answer_that_is_none_is_told_as_such(answer: bytes, words: str) -> None:
    read = upgrade().read(answer)
    assert isinstance(read, Refusal) and read.outcome is Outcome.FAILED
    assert words in read.cause.message + read.detail
