"""Answers each HTTP request: an upgrade on /ws by limits and token, everything else by the endpoints."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote

from websockets.datastructures import Headers, MultipleValuesError
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from wstui.odin.endpoints import Endpoints, json_response
from wstui.odin.rate_limit import RateLimit
from wstui.odin.server_settings import AuthMode
from wstui.odin.stats import ConnectionPhase, Stats
from wstui.odin.token import TokenRefused, Verifier

_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
_TOKEN_PREFIXES = ("token.", "jwt.", "bearer.")
_log = logging.getLogger("wstui.odin.admission")


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a client is refused, and what it is told."""

    status: HTTPStatus
    reason: str
    retry_after: int = 0

    def response(self) -> Response:
        """Return the HTTP answer, with the reason as JSON."""
        headers = {}
        if self.status is HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Bearer realm="odin"'
        if self.retry_after:
            headers["Retry-After"] = str(self.retry_after)
        return json_response(self.status, {"error": self.status.phrase.lower(), "reason": self.reason}, headers)


class Admission:
    """The router of all requests, and the one to decide about upgrades."""

    def __init__(
        self,
        mode: AuthMode,
        verifier: Verifier | None,
        rate: RateLimit,
        connections_max: int,
        endpoints: Endpoints,
        stats: Stats,
    ) -> None:
        """`verifier` may be None only if `mode` is OFF."""
        self.closing = False
        self._mode = mode
        self._verifier = verifier
        self._rate = rate
        self._connections_max = connections_max
        self._endpoints = endpoints
        self._stats = stats

    def answer(self, protocol: ServerProtocol, request: Request, address: str, now: float) -> Response:
        """Return the response to a request; 101 admits the client. `now`: seconds of the loop's clock."""
        path, _, query = request.path.partition("?")
        if path != "/ws":
            if request.method not in ("GET", "HEAD"):
                return json_response(
                    HTTPStatus.METHOD_NOT_ALLOWED, {"error": "method not allowed"}, {"Allow": "GET, HEAD"}
                )
            return self._endpoints.answer(path, query, request.headers)
        if "Upgrade" not in request.headers:
            content = {"error": "upgrade required", "reason": "this is a WebSocket"}
            return json_response(HTTPStatus.UPGRADE_REQUIRED, content, {"Upgrade": "websocket"})
        if rejection := self._reject(request, query, address, now):
            self._stats.refused[rejection.reason] += 1
            _log.debug("refused", extra={"reason": rejection.reason, "address": address})
            return rejection.response()
        response = protocol.accept(request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._stats.refused["malformed upgrade"] += 1
        return response

    def _reject(self, request: Request, query: str, address: str, now: float) -> Rejection | None:
        if self.closing:
            return Rejection(HTTPStatus.SERVICE_UNAVAILABLE, "shutting down", 5)
        if wait := self._rate.take(address, now):
            return Rejection(HTTPStatus.TOO_MANY_REQUESTS, "connection rate limit", wait)
        if self._stats.phases[ConnectionPhase.OPEN] >= self._connections_max:
            return Rejection(HTTPStatus.SERVICE_UNAVAILABLE, "connection limit", 5)
        if self._mode is AuthMode.OFF or self._verifier is None:
            return None
        try:
            token = find_token(request.headers, query)
            if token is not None:
                self._verifier.verify(token)
            elif self._mode is AuthMode.REQUIRED:
                raise TokenRefused("token missing")
        except TokenRefused as refused:
            return Rejection(HTTPStatus.UNAUTHORIZED, refused.reason)
        return None


def find_token(headers: Headers, query: str) -> str | None:
    """Return the token of the query, else of the Authorization header, else of the offered subprotocols.

    Raises: TokenRefused: several in the query or several Authorization headers, so that it is unclear which one counts.
    """
    pairs = (pair.partition("=") for pair in query.split("&"))
    given = [value for name, _, value in pairs if name == "token"]
    if len(given) > 1:
        raise TokenRefused("several tokens in the query")
    if given:
        return unquote(given[0])
    try:
        authorization = headers.get("Authorization")
    except MultipleValuesError:
        raise TokenRefused("several Authorization headers") from None
    if authorization is not None:
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return value.strip()
    for line in headers.get_all("Sec-WebSocket-Protocol"):
        for offered in line.split(","):
            if (token := _token_in(offered.strip())) is not None:
                return token
    return None


def choose_subprotocol(offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Return the first offered subprotocol that isn't a token; if there are only tokens, the first of them."""
    for subprotocol in offered:
        if _token_in(subprotocol) is None:
            return subprotocol
    return offered[0] if offered else None


def _token_in(subprotocol: str) -> str | None:
    for prefix in _TOKEN_PREFIXES:
        if subprotocol.lower().startswith(prefix) and _JWT.fullmatch(subprotocol[len(prefix) :]):
            return subprotocol[len(prefix) :]
    return subprotocol if _JWT.fullmatch(subprotocol) else None
