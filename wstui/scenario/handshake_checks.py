"""What of a scenario the upgrade request can't carry, or would carry twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from wstui.scenario.env_refs import may_be_empty, names_in
from wstui.scenario.errors import Key, dotted
from wstui.scenario.file_refs import is_shipped
from wstui.scenario.model import Scenario
from wstui.scenario.problem import Conflict
from wstui.scenario.types import header_fault, is_http_token

VARIABLES = {"token": "AUTH_TOKEN", "secret": "JWT_SECRET"}
"""Where secrets of [auth] come from unless a preset refers to another variable."""
_NO_TOKEN = "has a character that a subprotocol can't have: send it as header or query (auth.send_as)"


def handshake_findings(scenario: Scenario) -> Iterator[Conflict]:
    """Tokens that can't travel as told, and credentials that are there twice. No message holds a value."""
    yield from _unset_findings(scenario)
    yield from _token_findings(scenario)
    places = credentials(scenario)
    if len(places) > 1:
        (_, key), others = places[-1], [name for name, _ in places[:-1]]
        message = f"and {' and '.join(others)} both say who clients are: keep one of them"
        yield Conflict(key, message, rests_on=(("target", "url"), ("target", "headers"), ("auth",)))
    query = dict(parse_qsl(urlsplit(scenario.target.url).query, keep_blank_values=True))
    if "token" in query and _sends(scenario, "query"):
        yield Conflict(
            ("auth", "token") if scenario.auth.kind == "token" else ("auth", "kind"),
            "and token= in target.url both say who clients are: keep one of them",
            rests_on=(("target", "url"), ("auth",)),
        )


def credentials(scenario: Scenario) -> list[tuple[str, Key]]:
    """Where the Authorization header comes from: the name of each source for people, and its key."""
    places: list[tuple[str, Key]] = []
    if urlsplit(scenario.target.url).username is not None:
        places.append(("user and password in target.url", ("target", "url")))
    for name in scenario.target.headers:
        if name.lower() == "authorization":
            key: Key = ("target", "headers", name)
            places.append((dotted(key), key))
    if _sends(scenario, "header"):
        places.append(("the token of [auth]", ("auth", "send_as")))
    return places


def handshake_warnings(scenario: Scenario) -> Iterator[str]:
    """What is there and is not sent."""
    target = scenario.target
    if target.origin and (name := next((name for name in target.headers if name.lower() == "origin"), "")):
        yield f"target.origin has no effect: {dotted(('target', 'headers', name))} replaces it."


def goes_without_token(scenario: Scenario) -> bool:
    """Whether clients bring no token although one was asked for: a reference such as ${AUTH_TOKEN:-} allows that."""
    return scenario.auth.kind == "token" and not scenario.auth.token.get_secret_value()


def _unset_findings(scenario: Scenario) -> Iterator[Conflict]:
    """Secrets that a run needs, and that the environment does not have."""
    kind, rests_on = scenario.auth.kind, (("auth", "kind"),)
    if kind in ("jwt", "mix") and not scenario.auth.secret.get_secret_value():
        is_own = ("auth", "secret") in scenario.origin.references and is_shipped(scenario.origin.file)
        demo = f", or run `wstui demo {Path(scenario.origin.file).stem}`" if is_own else ""
        message = f"{_variable(scenario, 'secret')} is not set: the clients' tokens can't be signed; set it{demo}"
        yield Conflict(("auth", "secret"), message, rests_on=rests_on, unset=True)
    if goes_without_token(scenario):
        written = scenario.origin.references.get(("auth", "token"))
        if written is None or not may_be_empty(written.raw):
            name = _variable(scenario, "token")
            message = f'is empty: set {name}, or write token = "${{{name}:-}}" where clients may come without one'
            yield Conflict(("auth", "token"), message, rests_on=rests_on, unset=True)


def _variable(scenario: Scenario, name: str) -> str:
    """The variable that a secret comes from."""
    written = scenario.origin.references.get(("auth", name))
    names = names_in(written.raw) if written is not None else []
    return names[0] if names else VARIABLES[name]


def _sends(scenario: Scenario, way: str) -> bool:
    auth = scenario.auth
    return auth.send_as == way and (auth.kind in ("jwt", "mix") or bool(auth.kind == "token" and auth.token))


def _token_findings(scenario: Scenario) -> Iterator[Conflict]:
    auth = scenario.auth
    token = auth.token.get_secret_value()
    if auth.kind != "token" or not token:
        return
    if auth.send_as == "header":
        fault = header_fault(token)
    elif auth.send_as == "subprotocol":
        fault = "" if is_http_token(token) else _NO_TOKEN
    else:
        fault = "" if _is_text(token) else "is not valid UTF-8"
    if fault:
        yield Conflict(("auth", "token"), fault, rests_on=(("auth", "send_as"), ("auth", "kind")))


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
