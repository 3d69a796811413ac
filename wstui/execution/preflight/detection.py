"""Look at a live server and guess what it speaks: what it agrees to, says first, and answers when it is asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import ssl
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException
from websockets.typing import Origin, Subprotocol

from wstui.execution.preflight.advice import for_status
from wstui.execution.preflight.probe import Unreachable
from wstui.load.connect_outcome import cause_of
from wstui.load.tls_failure import fix_of
from wstui.measure.sanitize import sanitize
from wstui.protocols.guess import (
    BEATS,
    CONNECT,
    OFFERED,
    OPENINGS,
    ObservedFrame,
    Opening,
    ProtocolGuess,
    guess,
    guess_by_close,
)
from wstui.protocols.plain import document
from wstui.scenario.conversation.known_dialects import DIALECTS, dialect
from wstui.scenario.secrets import mask_url
from wstui.scenario.url import check_target_url, same_origin, websocket_scheme

_SILENCE_S = 1.0
"""How long a server may take to say something by itself, or to answer."""
_OPEN_S = 5.0
_MOST_FRAMES = 20
_MOST_INFO = 65536
_SUBSCRIBE = "SUBSCRIBE\nid:1\ndestination:/topic/wstui-load\nreceipt:1\n\n\0"
_PLAIN = ("json", "raw", "lines")


@dataclass(frozen=True, slots=True)
class Detection:
    """The protocol of a server, if it was recognised, the URL at which it is spoken, and the Origin that it wants.

    `note` is what else was found on the way.
    """

    url: str
    guess: ProtocolGuess | None
    origin: str = ""
    note: str = ""

    def __str__(self) -> str:
        return f"{self.note}; {self._found()}" if self.note else self._found()

    def _found(self) -> str:
        found = self.guess
        if found is None:
            return "it says nothing by itself, and answers no opening of a protocol that is known here"
        if found.echoes:
            return "it sends back what it gets"
        how = "speaks" if found.certain else "probably speaks"
        options = ", ".join(f"{name} = {json.dumps(value)}" for name, value in found.options.items())
        return f"it {how} {found.protocol}{f' ({options})' if options else ''}: {sanitize(found.why, 200)}"


async def detect(url: str, *, insecure: bool = False, ca_file: str = "") -> Detection:
    """Connect a few times, with an opening of one protocol at most each time. Raises Unreachable."""
    scheme, _, rest = url.partition("://")
    tls = _tls(insecure, ca_file) if scheme.lower() in ("wss", "https") else None
    found = await _recognised(url, scheme, rest, tls)
    guessed = found.guess
    if guessed is None or not guessed.certain:
        return found
    differs: dict[str, Any] = {}
    if guessed.protocol == "stomp" and await _keeps_receipts(found, tls):
        differs = {"receipts": False}
    elif guessed.protocol == "signalr" and not await asyncio.to_thread(_negotiates, found.url, tls):
        differs = {"negotiate": False}
    return replace(found, guess=replace(guessed, options={**guessed.options, **differs}))


async def _keeps_receipts(found: Detection, tls: ssl.SSLContext | None) -> bool:
    """Return whether a broker lets a client in and then sends no RECEIPT, as Spring's own and that of Node."""
    options = found.guess.options if found.guess is not None else {}
    speaks, inside = dialect("stomp", options), bool(options.get("sockjs"))
    is_base = inside and not re.search(r"/websocket/?(\?|$)", found.url)
    address = speaks.address(_session(found.url) if is_base else found.url)
    way = Connecting(tls, Origin(found.origin) if found.origin else None)
    with contextlib.suppress(Unreachable, InvalidHandshake, ConnectionClosed):
        async with _connected(address, way, tuple(speaks.subprotocols())) as connection:
            answers = []
            for frame in (CONNECT, _SUBSCRIBE):
                await connection.send(json.dumps([frame]) if inside else frame)
                answers.append(" ".join(str(data) for _, data in await _receive_until_silent(connection)))
            return "CONNECTED" in answers[0] and not re.search("RECEIPT|ERROR", answers[1])
    return False


def _negotiates(url: str, tls: ssl.SSLContext | None) -> bool:
    """Return whether a hub negotiates, as its clients do by default."""
    (request,) = dialect("signalr", {"negotiate": True}).login(url, {})
    try:
        with urllib.request.urlopen(request["post"], b"", timeout=_OPEN_S, context=tls) as answer:
            return type(document(answer.read(_MOST_INFO))) is dict
    except HTTPError as error:
        return error.code not in (404, 405)
    except (OSError, ValueError, HTTPException):
        return False


async def _recognised(url: str, scheme: str, rest: str, tls: ssl.SSLContext | None) -> Detection:
    """Return what a server shows at the first of its addresses that lets a client in."""
    refusals: list[tuple[str, str]] = []
    is_page = scheme.lower() in ("http", "https")  # as clients of SockJS are given it
    base = f"{websocket_scheme(scheme)}://{rest}" if is_page else check_target_url(url)
    if _below(base) and (found := await _detect_inside(base, tls, refusals)) is not None:
        return found
    url = check_target_url(url)
    # Rails lets in only who names an origin that it knows; some servers take plain frames below the path of SockJS.
    for address, origin in ((url, ""), (url, same_origin(url)), (_below(url), "")):
        way = Connecting(tls, Origin(origin) if origin else None)
        if address and (found := await _detect(address, way, refusals)) is not None:
            return found
    why, fix = refusals[0]
    raise Unreachable(f"{mask_url(url)} lets no WebSocket client in ({why})", fix)


class Connecting(NamedTuple):
    """How to connect."""

    tls: ssl.SSLContext | None
    origin: Origin | None


async def _detect(url: str, way: Connecting, refusals: list[tuple[str, str]]) -> Detection | None:
    """Look at a server; None if it lets nobody in, and why goes to the `refusals`."""
    origin = way.origin or ""
    for address in _addresses(url):
        for offered in (OFFERED, ()):
            try:
                async with _connected(address, way, offered) as connection:
                    if connection.subprotocol == OFFERED[0]:
                        continue  # it agrees to anything
                    received = await _receive_until_silent(connection)
                    found = guess(address, connection.subprotocol or "", received)
                    if received and found is not None and not found.certain and found.protocol in BEATS:
                        found = await _confirmed(connection, found)
            except (InvalidHandshake, ConnectionClosed) as error:
                refusals.append(_refusal(error))
                continue
            if found is None or not found.certain or found.protocol in _PLAIN:
                # What says that it is SockJS takes the openings of others for messages, which its application gets.
                only = found if received and found is not None and found.protocol not in _PLAIN else None
                asked = await _probe_openings(url, way, only)
                if asked is not None:
                    hints = found.options if found is not None and found.protocol == asked.protocol else {}
                    return Detection(url, replace(asked, options={**hints, **asked.options}), origin)
            return Detection(url if found is None or _is_found_at(url, address, found) else address, found, origin)
    return None


async def _detect_inside(url: str, tls: ssl.SSLContext | None, refusals: list[tuple[str, str]]) -> Detection | None:
    """Try a session of SockJS, as its clients do, and the plain WebSocket below its path; None without SockJS."""
    told = await asyncio.to_thread(_sockjs_info, url, tls)
    if told is None:
        return None
    if not told["websocket"]:
        raise Unreachable(
            f"{mask_url(url)} is SockJS without WebSocket (its /info says websocket: false)",
            "let the server offer that transport",
        )
    way = Connecting(tls, None)
    inside = await _detect(_session(url), way, refusals)
    if inside is not None and inside.guess is not None and inside.guess.certain and inside.guess.options.get("sockjs"):
        return Detection(url, inside.guess)
    if (below := _below(url)) and (plain := await _detect(below, way, refusals)) is not None:
        return replace(plain, note="this is SockJS, and what it carries is not STOMP: clients use its plain WebSocket")
    return None if inside is None else Detection(url, inside.guess)


def _session(url: str) -> str:
    path, mark, query = url.partition("?")
    return f"{path.rstrip('/')}/100/{secrets.token_hex(8)}/websocket{mark}{query}"


def _sockjs_info(url: str, tls: ssl.SSLContext | None) -> Mapping[str, Any] | None:
    """Return SockJS's answer at /info below its path, or None if there is none."""
    path, mark, query = url.partition("?")
    address = f"http{path.removeprefix('ws').rstrip('/')}/info{mark}{query}"
    try:
        with urllib.request.urlopen(address, timeout=_OPEN_S, context=tls) as answer:
            found = document(answer.read(_MOST_INFO))
    except (OSError, ValueError, HTTPException):  # HTTPError is an OSError
        return None
    return found if type(found) is dict and "entropy" in found and type(found.get("websocket")) is bool else None


def _is_found_at(url: str, address: str, found: ProtocolGuess) -> bool:
    """Return whether clients of the protocol with this URL connect to the address, at least to its path."""
    own = dialect(found.protocol, found.options).address(url)
    return own == address if found.protocol in _PLAIN else own.partition("?")[0] == address.partition("?")[0]


def _below(url: str) -> str:
    before, mark, query = url.partition("?")
    is_deeper = re.fullmatch(r"\w+://[^/]+/.*[^/]/*", before) and not re.search(r"/websocket/*$", before)
    return f"{before.rstrip('/')}/websocket{mark}{query}" if is_deeper else ""


def _tls(insecure: bool, ca_file: str) -> ssl.SSLContext:
    try:
        tls = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "no certificate in PEM"
        raise Unreachable(
            f"the certificates in {sanitize(ca_file, 200)} can't be used ({why})", "check --ca-file"
        ) from None
    if insecure:
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    return tls


def _addresses(url: str) -> Iterator[str]:
    """The URL, then those at which servers of each protocol listen, if it has no path or lacks a parameter."""
    yield from dict.fromkeys([url, *(dialect(name, {}).address(url) for name in DIALECTS)])


@contextlib.asynccontextmanager
async def _connected(url: str, way: Connecting, offered: tuple[str, ...]) -> AsyncIterator[ClientConnection]:
    """A connection to a server. Raises Unreachable if there is none."""
    names = [Subprotocol(name) for name in offered] or None
    try:
        connection = await connect(
            url,
            ssl=way.tls,
            origin=way.origin,
            subprotocols=names,
            open_timeout=_OPEN_S,
            close_timeout=1,
            max_size=1 << 20,
        )
    except (InvalidHandshake, ConnectionClosed):
        raise
    except ssl.SSLError as error:
        why = cause_of(error).message
        raise Unreachable(f"{mask_url(url)}: {why}", fix_of(why)) from None
    except (OSError, InvalidURI, WebSocketException, EOFError) as error:  # TimeoutError is one
        why = cause_of(error).message if isinstance(error, OSError) and str(error) else sanitize(str(error), 120)
        raise Unreachable(
            f"{mask_url(url)} can't be reached ({why or f'no answer within {_OPEN_S:g} s'})",
            "check the address, and start the server",
        ) from None
    try:
        yield connection
    finally:
        await connection.close()


async def _receive_until_silent(connection: ClientConnection) -> list[ObservedFrame]:
    """Return the messages that a server sends until it falls silent."""
    frames: list[ObservedFrame] = []
    with contextlib.suppress(TimeoutError, ConnectionClosed):
        async with asyncio.timeout(_SILENCE_S):
            while len(frames) < _MOST_FRAMES:
                frames.append((False, await connection.recv()))
    return frames


async def _confirmed(connection: ClientConnection, found: ProtocolGuess) -> ProtocolGuess:
    """Wait for the ping by which a server shows that it speaks what it seems to; without one it is plain JSON."""
    within = BEATS[found.protocol]
    with contextlib.suppress(TimeoutError, ConnectionClosed):
        async with asyncio.timeout(within):
            while True:
                sure = guess("", "", [(False, await connection.recv())])
                if sure is not None and sure.certain and sure.protocol == found.protocol:
                    return sure
    lacks = f"but without the subprotocol of {found.protocol}, and with no ping in {within:g} s"
    return ProtocolGuess("json", f"JSON frames; {found.why}, {lacks}")


async def _probe_openings(url: str, way: Connecting, only: ProtocolGuess | None) -> ProtocolGuess | None:
    """Return the answer to the opening of a protocol, or `only` of this one, if it is one of that protocol."""
    openings = [one for one in OPENINGS if only is None or (one.protocol, one.options) == (only.protocol, only.options)]
    found = await asyncio.gather(*(_answer(url, way, opening) for opening in openings))
    named = next((each for each in found if each is not None and each.protocol not in _PLAIN), None)
    return named or next((each for each in found if each is not None and each.echoes), None)


async def _answer(url: str, way: Connecting, opening: Opening) -> ProtocolGuess | None:
    speaks = dialect(opening.protocol, opening.options)
    offered = tuple(speaks.subprotocols()) if opening.offers else ()
    if "{{" in (address := speaks.address(url)):
        return None  # SockJS, where the URL is not that of a session
    with contextlib.suppress(Unreachable, InvalidHandshake, ConnectionClosed):
        async with _connected(address, way, offered) as connection:
            if offered and not connection.subprotocol:
                return None  # clients do not go on then, nor do browsers
            await connection.send(opening.text)
            received = await _receive_until_silent(connection)
            frames = [frame for frame in received if frame[1] != opening.text]
            if len(frames) < len(received):
                return ProtocolGuess("json", "it sends back what it gets", echoes=True)
            found = guess("", "", frames)
            if found is not None and not found.certain:
                found = None  # that is what it says by itself
            if found is not None and found.protocol == opening.protocol:
                return replace(found, options={**opening.options, **found.options})
            return found or guess_by_close(opening.protocol, type(speaks), connection.close_code)
    return None


def _refusal(error: Exception) -> tuple[str, str]:
    """Return why the server let nobody in, and what to do."""
    if not isinstance(error, InvalidStatus):
        return sanitize(str(error), 120), "check the path and the port"
    status = error.response.status_code
    if status in (401, 403):
        return (
            f"HTTP {status}",
            "give a token in the URL, such as '?token=…', if it takes one there, or say in [auth] who clients are",
        )
    return f"HTTP {status}", "check the path and the port" if status == 404 else for_status(status, {})
