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
from dataclasses import replace
from urllib.parse import urlsplit

import msgspec

from wstui.execution.claims import Answer, Claims, read_claims
from wstui.execution.spec import spec_of
from wstui.execution.status import TargetHealth
from wstui.load.connector import tls_context
from wstui.measure.visible import visible
from wstui.scenario.model import Scenario

TIMEOUT_S = 3.0
ANSWER_LIMIT = 256 * 1024


def base_of(url: str, health: str) -> str | None:
    """Where the endpoints are: "off" has none, "auto" takes the target's own host and port, else what it says."""
    if health == "off":
        return None
    if health != "auto":
        return health.rstrip("/")
    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "wss" else "http"
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}"


class Endpoints:
    """Asks them in threads, so that a server that hangs delays nothing."""

    def __init__(self, base: str, context: ssl.SSLContext | None = None) -> None:
        handlers = _Http(), _Https(context=context)
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)
        self._base = base
        self._known = False  # whether any endpoint has ever answered

    @classmethod
    def of(cls, scenario: Scenario) -> Endpoints | None:
        """Those of a scenario's target, None where they are not to be asked."""
        base = base_of(scenario.target.url, scenario.target.health)
        if base is None:
            return None
        context = None
        if base.startswith("https:"):
            with contextlib.suppress(OSError):  # every client will fail with it, and say so
                context = tls_context(spec_of(scenario))
        return cls(base, context)

    async def ask(self, ours: int) -> Claims:
        """What they say now, next to the number of connections that we hold."""
        asked = (asyncio.to_thread(self._fetch, f"{self._base}/{name}") for name in ("health", "metrics", "stats"))
        health, metrics, stats = await asyncio.gather(*asked)
        claims = read_claims(health, metrics, stats, ours)
        self._known = self._known or any(answer.status for answer in (health, metrics, stats))
        if not self._known:
            # Who has never answered any of them has said nothing of itself, and that is no sickness.
            claims = replace(claims, shown=TargetHealth("not offered", note=claims.shown.note))
        return claims

    def _fetch(self, url: str) -> Answer:
        request = urllib.request.Request(url, headers={"Accept": "application/json"})
        begun = time.monotonic()
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                answer = _answer(response.status, response.read(ANSWER_LIMIT))
            # One that was cut short has come to no end of its own.
            return answer if time.monotonic() - begun < TIMEOUT_S else Answer(fault="timed out")
        except urllib.error.HTTPError as error:
            with error, contextlib.suppress(OSError, http.client.HTTPException):
                return _answer(error.code, error.read(ANSWER_LIMIT))
            return Answer(error.code)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            late = isinstance(reason, TimeoutError) or time.monotonic() - begun >= TIMEOUT_S
            return Answer(fault="timed out" if late else visible(str(reason), 60))


def _end_in_time(connection: http.client.HTTPConnection) -> None:
    """A socket's own timeout begins anew with each byte: one that sends them one by one would never be done."""

    def end(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):  # done long ago
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    watchdog = threading.Timer(TIMEOUT_S, end, (connection.sock,))
    watchdog.daemon = True
    watchdog.start()


class _HttpConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _end_in_time(self)


class _HttpsConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _end_in_time(self)


class _Http(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HttpConnection, request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(context=context)
        self._tls = context

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HttpsConnection, request, context=self._tls)


def _answer(status: int, body: bytes) -> Answer:
    try:
        # NaN and Infinity are no JSON, but servers write them.
        document = msgspec.json.decode(body.replace(b"NaN", b"null").replace(b"Infinity", b"null"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Answer(status, fault="not JSON")
    return Answer(status, document if isinstance(document, dict) else None)
