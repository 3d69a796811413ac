"""Answers each HTTP request: an upgrade on /ws, or one of the endpoints beside it."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus

from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from wstui.odin.admission import Admission, Rejection
from wstui.odin.endpoints import Endpoints
from wstui.odin.responses import json_response
from wstui.odin.stats import Stats

_log = logging.getLogger("wstui.odin.http_router")


class Gate:
    """Where every request comes in."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        admission: Admission,
        endpoints: Endpoints,
        stats: Stats,
    ) -> None:
        self.admission = admission
        self._loop = loop
        self._endpoints = endpoints
        self._stats = stats

    def answer(self, protocol: ServerProtocol, request: Request, address: str) -> Response:
        """The response to a request; 101 when the client may come in."""
        path, _, query = request.path.partition("?")
        if path != "/ws":
            if request.method not in ("GET", "HEAD"):
                response = json_response(HTTPStatus.METHOD_NOT_ALLOWED, {"error": "method not allowed"})
                response.headers["Allow"] = "GET, HEAD"
                return response
            return self._endpoints.answer(path, query, request.headers)
        if "Upgrade" not in request.headers:
            response = json_response(
                HTTPStatus.UPGRADE_REQUIRED, {"error": "upgrade required", "reason": "this is a WebSocket"}
            )
            response.headers["Upgrade"] = "websocket"
            return response
        decision = self.admission.decide(request, query, address, self._loop.time())
        if isinstance(decision, Rejection):
            self._stats.refused[decision.reason] += 1
            _log.debug("refused", extra={"reason": decision.reason, "address": address})
            return decision.response()
        response = protocol.accept(request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self.admission.places.give_back()
            self._stats.refused["malformed upgrade"] += 1
        return response
