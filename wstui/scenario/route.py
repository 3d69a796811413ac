"""The route from a worker to the target: direct, to another address, over a Unix socket, or by proxy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from wstui.scenario.errors import BadValue
from wstui.scenario.model import Scenario
from wstui.scenario.proxy import Proxy, exempt_by, join_address, parse_proxy, proxy_variable
from wstui.scenario.url import is_unix, parse_address, parse_endpoint, split_unix, static_url


@dataclass(frozen=True, slots=True)
class Route:
    """How a target is reached. `host` and `port` are connected to, or asked of the proxy."""

    host: str
    port: int
    unix: str = ""  # the path of a socket, in place of host and port
    proxy: Proxy | None = None
    source: str = ""  # what names the proxy: target.proxy, or a variable
    moved: bool = False  # by target.connect_to
    exempt: str = ""  # the entry of NO_PROXY because of which no proxy is taken

    @property
    def first_hop(self) -> tuple[str, int]:
        """Return the host and port that this machine connects to; the host is "" for a Unix socket."""
        if self.unix:
            return "", 0
        return (self.proxy.host, self.proxy.port) if self.proxy is not None else (self.host, self.port)

    @property
    def shown(self) -> str:
        """The route in words, without secrets; "" for a direct one."""
        parts = []
        if self.unix:
            parts.append(f"over the Unix socket {self.unix}")
        if self.moved:
            parts.append(f"connected to {join_address(self.host, self.port)}")
        if self.proxy is not None:
            parts.append(f"through the proxy {self.proxy.shown} ({self.source})")
        if self.exempt:
            parts.append(f"no proxy (NO_PROXY has {self.exempt})")
        return ", ".join(parts)


def route_of(scenario: Scenario, environ: Mapping[str, str] | None = None) -> Route:
    """Return the route to a scenario's target. Raises BadValue if an environment variable is not a proxy."""
    target = scenario.target
    if is_unix(target.url):
        return Route("localhost", 80, unix=split_unix(target.url)[0])
    address = parse_address(static_url(target.url))
    host, port = address.node, address.port
    connect = parse_endpoint(target.connect_to) if target.connect_to else (host, port)
    proxy, source, exempt = proxy_for(target.proxy, address.secure, host, port, environ)
    return Route(*connect, proxy=proxy, source=source, moved=bool(target.connect_to), exempt=exempt)


def proxy_for(
    wanted: str, secure: bool, host: str, port: int, environ: Mapping[str, str] | None = None
) -> tuple[Proxy | None, str, str]:
    """Return the proxy for a server, what sets it, and what exempts the server from it."""
    if wanted == "off":
        return None, "", ""
    if wanted != "env":
        return parse_proxy(wanted), "target.proxy", ""
    environ = os.environ if environ is None else environ
    text, variable = proxy_variable(secure, environ)
    if not text:
        return None, "", ""
    if exempt := exempt_by(host, port, environ):
        return None, "", exempt
    try:
        return parse_proxy(text), variable, ""
    except BadValue as error:
        raise BadValue(f"takes {variable} from the environment, which {error.message}") from None
