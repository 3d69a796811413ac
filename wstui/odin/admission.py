"""Who may open a WebSocket: limits first, because they are cheap, then the token."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote

from websockets.datastructures import Headers, MultipleValuesError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from wstui.odin.capacity import Capacity
from wstui.odin.ratelimit import RateLimit
from wstui.odin.responses import json_response
from wstui.odin.server_settings import AuthMode
from wstui.odin.token import TokenRefused, Verifier

_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
_TOKEN_PREFIXES = ("token.", "jwt.", "bearer.")


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a client is not let in, and what it is told."""

    status: HTTPStatus
    reason: str
    retry_after: int = 0

    def response(self) -> Response:
        """The HTTP answer, with the reason as JSON."""
        headers = Headers()
        if self.status is HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Bearer realm="odin"'
        if self.retry_after:
            headers["Retry-After"] = str(self.retry_after)
        return json_response(self.status, {"error": self.status.phrase.lower(), "reason": self.reason}, headers)


class Admission:
    """Decides about one upgrade request after the other."""

    def __init__(self, mode: AuthMode, verifier: Verifier | None, rate: RateLimit, places: Capacity) -> None:
        """`verifier` is needed unless `mode` is OFF."""
        self.closing = False
        self.places = places
        self._mode = mode
        self._verifier = verifier
        self._rate = rate

    def decide(self, request: Request, query: str, address: str, now: float) -> Rejection | str:
        """Whether the client that sent `request` may come in; it then has a place, which it must give back.

        Args: query: that of the path; address: the client's; now: loop seconds.
        Returns: the user it says to be ("" if nobody asks), or the refusal.
        """
        if self.closing:
            return Rejection(HTTPStatus.SERVICE_UNAVAILABLE, "shutting down", 5)
        if wait := self._rate.take(address, now):
            return Rejection(HTTPStatus.TOO_MANY_REQUESTS, "connection rate limit", wait)
        if not self.places.take():
            return Rejection(HTTPStatus.SERVICE_UNAVAILABLE, "connection limit", 5)
        decision = self._identify(request, query)
        if isinstance(decision, Rejection):
            self.places.give_back()
        return decision

    def _identify(self, request: Request, query: str) -> Rejection | str:
        if self._mode is AuthMode.OFF or self._verifier is None:
            return ""
        try:
            token = find_token(request.headers, query)
            if token is None:
                if self._mode is AuthMode.OPTIONAL:
                    return ""
                raise TokenRefused("token missing")
            return self._verifier.verify(token)
        except TokenRefused as refused:
            return Rejection(HTTPStatus.UNAUTHORIZED, refused.reason)


def find_token(headers: Headers, query: str) -> str | None:
    """The token of a request: that of the query, else of the header, else of the offered subprotocols.

    Raises: TokenRefused: several in the query, or several Authorization headers: nobody knows which one counts.
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
    """The first offered subprotocol that isn't a token; a client that offers nothing else gets its token back."""
    for subprotocol in offered:
        if _token_in(subprotocol) is None:
            return subprotocol
    return offered[0] if offered else None


def _token_in(subprotocol: str) -> str | None:
    for prefix in _TOKEN_PREFIXES:
        if subprotocol.lower().startswith(prefix) and _JWT.fullmatch(subprotocol[len(prefix) :]):
            return subprotocol[len(prefix) :]
    return subprotocol if _JWT.fullmatch(subprotocol) else None
