"""Check how a target is reached: credentials, route, certificates and pings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from wstui.scenario.conversation.role import Role
from wstui.scenario.env_refs import may_be_empty, names_in
from wstui.scenario.errors import BadValue, Conflict, Key, dotted, quote
from wstui.scenario.file_refs import is_shipped, located
from wstui.scenario.hosts import is_loopback
from wstui.scenario.http_text import header_fault, is_http_token
from wstui.scenario.identity_checks import checked_feed
from wstui.scenario.model import Scenario
from wstui.scenario.placeholder import without_placeholders
from wstui.scenario.proxy import is_address
from wstui.scenario.route import route_of
from wstui.scenario.secret_fields import VARIABLES
from wstui.scenario.secrets import mask_url
from wstui.scenario.target import Target
from wstui.scenario.url import is_unix

_NO_TOKEN = "has a character that a subprotocol can't have: send it as header or query (auth.send_as)"


def target_findings(scenario: Scenario) -> Iterator[Conflict]:
    """Yield every conflict in how the target is reached."""
    yield from _handshake_findings(scenario)
    yield from _route_findings(scenario)
    yield from _tls_findings(scenario)


def target_warnings(scenario: Scenario) -> Iterator[str]:
    """Yield settings of the target and the route that have no effect or are probably a mistake."""
    target = scenario.target
    yield from _route_warnings(scenario)
    if target.origin and (name := next((name for name in target.headers if name.lower() == "origin"), "")):
        yield f"target.origin has no effect: {dotted(('target', 'headers', name))} replaces it."
    if not target.url.lower().startswith("wss:"):
        for name in ("ca_file", "cert_file", "insecure"):
            if getattr(target, name):
                yield f"target.{name} has no effect: {target.url.partition(':')[0]}: is not encrypted."


def _handshake_findings(scenario: Scenario) -> Iterator[Conflict]:
    """Yield conflicts of tokens and credentials, without their values."""
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
    """Return each source of the Authorization header in words, with its key."""
    places: list[tuple[str, Key]] = []
    if urlsplit(scenario.target.url).username is not None:
        places.append(("user and password in target.url", ("target", "url")))
    for name in scenario.target.headers:
        if name.lower() == "authorization":
            key: Key = ("target", "headers", name)
            places.append((dotted(key), key))
    if scenario.auth.kind == "basic":
        places.append(("the user of [auth]", ("auth", "user")))
    if _sends(scenario, "header"):
        places.append(("the token of [auth]", ("auth", "send_as")))
    return places


def goes_without_token(scenario: Scenario) -> bool:
    """Return whether clients have no token although auth.kind asks for one, as ${AUTH_TOKEN:-} allows."""
    return scenario.auth.kind == "token" and not scenario.auth.token.get_secret_value()


def _unset_findings(scenario: Scenario) -> Iterator[Conflict]:
    """Yield secrets that a run needs and the environment lacks."""
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
    """Return the variable that a secret comes from."""
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
        fault = "" if is_http_token(without_placeholders(token, "0")) else _NO_TOKEN
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


def _route_findings(scenario: Scenario) -> Iterator[Conflict]:
    target = scenario.target
    if is_unix(target.url):
        for name in ("proxy", "connect_to"):
            value = getattr(target, name)
            if value not in ("", "env", "off"):
                message = "cannot be combined with a Unix socket"
                yield Conflict(("target", name), message, quote(mask_url(value)), rests_on=(("target", "url"),))
    try:
        route_of(scenario)
    except BadValue as error:
        yield Conflict(("target", "proxy"), error.message, quote(target.proxy))
    if target.ping_timeout is not None and target.ping_every is None:
        yield Conflict(("target", "ping_timeout"), 'needs pings: write ping_every = "20s" beside it')


def _route_warnings(scenario: Scenario) -> Iterator[str]:
    target, fleet = scenario.target, scenario.fleet
    try:
        route = route_of(scenario)
    except BadValue:
        return
    if route.unix and fleet.local_addresses:
        yield "fleet.local_addresses has no effect: a Unix socket has no addresses."
    if target.spread_addresses:
        if route.unix or is_address(route.host):
            yield "target.spread_addresses has no effect: the target is not a name with several addresses."
        elif route.proxy is not None and route.proxy.looks_up:
            yield "target.spread_addresses has no effect: the proxy looks the name up (socks5:// leaves that to wstui)."
    if not fleet.is_remote:
        return
    if route.unix:
        yield "target.url names a Unix socket: each machine that makes load will look for it on itself."
    elif is_loopback(route.first_hop[0]) and (route.proxy is not None or route.moved):
        yield f"each machine that makes load will look for {route.first_hop[0]} on itself."


_NO_PASSWORD = "no password"
MOST_CERTIFICATES = 1000
"""So many clients are looked at before the run whether their certificates are there."""


def _tls_findings(scenario: Scenario) -> Iterator[Conflict]:
    """Yield conflicts of ca_file, cert_file and key_file."""
    target = scenario.target
    if target.ca_file:
        authorities = located(target.ca_file, scenario.origin.file)
        if missing := _missing(authorities):
            yield Conflict(("target", "ca_file"), missing, quote(authorities))
        elif target.url.lower().startswith("wss:"):
            yield from _authority_findings(authorities)
    holders: list[tuple[Key, Target | Role]] = [(("target",), target)]
    for place, holder in [*holders, *((("roles", index), role) for index, role in enumerate(scenario.roles))]:
        if holder.key_file and not holder.cert_file:
            yield Conflict((*place, "key_file"), "needs cert_file beside it", quote(holder.key_file))
        names = {name: written for name in ("cert_file", "key_file") if (written := getattr(holder, name))}
        faults = [
            Conflict((*place, name), f"is not a file for {client}: there is no {path}" if client else why, quote(path))
            for name, written in names.items()
            for client, path in _files_of(scenario, written)
            if (why := _missing(path))
        ]
        yield from faults[:1]
        is_plain = "{{" not in "".join(names.values())
        if holder.cert_file and is_plain and not faults and (holder.url or target.url).lower().startswith("wss:"):
            files = [located(holder.cert_file, scenario.origin.file), located(holder.key_file, scenario.origin.file)]
            yield from _identity_findings(place, *files)


def _missing(path: str) -> str:
    if os.path.isfile(path):  # noqa: PTH113 - NUL is False
        return ""
    return "is not a file" + ("" if os.path.isabs(path) else f", seen from {os.getcwd()}")  # noqa: PTH109, PTH117


def _files_of(scenario: Scenario, name: str) -> Iterator[tuple[str, str]]:
    """Yield the clients, in words, and the files that a name with {{client}} or {{feed.column}} stands for."""
    file = scenario.origin.file
    if "{{" not in name:
        yield "", located(name, file)
        return
    feed = checked_feed(scenario)[0]
    for number in range(min(scenario.peak_clients or 1, MOST_CERTIFICATES)):
        path = re.sub(r"\{\{\s*client\s*\}\}", str(number), name)
        if feed is not None and feed.rows:
            for column, value in zip(feed.columns, feed.rows[number % len(feed.rows)], strict=False):
                path = re.sub(rf"\{{\{{\s*feed\.{re.escape(column)}\s*\}}\}}", value.replace("\\", r"\\"), path)
        if "{{" in path:
            return  # only known when the client connects
        yield f"client {number}", path if not file or os.path.isabs(path) else str(Path(file).parent / path)  # noqa: PTH117


def _authority_findings(path: str) -> Iterator[Conflict]:
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError):
        message = 'contains no certificate: it takes PEM ("-----BEGIN CERTIFICATE-----")'
        yield Conflict(("target", "ca_file"), message, quote(path))


def _identity_findings(place: Key, certificate: str, key: str) -> Iterator[Conflict]:
    import ssl  # takes long, and few scenarios name a file

    asked = False

    def password() -> str:
        # Without this OpenSSL would ask on the terminal.
        nonlocal asked
        asked = True
        return _NO_PASSWORD

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key or None, password)
    except (OSError, ssl.SSLError) as error:
        name, path = ("key_file", key) if key else ("cert_file", certificate)
        if asked:
            yield Conflict((*place, name), "is locked with a password: it takes a key without one", quote(path))
        elif getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            yield Conflict((*place, name), "is not the key of cert_file", quote(path))
        elif key:
            yield Conflict((*place, "cert_file"), "and key_file cannot be used: they take PEM", quote(certificate))
        else:
            message = "cannot be used: it takes PEM with a certificate and its key, or the key in key_file"
            yield Conflict((*place, "cert_file"), message, quote(certificate))
