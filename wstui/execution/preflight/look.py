"""Look at a live server and guess what it speaks: what it agrees to, says first, and answers when it is asked."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException
from websockets.typing import Subprotocol

from wstui.execution.preflight.advice import for_status
from wstui.execution.preflight.probe import Unreachable
from wstui.load.connect_outcome import cause_of
from wstui.load.tls_failure import fix_of
from wstui.measure.sanitize import sanitize
from wstui.protocols.guess import ASKED, OFFERED, ProtocolGuess, Seen, guess, guess_by_close
from wstui.scenario.conversation.known_dialects import DIALECTS, dialect
from wstui.scenario.secrets import mask_url
from wstui.scenario.url import check_target_url

_SILENCE_S = 1.0
"""How long a server may take to say something by itself, or to answer."""
_OPEN_S = 5.0
_MOST_FRAMES = 20
_PLAIN = ("json", "raw", "lines")


@dataclass(frozen=True, slots=True)
class Look:
    """The protocol of a server, if it was recognised, and the URL at which it is spoken."""

    url: str
    guess: ProtocolGuess | None

    def __str__(self) -> str:
        found = self.guess
        if found is None:
            return "it says nothing by itself, and answers no opening of a protocol that is known here"
        if found.echoes:
            return "it sends back what it gets"
        how = "speaks" if found.certain else "probably speaks"
        return f"it {how} {found.protocol}: {sanitize(found.why, 200)}"


async def look(url: str, *, insecure: bool = False, ca_file: str = "") -> Look:
    """Connect a few times, with an opening of one protocol at most each time. Raises Unreachable."""
    url = check_target_url(url)
    tls = _tls(insecure, ca_file) if url.startswith("wss:") else None
    refusals: list[tuple[str, str]] = []
    for address in _addresses(url):
        for offered in (OFFERED, ()):
            try:
                async with _connected(address, tls, offered) as connection:
                    if connection.subprotocol == OFFERED[0]:
                        continue  # it agrees to anything
                    found = guess(address, connection.subprotocol or "", await _heard(connection))
            except (InvalidHandshake, ConnectionClosed) as error:
                refusals.append(_refusal(error))
                continue
            if found is None or not found.certain or found.protocol in _PLAIN:
                asked = await _asked(url, tls)
                if asked is not None:
                    hinted = found is not None and found.protocol == asked.protocol
                    return Look(url, replace(asked, options=found.options) if found and hinted else asked)
            plain = found is not None and dialect(found.protocol, found.options).address(url) == address
            return Look(url if plain or found is None else address, found)
    why, fix = refusals[0]
    raise Unreachable(f"{mask_url(url)} lets no WebSocket client in ({why})", fix)


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
async def _connected(url: str, tls: ssl.SSLContext | None, offered: tuple[str, ...]) -> AsyncIterator[ClientConnection]:
    """A connection to a server. Raises Unreachable if there is none."""
    names = [Subprotocol(name) for name in offered] or None
    try:
        connection = await connect(
            url, ssl=tls, subprotocols=names, open_timeout=_OPEN_S, close_timeout=1, max_size=1 << 20
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


async def _heard(connection: ClientConnection) -> list[Seen]:
    """Return the messages that a server sends until it falls silent."""
    frames: list[Seen] = []
    with contextlib.suppress(TimeoutError, ConnectionClosed):
        async with asyncio.timeout(_SILENCE_S):
            while len(frames) < _MOST_FRAMES:
                frames.append((False, await connection.recv()))
    return frames


async def _asked(url: str, tls: ssl.SSLContext | None) -> ProtocolGuess | None:
    """Return the answer to the opening of a protocol, if it is one of that protocol."""
    found = await asyncio.gather(*(_answer(url, tls, *asked) for asked in ASKED.items()))
    named = next((each for each in found if each is not None and each.protocol not in _PLAIN), None)
    return named or next((each for each in found if each is not None and each.echoes), None)


async def _answer(url: str, tls: ssl.SSLContext | None, protocol: str, opening: str | bytes) -> ProtocolGuess | None:
    kind = dialect(protocol, {})
    offered = tuple(kind.subprotocols()) if isinstance(opening, bytes) else ()
    with contextlib.suppress(Unreachable, InvalidHandshake, ConnectionClosed):
        async with _connected(kind.address(url), tls, offered) as connection:
            await connection.send(opening)
            heard = await _heard(connection)
            frames = [frame for frame in heard if frame[1] != opening]
            if len(frames) < len(heard):
                return ProtocolGuess("json", "it sends back what it gets", echoes=True)
            return guess("", "", frames) or guess_by_close(protocol, type(kind), connection.close_code)
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
