"""HTTP requests and upgrades as documents, so that their values are guessed like those of messages."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from wstui.recording.inference.inferred_scenario import escaped
from wstui.recording.inference.inferred_value import InferredValue
from wstui.recording.inference.message import ObservedMessage, Path, Scalar, flat
from wstui.recording.session import Headers, RecordedRequest, value_of

_USUAL = frozenset(
    ("host", "connection", "upgrade", "user-agent", "accept", "accept-encoding", "accept-language", "cache-control",
     "pragma", "dnt", "origin", "content-length", "via", "x-forwarded-for", "x-forwarded-proto", "cookie", "priority")
)  # fmt: skip
_USUAL_ANSWER = frozenset(
    ("date", "server", "etag", "set-cookie", "content-type", "content-length", "last-modified", "expires", "vary",
     "cache-control", "connection", "keep-alive", "transfer-encoding", "content-encoding", "age", "via")
)  # fmt: skip
_SCHEMES = ("bearer", "basic", "token")
Found = Mapping[Path, InferredValue]


def told_headers(headers: Headers) -> Headers:
    """Return the headers that a client adds to the usual ones."""
    return [(n, v) for n, v in headers if n.lower() not in _USUAL and not n.lower().startswith("sec-")]


def cookies_of(headers: Headers) -> dict[str, str]:
    pairs = (pair.partition("=") for name, value in headers if name.lower() == "cookie" for pair in value.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}


def sent_by(client: int, at: float, url: str, headers: Headers, **more: Any) -> ObservedMessage:
    """Return what a request says of its own: its path, query, headers and body."""
    query = (part.partition("=") for part in urlsplit(url).query.split("&"))
    document = {
        "path": [unquote(segment) for segment in urlsplit(url).path.split("/")],
        "query": [{unquote(name): unquote(value)} for name, _, value in query],
        "headers": {name: [*_credential(value)] for name, value in told_headers(headers)},
    } | more
    return ObservedMessage(client, at, True, "", "json", document, dict(flat(document, (), inside=False)))


def request_sent(client: int, request: RecordedRequest) -> ObservedMessage:
    """Return a request with its body, if that is JSON or a form."""
    body: dict[str, Any] = {}
    kind = value_of(request.headers, "content-type")
    if request.body.lstrip()[:1] in ("{", "["):
        try:
            body["json"] = json.loads(request.body)
        except (ValueError, RecursionError):
            body["body"] = request.body
    elif "urlencoded" in kind or (request.body and not kind and "=" in request.body):
        body["form"] = dict(parse_qsl(request.body, keep_blank_values=True))
    elif request.body:
        body["body"] = request.body
    headers = [(name, value) for name, value in request.headers if name.lower() not in ("content-type", "referer")]
    return sent_by(client, request.at, request.url, headers, **body)


def request_answer(client: int, request: RecordedRequest, kind: str) -> ObservedMessage:
    """Return what an answer holds: the JSON of its body, its own headers, and the cookies that it sets."""
    fields: dict[Path, Scalar] = {}
    if request.answer_body.lstrip()[:1] in ("{", "["):
        with contextlib.suppress(ValueError, RecursionError):
            fields = dict(flat(json.loads(request.answer_body), (), inside=True))
    for name, value in request.answer:
        if name.lower() == "set-cookie":
            key, _, rest = value.partition("=")
            fields[f"cookie:{key.strip()}",] = rest.partition(";")[0].strip()
        elif name.lower() not in _USUAL_ANSWER and not name.lower().startswith(("access-control", "content-")):
            fields[f"header:{name}",] = value
    return ObservedMessage(client, request.at, False, request.answer_body, "json", None, fields, kind)


def _credential(value: str) -> Iterator[str]:
    """The part of a header's value that may be a secret, without the scheme before it."""
    scheme, _, rest = value.partition(" ")
    yield rest if scheme.lower() in _SCHEMES and rest else value


def header_text(name: str, value: str, found: Found) -> str:
    """Return a header's value with its placeholder."""
    (own,) = _credential(value)
    made = found.get(("headers", name, "0"))
    return escaped(value.removesuffix(own)) + (escaped(own) if made is None else plain(made))


def url_text(url: str, found: Found) -> str:
    """Return a URL with placeholders in its path and query; all else stays as it was written."""
    before, mark, query = url.partition("?")
    scheme, colon, rest = before.partition("://")
    host, *segments = rest.split("/")
    parts = [_piece(segment, found.get(("path", str(n + 1)))) for n, segment in enumerate(segments)]
    pairs = []
    for n, part in enumerate(query.split("&")):
        name, equals, value = part.partition("=")
        pairs.append(f"{escaped(name)}{equals}{_piece(value, found.get(('query', str(n), unquote(name))))}")
    return "/".join([f"{scheme}{colon}{escaped(host)}", *parts]) + mark + "&".join(pairs)


def _piece(raw: str, value: InferredValue | None) -> str:
    return escaped(raw) if value is None else plain(value)


def plain(value: InferredValue) -> str:
    """Return a placeholder as it stands in text."""
    return value.text.replace(" text}}", "}}")
