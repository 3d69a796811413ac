"""The meaning of a failed attempt and its remedy: one wording for first client, checks and findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from wstui.load.connect_outcome import Cause
from wstui.load.refusal import REDIRECTS, Refusal
from wstui.load.tls_failure import fix_of
from wstui.scenario.secrets import is_secret_header, secrets_in_url
from wstui.scenario.units import parse_duration

Advice = tuple[str, str]
"""The explanation and the remedy."""
Data = Mapping[str, Any]
"""A scenario as plain data, with its secrets masked."""

_BY_STATUS = {
    400: "the server finds the request broken: check target.url, target.headers and target.subprotocols",
    403: "the token or the origin is not allowed to connect: check [auth] and target.origin",
    404: "check the path in target.url",
    405: "check the path in target.url: the server takes no GET there",
    407: "a proxy between wants a user and a password",
    421: "the server does not serve this name: check the host in target.url, or target.headers.Host",
    426: "the path is right but the server wants another protocol version",
    429: "its rate limit is reached: wait, or ramp more slowly",
    500: "the server failed: look in its log",
    502: "the proxy answered, the server behind it did not: is that one running?",
    503: "it is overloaded, starting or shutting down: check its health",
    504: "the proxy answered, the server behind it did not: is that one running?",
}
_OTHERWISE = "check that target.url is its WebSocket endpoint"
_PLAIN_ON_TLS = ("request was sent to https", "request to an https", "plain http to an ssl")
_NO_CERTIFICATE = ("no required ssl certificate", "ssl certificate error", "client certificate")


def of_refusal(refusal: Refusal, scenario: Data, place: str) -> Advice:
    """An upgrade that was answered, and not with one."""
    cause = refusal.cause
    if not refusal.status:
        return of_cause(cause, scenario, place, refusal.detail)
    if refusal.status in REDIRECTS and refusal.location is not None:
        what, _, fix = cause.message.partition(": ")
        return f"{place} answered with a redirect, {what}{f' ({refusal.detail})' if refusal.detail else ''}", fix
    if refusal.http_1_0:
        what = f"{place} did not answer the upgrade with HTTP/1.1, but with HTTP/1.0: {cause.message}"
        return what, "is it a WebSocket server?"
    said = f" ({refusal.text})" if refusal.text else ""
    fix = for_status(refusal.status, scenario, refusal.text, refusal.challenge)
    return f"{place} refused the first client with {cause.message}{said}", fix


def for_status(status: int, scenario: Data, said: str = "", challenge: str = "") -> str:
    """The remedy for an HTTP status; `challenge`: the scheme of its WWW-Authenticate."""
    words = said.lower()
    if any(phrase in words for phrase in _PLAIN_ON_TLS):
        return "the port speaks TLS: write wss:// in target.url"
    if any(phrase in words for phrase in _NO_CERTIFICATE):
        return "the server wants a client certificate: target.cert_file"
    return _unauthorized(scenario, challenge) if status == 401 else _BY_STATUS.get(status, _OTHERWISE)


def for_failure(kind: str, message: str, detail: str, scenario: Data) -> str:
    """The remedy for a group of failures, as a result has it; "" where only the server's log can tell."""
    if message.endswith(": set target.url to it"):
        return "set target.url to it"
    status = kind.removeprefix("http ")
    if status != kind and status.isdigit():
        challenge = detail.partition("www-authenticate ")[2].partition(" ")[0].lower()
        return for_status(int(status), scenario, detail, challenge)
    return of_cause(Cause(kind, message), scenario, "the server")[1] if kind in ("tls", "handshake") else ""


def of_cause(cause: Cause, scenario: Data, place: str, detail: str = "") -> Advice:
    """An attempt that ended below HTTP, or without a valid answer."""
    secure = urlsplit(str(scenario["target"]["url"])).scheme.lower() == "wss"
    message = cause.message
    said = f" ({message}{f': {detail}' if detail else ''})"
    if cause.local:
        return f"the first client failed on this machine ({message})", "mend what the message names"
    if cause.kind == "tls":
        return f"{place}: {message.removesuffix(': target.cert_file')}", fix_of(message)
    if cause.kind == "connect timeout":
        wait = parse_duration(scenario["target"]["connect_timeout"])
        other = ", or does it want ws://" if secure else ""
        part = "TLS handshake" if "TLS" in message else "upgrade"
        what = f"{place} accepts connections but did not answer the {part} within {wait:g} s"
        return what, f"is it a WebSocket server{other}?"
    if cause.kind == "handshake" and message.startswith("invalid upgrade"):
        what = f"{place} answered the upgrade wrongly ({message.partition(': ')[2]}{f': {detail}' if detail else ''})"
        subprotocol = "target.subprotocols: name what the server speaks, or none"
        return what, subprotocol if "subprotocol" in message else "is target.url its WebSocket endpoint?"
    if cause.kind == "handshake" and "larger than" in message:
        return f"{place} answered with too much ({message})", "look at what its headers carry"
    if cause.kind in ("handshake", "reset"):
        if "TLS" in message:
            return f"{place} did not answer the upgrade with HTTP/1.1{said}", "write wss:// in target.url"
        other = "is it a WebSocket server?" if secure else "is it a WebSocket server, or does it want wss://?"
        return f"{place} did not answer the upgrade with HTTP/1.1{said}", other
    return f"{place} failed during the handshake ({message})", "look in the server's log"


def _unauthorized(scenario: Data, challenge: str) -> str:
    """Return the remedy for 401, by the clients' credentials and what the server asks for."""
    auth = scenario["auth"]
    brought = list(_brought(scenario))
    if challenge == "basic" and not any("user" in name or "Authorization" in name for name in brought):
        return 'it asks for a user and a password: target.url = "ws://USER:${WS_PASSWORD}@HOST/…"'
    if challenge in ("digest", "negotiate", "ntlm"):
        return f"it asks for {challenge.capitalize()}, which wstui does not speak: set target.headers.Authorization"
    odin = " (`wstui token` makes one for the Odin server)" if scenario["messages"]["exchange"] == "odin" else ""
    if auth["kind"] in ("jwt", "mix"):
        return "it does not take the tokens that wstui signs: is auth.secret (JWT_SECRET) the server's?"
    if auth["kind"] == "token" or not brought:
        where = f", sent as {auth['send_as']} (auth.send_as)" if auth["kind"] == "token" else ""
        return f"set AUTH_TOKEN to a valid token{where}{odin}"
    return f"it does not accept {' and '.join(brought)}: still valid, and what the server expects?"


def _brought(scenario: Data) -> Iterator[str]:
    """Return the credentials of clients besides [auth]."""
    target = scenario["target"]
    url = str(target["url"])
    if "@" in urlsplit(url).netloc:
        yield "user and password in target.url"
    if secrets_in_url(url.rpartition("@")[2]):
        yield "the token in target.url"
    yield from (f"target.headers.{name}" for name in target["headers"] if is_secret_header(name))
