"""A request of clients: rendered for each, its answer checked and its variables taken."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from wstui.load.compiled_matcher import Matcher
from wstui.load.connect_outcome import Cause, Outcome, cause_of
from wstui.load.cookies import Cookies
from wstui.load.http_client import HttpAnswer, HttpClient, HttpConnection, HttpProtocolError
from wstui.load.reply_matcher import Captures, ReplyMatcher, values_of
from wstui.load.role_spec import HttpSpec
from wstui.load.text import compile_parts
from wstui.measure.sanitize import sanitize
from wstui.scenario.http_text import header_fault
from wstui.scenario.secrets import mask_url
from wstui.scenario.units import format_duration
from wstui.scenario.url import parse_address


class Requester(Protocol):
    """A client that makes requests: what they are rendered from, and what it keeps of their answers."""

    number: int
    seq: int
    sent_ns: int
    row: Sequence[str]
    values: list[Any]
    cookies: Cookies | None

    @property
    def epoch_offset_ns(self) -> int: ...
    @property
    def ahead_ns(self) -> int: ...


class HttpFailed(Exception):
    """A request did not succeed, as an attempt to connect that ends with it."""

    def __init__(self, outcome: Outcome, cause: Cause, detail: str = "") -> None:
        super().__init__(cause.message)
        self.outcome = outcome
        self.cause = cause
        self.detail = detail


Note = Callable[[Requester, bool, str, dict[int, Any]], None]
"""Takes what was asked, or (True) answered, and the values that were captured, by the index of their variable."""


class CompiledRequest:
    """A compiled request. `words` name it in messages; `kind` begins those of its failures."""

    note: Note | None = None  # of a trace

    def __init__(self, spec: HttpSpec, seed: int, words: str, kind: str) -> None:
        self._spec = spec
        self._words = words
        self._kind = kind
        self._address = parse_address(spec.url.address)
        self._resource = compile_parts(spec.url.resource, seed)
        self._headers = [(name, compile_parts(parts, seed)) for name, parts in spec.headers]
        self._body = compile_parts(spec.body, seed)
        paths = [
            c.path for conditions in (spec.expect.alternatives if spec.expect else ()) for c in conditions if c.path
        ]
        self._reader = ReplyMatcher([*paths, *(capture.path for capture in spec.capture if capture.path)])
        self._expect = None if spec.expect is None else Matcher(spec.expect, self._reader, seed)
        self._captures = Captures(spec.capture, self._reader)
        port = "" if self._address.port == (443 if self._address.secure else 80) else f":{self._address.port}"
        host = f"[{self._address.host}]" if ":" in self._address.host else self._address.host
        self._host = f"{host}{port}"

    async def make(
        self, client: HttpClient, requester: Requester, certificate: tuple[str, str], kept: HttpConnection | None
    ) -> HttpConnection | None:
        """Make the request; return the connection if it can be used again. Raises HttpFailed."""
        try:
            return await self._make(client, requester, certificate, kept)
        except HttpFailed as error:
            if self.note is not None:
                self.note(requester, True, f"✗ {error.cause.message}", {})
            raise

    async def _make(
        self, client: HttpClient, requester: Requester, certificate: tuple[str, str], kept: HttpConnection | None
    ) -> HttpConnection | None:
        spec = self._spec
        connection: HttpConnection | None = None
        try:
            async with client.turns, asyncio.timeout(spec.within_ns / 1e9):
                connection = await client.connection(
                    requester.number, self._address, certificate, kept, spec.url.proxy, spec.url.connect_to
                )
                requester.sent_ns = time.monotonic_ns()
                resource, headers, body = self._render(requester)
                if self.note is not None:
                    self.note(requester, False, f"{self._words}: {spec.method} {mask_url(resource)}", {})
                answer = await connection.ask(spec.method, resource, headers, body)
        except TimeoutError:
            within = format_duration(spec.within_ns / 1e9)
            cause = Cause("timeout", f"{self._words}: no answer within {within}")
            raise self._failed(connection, Outcome.TIMED_OUT, cause) from None
        except HttpProtocolError as error:
            raise self._failed(connection, Outcome.FAILED, Cause("http", f"{self._words}: {error}")) from None
        except asyncio.CancelledError:
            if connection is not None:
                connection.close()
            raise
        except Exception as error:
            cause = cause_of(error)
            cause = cause._replace(message=f"{self._words}: {cause.message}")
            raise self._failed(connection, Outcome.FAILED, cause) from None
        self._check(answer, requester, resource)
        if connection.is_idle:
            return connection
        connection.close()
        return None

    @staticmethod
    def _failed(connection: HttpConnection | None, outcome: Outcome, cause: Cause) -> HttpFailed:
        if connection is not None:
            connection.close()
        return HttpFailed(outcome, cause)

    def _render(self, requester: Requester) -> tuple[str, list[tuple[str, str]], bytes]:
        resource = self._resource(requester).decode()
        body = self._body(requester)
        headers = [("Host", self._host)]
        for name, render in self._headers:
            value = render(requester).decode("utf-8", "surrogateescape")
            if fault := header_fault(value):
                raise HttpProtocolError(f"the header {name} {fault}")
            headers.append((name, value))
        names = {name.lower() for name, _ in headers}
        if self._address.username is not None and "authorization" not in names:
            user = f"{self._address.username}:{self._address.password or ''}".encode()
            headers.append(("Authorization", f"Basic {base64.b64encode(user).decode()}"))
        if requester.cookies is not None and "cookie" not in names:
            path = resource.partition("?")[0]
            if pairs := requester.cookies.pairs(self._address.host, path, self._address.secure):
                headers.append(("Cookie", "; ".join(f"{name}={value}" for name, value in pairs)))
        if "user-agent" not in names:
            headers.append(("User-Agent", "wstui"))
        if "accept" not in names:
            headers.append(("Accept", "*/*"))
        if body or self._spec.method in ("POST", "PUT", "PATCH"):
            headers.append(("Content-Length", str(len(body))))
        return resource, headers, body

    def _check(self, answer: HttpAnswer, requester: Requester, resource: str) -> None:
        lines = [*values_of(answer.headers, "set-cookie")]
        if lines:
            requester.cookies = requester.cookies or Cookies()
            requester.cookies.take(self._address.host, resource.partition("?")[0], lines)
        status, spec = answer.status, self._spec
        if status not in spec.statuses if spec.statuses else status >= 400:
            # What a refusal says is worth reading; what a success says may be a token.
            detail = sanitize(answer.body, 120) if status >= 400 else ""
            cause = Cause(f"{self._kind} {status}", f"{self._words}: HTTP {status}")
            raise HttpFailed(Outcome.REFUSED, cause, detail)
        document = self._reader.read(answer.body)
        if self._expect is not None and not self._expect.matches(document, answer.body, self._expect.bind(requester)):
            cause = Cause("refused", f"{self._words}: the answer has not {self._expect.words}")
            raise HttpFailed(Outcome.REFUSED, cause)
        if lack := self._captures.take(document, answer.body, requester.values, answer.headers):
            raise HttpFailed(Outcome.FAILED, Cause("capture", f"{self._words}: nothing to capture for {lack}"))
        if self.note is not None:
            captured = {capture.variable: requester.values[capture.variable] for capture in spec.capture}
            self.note(requester, True, f"{self._words}: HTTP {status}, {len(answer.body)} B", captured)
