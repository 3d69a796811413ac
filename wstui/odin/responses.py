"""HTTP responses, after each of which the connection is closed."""

from __future__ import annotations

import json
from http import HTTPStatus

from websockets.datastructures import Headers
from websockets.http11 import Response


def response(status: HTTPStatus, body: bytes, content_type: str, headers: Headers | None = None) -> Response:
    """A response with a body, and `headers` besides the usual ones."""
    headers = Headers() if headers is None else headers
    headers["Content-Type"] = content_type
    headers["Content-Length"] = str(len(body))
    headers["Cache-Control"] = "no-store"
    headers["Connection"] = "close"
    return Response(status.value, status.phrase, headers, body)


def json_response(status: HTTPStatus, content: object, headers: Headers | None = None) -> Response:
    """A response with `content` as JSON."""
    return response(status, json.dumps(content).encode(), "application/json", headers)
