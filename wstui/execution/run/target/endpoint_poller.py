"""The target's own endpoints, /health, /metrics and /stats: where they are, and how they are asked."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace as replace_fields

from wstui.execution.run.compile import connect_of
from wstui.execution.run.status import TargetHealth
from wstui.execution.run.target.reported_metrics import Claims, EndpointAnswer, read_claims
from wstui.load.dialer import Dialer, tls_context
from wstui.measure.sanitize import sanitize
from wstui.scenario.model import Scenario
from wstui.scenario.proxy import join_address
from wstui.scenario.route import proxy_for
from wstui.scenario.url import Address, is_unix, node_of, parse_address, static_url

Dial = Callable[[str, int, bool], Coroutine[Any, Any, socket.socket]]
Connected = Callable[[str, int, bool], socket.socket]
TIMEOUT_S = 3.0
ANSWER_LIMIT = 256 * 1024


def base_of(url: str, health: str) -> str | None:
    """Where the endpoints are: "off" has none, "auto" takes the target's own host and port, else what it says."""
    if health == "off":
        return None
    if health == "auto":
        if is_unix(url):
            return "http://localhost"
        address = parse_address(static_url(url))
        return f"http{'s' if address.secure else ''}://{join_address(address.node, address.port)}"
    parts = urlsplit(health.rstrip("/"))
    host = node_of(parts.hostname or "")
    place = join_address(host, parts.port) if parts.port else f"[{host}]" if ":" in host else host
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}{at}{place}").geturl()


class EndpointPoller:
    """Asks them in threads, so that a server that hangs delays nothing."""

    def __init__(self, base: str, context: ssl.SSLContext | None = None, dial: Dial | None = None) -> None:
        """`dial` opens the connections to the host and port of a URL, encrypted or not; without it they are direct."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._dial = dial
        handlers = _Http(self._connected), _Https(context, self._connected)
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)
        self._base = base
        self._known = False  # whether any endpoint has ever reported anything

    @classmethod
    def of(cls, scenario: Scenario) -> EndpointPoller | None:
        """Those of a scenario's target, None where they are not to be asked."""
        base = base_of(scenario.target.url, scenario.target.health)
        if base is None:
            return None
        context = None
        if base.startswith("https:"):
            with contextlib.suppress(OSError):  # every client will fail with it, and say so
                context = tls_context(connect_of(scenario))
        return cls(base, context, _Dial(scenario))

    async def ask(self, ours: int) -> Claims:
        """Poll all endpoints, and note the number of our connections at that moment."""
        self._loop = asyncio.get_running_loop()
        asked = (asyncio.to_thread(self._fetch, f"{self._base}/{name}") for name in ("health", "metrics", "stats"))
        health, metrics, stats = await asyncio.gather(*asked)
        claims = read_claims(health, metrics, stats, ours)
        answered = any(answer.status for answer in (health, metrics, stats))
        self._known = self._known or (answered and claims.shown.state != "not offered")
        if not self._known:
            # A target that never reported anything, be it by silence or by 404, has no health that could be bad.
            claims = replace(claims, shown=TargetHealth("not offered", note=claims.shown.note))
        return claims

    def _connected(self, host: str, port: int, secure: bool) -> socket.socket:
        """A socket for one of the threads, opened by the loop, which knows proxies and other routes."""
        if self._dial is None or self._loop is None:
            return socket.create_connection((host, port), TIMEOUT_S)
        sock = asyncio.run_coroutine_threadsafe(self._dial(host, port, secure), self._loop).result(TIMEOUT_S)
        sock.settimeout(TIMEOUT_S)
        return sock

    def _fetch(self, url: str) -> EndpointAnswer:
        request = urllib.request.Request(url, headers={"Accept": "application/json"})
        begun = time.monotonic()
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                answer = _answer(response.status, response.read(ANSWER_LIMIT))
            # One that was cut short has come to no end of its own.
            return answer if time.monotonic() - begun < TIMEOUT_S else EndpointAnswer(fault="timed out")
        except urllib.error.HTTPError as error:
            with error, contextlib.suppress(OSError, http.client.HTTPException):
                return _answer(error.code, error.read(ANSWER_LIMIT))
            return EndpointAnswer(error.code)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            late = isinstance(reason, TimeoutError) or time.monotonic() - begun >= TIMEOUT_S
            return EndpointAnswer(fault="timed out" if late else sanitize(str(reason), 60))


def _end_in_time(connection: http.client.HTTPConnection) -> None:
    """Limit the whole answer: a socket's own timeout restarts with each byte."""

    def end(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):  # done long ago
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    watchdog = threading.Timer(TIMEOUT_S, end, (connection.sock,))
    watchdog.daemon = True
    watchdog.start()


class _Dial:
    """Opens connections to the endpoints as clients of the load do: the same address, proxy or Unix socket."""

    def __init__(self, scenario: Scenario) -> None:
        self._wanted = scenario.target.proxy
        # Its own addresses and those of others are for the load.
        self._spec = replace_fields(connect_of(scenario), local_addresses=[], spread_addresses=False)
        self._target = parse_address(self._spec.url)
        self._dialers: dict[tuple[str, int, bool], Dialer] = {}

    async def __call__(self, host: str, port: int, secure: bool) -> socket.socket:
        dialer = self._dialers.get((host, port, secure))
        if dialer is None:
            dialer = self._dialers[host, port, secure] = self._dialer(host, port, secure)
        await dialer.resolve()
        return await dialer.open_socket()

    def _dialer(self, host: str, port: int, secure: bool) -> Dialer:
        spec, target = self._spec, self._target
        if (host, port) != (target.node, target.port):
            proxy = proxy_for(self._wanted, secure, host, port)[0]
            spec = replace_fields(spec, unix="", connect_to="", proxy=proxy.url if proxy is not None else "")
        name, _, zone = host.partition("%")
        return Dialer(spec, asyncio.get_running_loop(), Address(secure, name, port, "/", "", None, None, zone))


class _HttpConnection(http.client.HTTPConnection):
    def __init__(self, host: str, *, connected: Connected, **options: Any) -> None:
        super().__init__(host, **options)
        self._connected = connected

    def connect(self) -> None:
        self.sock = self._connected(self.host, self.port, False)
        _end_in_time(self)


class _HttpsConnection(http.client.HTTPSConnection):
    def __init__(self, host: str, *, connected: Connected, context: ssl.SSLContext, **options: Any) -> None:
        super().__init__(host, context=context, **options)
        self._connected = connected
        self._tls = context

    def connect(self) -> None:
        self.sock = self._tls.wrap_socket(self._connected(self.host, self.port, True), server_hostname=self.host)
        _end_in_time(self)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, connected: Connected) -> None:
        super().__init__()
        self._connected = connected

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_HttpConnection, connected=self._connected), request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext | None, connected: Connected) -> None:
        self._tls = context or ssl.create_default_context()
        super().__init__(context=self._tls)
        self._connected = connected

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_HttpsConnection, connected=self._connected, context=self._tls), request)


def _answer(status: int, body: bytes) -> EndpointAnswer:
    try:
        # NaN and Infinity are no JSON, but servers write them.
        document = msgspec.json.decode(body.replace(b"NaN", b"null").replace(b"Infinity", b"null"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return EndpointAnswer(status, fault="not JSON")
    return EndpointAnswer(status, document if isinstance(document, dict) else None)
