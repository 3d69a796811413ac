"""HTTP requests whose answers hold what a client sends later: they become [[login]]."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wstui.recording.inference.inferred_scenario import Guess, InferredScenario
from wstui.recording.inference.inferred_step import templated
from wstui.recording.inference.inferred_value import InferredValue
from wstui.recording.inference.message import ObservedMessage, Path
from wstui.recording.inference.request import (
    cookies_of,
    header_text,
    request_answer,
    request_sent,
    sent_by,
    told_headers,
    url_text,
)
from wstui.recording.inference.values import HTTP, Values, dotted_path, is_specific
from wstui.recording.session import RecordedConnection, RecordedRequest, RecordedSession
from wstui.scenario.conversation.http import METHODS
from wstui.scenario.secrets import is_secret_header

_MOST = 20
"""Requests of one client that become its login."""
_AROUND = 24
Table = dict[str, Any]
_SIGNS_IN = re.compile(r"passw|passcode|pwd|otp|secret", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HttpExchange:
    """One HTTP request of a client's login and its answer, as messages."""

    request: RecordedRequest
    sent: ObservedMessage
    answer: ObservedMessage


def find_logins(
    session: RecordedSession, connections: Sequence[RecordedConnection], clients: Sequence[Sequence[ObservedMessage]]
) -> list[list[HttpExchange]]:
    """Return for each client the requests that it cannot do without, in their order."""
    requests = [r for r in session.requests if 0 < r.status < 400 and r.method.lower() in METHODS]
    search = _Search(sorted(requests, key=lambda request: request.at))
    pairs = zip(connections, clients, strict=True)
    return [search.logins(number, connection, messages) for number, (connection, messages) in enumerate(pairs)]


class _Search:
    """Follows values of clients back to the answers that gave them."""

    def __init__(self, requests: Sequence[RecordedRequest]) -> None:
        self._exchanges: list[HttpExchange] = []
        self._given: dict[str, int] = {}
        said: set[str] = set()
        for number, request in enumerate(requests):
            kind = f"{HTTP}{request.method} {re.sub(r'[0-9]+', '0', request.url.partition('?')[0])}"
            sent = request_sent(0, request)
            sent.kind = kind
            made = HttpExchange(request, sent, request_answer(0, request, kind))
            self._exchanges.append(made)
            said |= set(_said(sent, request))
            for value in _answered(made.answer):
                if value not in said:
                    self._given.setdefault(value, number)

    def logins(
        self, client: int, connection: RecordedConnection, messages: Sequence[ObservedMessage]
    ) -> list[HttpExchange]:
        """Return the exchanges that one client's values come from."""
        chosen: set[int] = set()
        upgrade = sent_by(client, connection.at, connection.url, connection.request)
        wanted = [(value, connection.at) for value in _said(upgrade, connection)]
        for message in messages:
            if message.sent:
                wanted += [(str(value), message.at) for value in message.fields.values() if is_specific(value)]
        done: set[str] = set()
        while wanted and len(chosen) < _MOST:
            value, before = wanted.pop()
            if value in done:
                continue
            done.add(value)
            number = self._given.get(value)
            if number is None and (number := self._in_text(value)) is None:
                continue
            request = self._exchanges[number].request
            if request.at <= before and number not in chosen:
                chosen.add(number)
                wanted += [(own, request.at) for own in _said(self._exchanges[number].sent, request)]
        chosen |= set(self._sign_in(connection, chosen))
        return [
            replace(one, sent=replace(one.sent, client=client), answer=replace(one.answer, client=client))
            for one in (self._exchanges[number] for number in sorted(chosen))
        ]

    def _in_text(self, value: str) -> int | None:
        """The first page that holds a value, with a regex that finds it there."""
        for number, exchange in enumerate(self._exchanges):
            text = exchange.request.answer_body
            at = text.find(value) if len(value) >= 8 and text.lstrip()[:1] not in ("{", "[", "") else -1
            before, after = (
                text[max(0, at - _AROUND) : at].rpartition("\n")[2],
                text[at + len(value) : at + len(value) + 1],
            )
            if at >= 0 and before and after:
                stop = re.escape(after)
                exchange.answer.fields[f"regex:{re.escape(before)}([^{stop}]+)",] = value
                return number
        return None

    def _sign_in(self, connection: RecordedConnection, chosen: set[int]) -> Iterator[int]:
        """A request with a password, of whose cookie a browser has left out the value."""
        host = _host(connection.url)
        if any(self._exchanges[number].request.method != "GET" for number in chosen):
            return
        for number, exchange in enumerate(self._exchanges):
            names = [part for path in exchange.sent.fields for part in path if path[0] in _BODIES]
            before = exchange.request.at <= connection.at and _host(exchange.request.url) == host
            if before and any(map(_SIGNS_IN.search, names)):
                yield number
                return


_BODIES = ("json", "form")


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].partition(":")[0]


def _said(message: ObservedMessage, where: RecordedRequest | RecordedConnection) -> Iterator[str]:
    """The values that a request sends; of a cookie with its name."""
    for path, value in message.fields.items():
        if is_specific(value) or (path[0] == "headers" and isinstance(value, str) and len(value) > 3):
            yield str(value)
    cookies = where.request if isinstance(where, RecordedConnection) else where.headers
    yield from (f"{name}={value}" for name, value in cookies_of(cookies).items())


def _answered(message: ObservedMessage) -> Iterator[str]:
    for path, value in message.fields.items():
        if path[0].startswith("cookie:"):
            yield f"{path[0][7:]}={value}"
        if is_specific(value) or (isinstance(value, str) and len(value) > 3 and is_secret_header(path[-1])):
            yield str(value)


def cookies_given(logins: Sequence[Sequence[HttpExchange]]) -> set[tuple[str, str]]:
    """Return the cookies that the answers of logins set: clients keep them by themselves."""
    answers = [exchange.answer.fields.items() for exchanges in logins for exchange in exchanges]
    return {(path[0][7:], str(value)) for fields in answers for path, value in fields if path[0].startswith("cookie:")}


def login_tables(
    draft: InferredScenario, logins: Sequence[Sequence[HttpExchange]], values: Values
) -> list[tuple[str, Table]]:
    """Return the tables of [[login]], each with the kind of its answer for `attach`."""
    groups: dict[tuple[str, int], list[HttpExchange]] = {}
    for exchanges in sorted(logins, key=len, reverse=True):
        counts: Counter[str] = Counter()
        for exchange in exchanges:
            counts[exchange.sent.kind] += 1
            groups.setdefault((exchange.sent.kind, counts[exchange.sent.kind]), []).append(exchange)
    made: list[tuple[str, Table]] = []
    names: Counter[str] = Counter()
    for (kind, _), alike in groups.items():
        table, guesses = _table(alike, values)
        names[table["name"]] += 1
        if names[table["name"]] > 1:
            table["name"] += f"-{names[table['name']]}"
        place = ("login", len(made))
        draft.guesses |= {(*place, *path): guess for path, guess in guesses.items()}
        draft.guesses[place] = Guess("its answer holds what is sent later, or it carries a password", "likely")
        made.append((kind, table))
    return made


def _table(exchanges: Sequence[HttpExchange], values: Values) -> tuple[Table, dict[Path, Guess]]:
    first = exchanges[0]
    request, document = first.request, first.sent.document
    found: dict[Path, InferredValue] = {}
    for path in first.sent.fields:
        value = values.of([exchange.sent for exchange in exchanges], path, setup=True)
        if value is not None and not ("random" in value.text and path[0] in ("path", "query")):
            value.guess.why = f"{'.'.join(path)} {value.guess.why}"
            found[path] = value
    label = re.sub(r"\W+", "-", request.url.partition("?")[0].rpartition("/")[2])[:40].strip("-")
    # "login" is the name of all requests together.
    name = "session" if label == "login" else label or "page"
    table: Table = {"name": name, request.method.lower(): url_text(request.url, found)}
    kept = told_headers(request.headers)
    headers = {n: header_text(n, v, found) for n, v in kept if n.lower() not in ("content-type", "referer")}
    for part in ("json", "form", "body"):
        if part in document:
            table |= templated(part, document[part], (part,), found, text="body")
    if "body" in table:
        headers |= {n: v for n, v in kept if n.lower() == "content-type"}
    if headers:
        table["headers"] = headers
    return table, {path: value.guess for path, value in found.items() if path[0] in table}


def attach(tables: Sequence[tuple[str, Table]], values: Values) -> None:
    """Put each variable that comes from an HTTP answer at its request."""
    for capture in values.shared.values():
        table = next(table for kind, table in tables if kind == capture.kind)
        table.setdefault("capture", {})[capture.name] = dotted_path(capture.path)
