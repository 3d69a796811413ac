"""One real client all the way before the load begins: finds out early what thousands would only repeat."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus, InvalidURI
from websockets.typing import Origin

from wstui.execution.spec import spec_of
from wstui.load.connector import tls_context
from wstui.load.identity import Identity
from wstui.load.outcome import cause_of
from wstui.measure.visible import visible
from wstui.scenario.masking import mask_text, mask_url
from wstui.scenario.model import Scenario
from wstui.scenario.secrecy import secrets_of


class Unreachable(Exception):
    """The target can't be loaded: `what` says why, `fix` what to do."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(f"{what}: {fix}")
        self.what = what
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the first client: what was done, how long it took in milliseconds, what was found."""

    name: str
    took_ms: float
    note: str = ""


@dataclass(slots=True)
class Probe:
    """What the first client saw: its steps, and a note where it was turned away after the upgrade."""

    steps: list[Step] = field(default_factory=list)
    warning: str = ""

    def add(self, name: str, since_ns: int, note: str = "") -> int:
        """Note a step that began at `since_ns`; returns the time now."""
        now = time.monotonic_ns()
        self.steps.append(Step(name, (now - since_ns) / 1e6, note))
        return now


async def probe(scenario: Scenario, seen: Probe | None = None) -> Probe:
    """Open one client as the load will: resolve, connect, TLS, upgrade, ready condition, close with 1000.

    It is another implementation of WebSocket than that of the load. A client that is turned away after the upgrade is
    no error here: a server may admit only some. `seen` is filled as it goes. Raises Unreachable.
    """
    seen = Probe() if seen is None else seen
    try:
        await _probe(scenario, seen)
    except Unreachable as error:
        secrets = secrets_of(scenario)
        raise Unreachable(mask_text(error.what, secrets), error.fix) from None
    return seen


async def _probe(scenario: Scenario, seen: Probe) -> None:
    target = scenario.target
    spec = spec_of(scenario)
    identity = Identity(spec)
    uri = identity.uri(0)
    place = f"[{uri.host}]:{uri.port}" if ":" in uri.host else f"{uri.host}:{uri.port}"
    at = time.monotonic_ns()
    loop = asyncio.get_running_loop()
    try:
        addresses = await loop.getaddrinfo(uri.host, uri.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise Unreachable(
            f"the name {uri.host!r} is not known here ({getattr(error, 'strerror', error)})",
            "check target.url, --url or WS_URL",
        ) from None
    at = seen.add("resolve", at, str(addresses[0][4][0]))
    sock = await _connect(addresses, place, target.connect_timeout)
    at = seen.add("connect", at, place)
    try:
        context = tls_context(spec) if uri.secure else None
    except (OSError, ssl.SSLError) as error:
        sock.close()
        raise Unreachable(f"the TLS files can't be used ({error})", "check ca_file, cert_file and key_file") from None
    parts = urlsplit(target.url)
    began = at

    class Connection(ClientConnection):
        """Tells when TLS is done: only then has it a transport."""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            nonlocal began
            if (tls := transport.get_extra_info("ssl_object")) is not None:
                began = seen.add("tls", at, f"{tls.version()}, {tls.cipher()[0]}")
            super().connection_made(transport)

    try:
        connection = await connect(
            f"{parts.scheme}://{parts.netloc}{uri.resource_name}",
            create_connection=Connection,
            sock=sock,
            ssl=context,
            server_hostname=uri.host if context else None,
            compression="deflate" if target.compression else None,
            subprotocols=identity.subprotocols(0),
            additional_headers=identity.headers(0),
            origin=Origin(target.origin) if target.origin else None,
            max_size=target.max_size,
            open_timeout=target.connect_timeout,
            close_timeout=2,
            ping_interval=None,
            user_agent_header=None,
            proxy=None,
        )
    except (OSError, InvalidHandshake, InvalidURI, ConnectionClosed, EOFError, ValueError) as error:
        # ValueError: a redirect, which can't be followed on this socket and should not be in a load test.
        sock.close()
        raise _refusal(error, scenario, place) from None
    at = seen.add("upgrade", began, connection.subprotocol or "HTTP 101")
    try:
        await _ready(connection, scenario, seen, at)
    finally:
        with contextlib.suppress(Exception):
            await connection.close()


async def _connect(addresses: Sequence[tuple[Any, ...]], place: str, timeout_s: float) -> socket.socket:
    loop = asyncio.get_running_loop()
    failure: OSError = OSError(errno.ECONNREFUSED, "connection refused")
    for family, _, _, _, address in addresses:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await asyncio.wait_for(loop.sock_connect(sock, address), timeout_s)
            return sock
        except OSError as error:  # TimeoutError is one
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    if failure.errno == errno.ECONNREFUSED:
        raise Unreachable(
            f"nothing listens on {place}",
            "start the server (`wstui demo` brings one along), or give its address with --url or WS_URL",
        )
    if isinstance(failure, TimeoutError):
        raise Unreachable(
            f"no answer from {place} within {timeout_s:g} s", "check the address and any firewall between"
        )
    raise Unreachable(f"{place} can't be reached ({cause_of(failure).message})", "check the address and the network")


async def _ready(connection: ClientConnection, scenario: Scenario, seen: Probe, at: int) -> None:
    target = scenario.target
    timeout = target.connect_timeout if target.ready == "welcome" else target.settle
    try:
        async with asyncio.timeout(timeout):
            async for message in connection:
                if target.ready == "welcome" and _is_welcome(message, target.welcome):
                    seen.add("welcome", at, target.welcome)
                    return
        closed = connection.close_code, connection.close_reason
    except TimeoutError:
        if target.ready == "open":
            seen.add("settle", at)
            return
        raise Unreachable(
            f"{mask_url(target.url)} opens, but no message of type {target.welcome!r} came within {timeout:g} s",
            'set target.ready = "open", or target.welcome to what the server says first',
        ) from None
    except ConnectionClosed:
        closed = connection.close_code, connection.close_reason
    seen.warning = f"the first client was let in and turned away: close {closed[0]} {visible(closed[1] or '')}".strip()


def _is_welcome(message: str | bytes, wanted: str) -> bool:
    if not wanted:
        return True
    lines = message.split("\n") if isinstance(message, str) else []
    for line in lines:
        with contextlib.suppress(msgspec.DecodeError):
            document = msgspec.json.decode(line)
            if isinstance(document, dict) and document.get("type") == wanted:
                return True
    return False


_ADVICE = {
    401: "set AUTH_TOKEN to a valid token (`wstui token` makes one for the Odin server)",
    403: "the token or the origin is not allowed to connect: check [auth] and target.origin",
    404: "check the path in target.url",
    426: "the path is right but the server wants another protocol version",
    429: "its rate limit is reached: wait, or ramp more slowly",
    503: "it is overloaded, starting or shutting down: check its health",
}


def _refusal(error: BaseException, scenario: Scenario, place: str) -> Unreachable:
    """A refused or failed handshake in words, with what to do."""
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        phrase = visible(error.response.reason_phrase, 60)
        body = visible(bytes(error.response.body or b"").strip(), 120)
        said = f" ({body})" if body and not body.startswith("<") else ""
        advice = _ADVICE.get(status, "check that target.url is its WebSocket endpoint")
        return Unreachable(f"{place} refused the first client with HTTP {status} {phrase}{said}", advice)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unreachable(
            f"the certificate of {place} is not trusted ({error.verify_message})",
            "name its authority with --ca-file, or accept any with --insecure",
        )
    if isinstance(error, ssl.SSLError):
        return Unreachable(
            f"{place} does not speak TLS as expected ({cause_of(error).message})", "is it ws:// rather than wss://?"
        )
    if isinstance(error, TimeoutError):
        wait = scenario.target.connect_timeout
        other = ", or does it want ws://" if scenario.target.url.lower().startswith("wss:") else ""
        return Unreachable(
            f"{place} accepts connections but did not answer the upgrade within {wait:g} s",
            f"is it a WebSocket server{other}?",
        )
    if isinstance(error, InvalidMessage | EOFError | ConnectionResetError):
        return Unreachable(
            f"{place} did not answer the upgrade with HTTP/1.1", "is it a WebSocket server, or does it want wss://?"
        )
    if isinstance(error, OSError):
        return Unreachable(
            f"{place} failed during the handshake ({cause_of(error).message})", "look in the server's log"
        )
    return Unreachable(
        f"{place} answered the upgrade wrongly ({visible(str(error), 120)})", "is target.url its WebSocket endpoint?"
    )
