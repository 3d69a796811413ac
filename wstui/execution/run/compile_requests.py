"""Compiles what clients are before they connect: their targets and credentials, and the HTTP requests they make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from wstui.execution.run.compile_texts import NS, TextCompiler
from wstui.load.protocol import ConnectSpec, Parts
from wstui.load.role_spec import HttpSpec, UrlSpec
from wstui.scenario.conversation.http import HttpRequest, statuses_of, without_status
from wstui.scenario.conversation.payload import json_parts
from wstui.scenario.conversation.role import Role
from wstui.scenario.file_refs import located
from wstui.scenario.lowering import spoken
from wstui.scenario.model import Scenario
from wstui.scenario.placeholder import without_placeholders
from wstui.scenario.proxy import join_address
from wstui.scenario.route import proxy_for
from wstui.scenario.target import Target
from wstui.scenario.url import (
    Address,
    encoded,
    http_address,
    parse_address,
    quote_all,
    split_resource,
    static_url,
    websocket_scheme,
)

CONTENT_TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded"}


class RequestCompiler:
    """Compiles the HTTP requests of a scenario."""

    def __init__(self, scenario: Scenario, texts: TextCompiler) -> None:
        self._scenario = scenario
        self._timeout_ns = round(scenario.http.timeout * NS)
        self._texts = texts

    def request(self, request: HttpRequest, name: str = "", number: int | None = None) -> HttpSpec:
        texts = self._texts
        number = texts.begin() if number is None else number
        address = http_address(request.url)
        proxy, moved = _way(self._scenario, address)
        start, resource = split_resource(request.url)
        scheme, _, authority = start.partition("://")
        method = request.method.upper()
        headers = {name: texts.text(value) for name, value in request.headers.items()}
        kind = next(iter(request.bodies), "")
        if kind in CONTENT_TYPES and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = [CONTENT_TYPES[kind].encode()]
        rest = without_status(request.expect)
        return HttpSpec(
            number=number,
            name=name,
            label=f"{method} {without_placeholders(resource, '…').partition('?')[0] or '/'}",
            method=method,
            url=UrlSpec(f"{websocket_scheme(scheme)}://{authority}", _resource(texts, resource), proxy, moved),
            headers=list(headers.items()),
            body=self._body(request, kind),
            within_ns=self._timeout_ns if request.within is None else round(request.within * NS),
            statuses=statuses_of(request.expect),
            expect=texts.matcher(rest) if rest else None,
            capture=[texts.capture(name, source) for name, source in request.capture.items()],
        )

    def _body(self, request: HttpRequest, kind: str) -> Parts:
        texts = self._texts
        if kind == "json":
            return texts.packed(json_parts(request.json, texts.variables))
        if kind == "form":
            pairs: Parts = []
            for name, value in request.form.items():
                pairs += [b"&" * bool(pairs) + quote_all(name).encode() + b"=", *texts.escaped(value, quote_all)]
            return pairs
        return texts.text(request.body)


def _resource(texts: TextCompiler, resource: str) -> Parts:
    """Path and query of a URL: what is written keeps its escapes, and what a client puts in is escaped."""
    resource = resource if resource.startswith("/") else f"/{resource}"
    return texts.escaped(resource, encoded)


def _way(scenario: Scenario, address: Address) -> tuple[str, str]:
    """Return the proxy for a server, and where to connect instead: target.connect_to is for the target's server."""
    target = scenario.target
    proxy, _, _ = proxy_for(target.proxy, address.secure, address.node, address.port)
    same = target.connect_to and join_address(address.host, address.port) == _target_server(target.url)
    return proxy.url if proxy is not None else "", target.connect_to if same else ""


def _target_server(url: str) -> str:
    address = parse_address(static_url(url))
    return join_address(address.host, address.port)


def varying(texts: TextCompiler, text: str) -> str | Parts:
    """A text as it is, or its parts if it differs from client to client."""
    if "{{" not in text:
        return text
    parts = texts.text(text)
    known = [part.decode() for part in parts if isinstance(part, bytes)]
    return "".join(known) if len(known) == len(parts) else parts


def with_identity(spec: ConnectSpec, target: Target, file: str, texts: TextCompiler) -> ConnectSpec:
    """Return how to connect to a target, with the texts that differ from client to client."""
    return msgspec.structs.replace(
        spec,
        resource=_differing(texts, target.url),
        headers=[(name, varying(texts, value)) for name, value in target.headers.items()],
        cookies=[(name, varying(texts, value)) for name, value in target.cookies.items()],
        subprotocols=[varying(texts, name) for name in target.subprotocols],
        cert_file=_certificate(texts, target.cert_file, file),
        key_file=_certificate(texts, target.key_file, file),
    )


def of_role(spec: ConnectSpec, role: Role, scenario: Scenario, texts: TextCompiler) -> ConnectSpec | None:
    """The target of a role, if it differs from that of the others."""
    changed: dict[str, Any] = {}
    if role.url:
        url = spoken(scenario.target.model_copy(update={"url": role.url})).url
        static = static_url(url)
        proxy, moved = _way(scenario, parse_address(static))
        changed |= {"url": static, "resource": _differing(texts, url)}
        changed |= {"proxy": proxy, "connect_to": moved, "unix": ""}
    if role.headers:
        own = {name.lower() for name in role.headers}
        kept = [(name, value) for name, value in spec.headers if name.lower() not in own]
        changed["headers"] = [*kept, *((name, varying(texts, value)) for name, value in role.headers.items())]
    if role.subprotocols:
        changed["subprotocols"] = [varying(texts, name) for name in role.subprotocols]
    if role.cert_file:
        changed["cert_file"] = _certificate(texts, role.cert_file, scenario.origin.file)
        changed["key_file"] = _certificate(texts, role.key_file, scenario.origin.file)
    return msgspec.structs.replace(spec, **changed) if changed else None


def _differing(texts: TextCompiler, url: str) -> Parts:
    resource = split_resource(url)[1]
    return _resource(texts, resource) if "{{" in resource else []


def _certificate(texts: TextCompiler, name: str, file: str) -> str | Parts:
    if "{{" not in name:
        return located(name, file)
    return varying(texts, name if not file or Path(name).is_absolute() else str(Path(file).parent / name))
