"""Parse proxies, and find the one that the environment names for a target."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from wstui.scenario.errors import BadValue, nearest
from wstui.scenario.url import check_brackets, check_printable, node_of

DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_SAME_AS = {"socks": "socks5h"}  # as desktops write it
_OFF = {"off": "off", "none": "off", "env": "env"}
_USER_LIMIT = 255  # bytes; RFC 1929


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that is asked with CONNECT, or a SOCKS 5 one; with `socks5h` the proxy looks names up."""

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        return join_address(self.host, self.port)

    @property
    def shown(self) -> str:
        """The URL with credentials masked."""
        return f"{self.scheme}://{'***@' if self.user is not None else ''}{self.place}"

    @property
    def url(self) -> str:
        """The URL with credentials."""
        user = "" if self.user is None else f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@"
        return f"{self.scheme}://{user}{self.place}"

    @property
    def secrets(self) -> list[str]:
        """Its secrets: the password as such, as in the URL, and as sent."""
        if not self.password:
            return [self.user] if self.user else []
        basic = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return [self.password, quote(self.password, safe=""), basic]

    @property
    def looks_up(self) -> bool:
        """Return whether the proxy resolves the target's name, not this machine."""
        return self.scheme != "socks5"


def join_address(host: str, port: int) -> str:
    """Return "host:port", with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_proxy(text: str) -> str:
    """Return "env", "off", or the URL of a proxy, always with a scheme."""
    text = text.strip()
    if known := _OFF.get(text.lower()):
        return known
    parse_proxy(text)
    return text if "://" in text else f"http://{text}"


def parse_proxy(text: str) -> Proxy:
    """Return the proxy of a URL; without a scheme it is HTTP, as for curl. A BadValue contains no part of it."""
    text = text.strip()
    if not text:
        raise BadValue('is empty: write "env", "off", or a URL such as "http://127.0.0.1:3128"')
    check_printable(text)
    scheme, separator, _ = text.partition("://")
    scheme = _SAME_AS.get(scheme.lower(), scheme.lower()) if separator else "http"
    if scheme not in DEFAULT_PORTS:
        near = nearest(scheme, tuple(DEFAULT_PORTS))
        raise BadValue("is not a proxy that wstui speaks to: write http://, https://, socks5:// or socks5h://", near)
    try:
        parts = urlsplit(text if separator else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadValue(f"is not a valid URL: {str(error).partition(' as ')[0]}") from None
    check_brackets(parts.netloc)
    if not host or (not separator and ":" not in text and "." not in text):
        near = nearest(text, ("env", "off", "none")) if not separator else ""
        raise BadValue('names no host: write "env", "off", or a URL such as "http://127.0.0.1:3128"', near)
    if port == 0:
        raise BadValue("has port 0: ports are 1 to 65535")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BadValue("has a path, a query or a fragment: a proxy is a host and a port")
    user = None if parts.username is None else unquote(parts.username)
    password = unquote(parts.password or "")
    if user is not None:
        _check_credentials(scheme, user, password)
    try:
        host = node_of(host)
    except BadValue as error:
        raise BadValue(error.message.partition(":")[0]) from None  # it may hold a password
    return Proxy(scheme, host, port or DEFAULT_PORTS[scheme], user, password)


def _check_credentials(scheme: str, user: str, password: str) -> None:
    if not (user + password).isprintable():
        raise BadValue("has a control character in its user or password")
    if scheme.startswith("socks"):
        if not (user + password).isascii():
            raise BadValue("has a user or password with letters beyond ASCII, which SOCKS cannot carry for sure")
        if not user or not password or max(len(user), len(password)) > _USER_LIMIT:
            raise BadValue(f"needs a user and a password of 1 to {_USER_LIMIT} bytes each, or neither")
    elif ":" in user:
        raise BadValue("has a colon in its user, which Basic credentials cannot carry")


def proxy_variable(secure: bool, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the proxy that the environment sets for ws:// or wss://, and its variable; "" if unset.

    As curl: wss_proxy, https_proxy and all_proxy, or ws_proxy, http_proxy and all_proxy; a name in lower case counts
    before the same in upper case.
    """
    for name in ("wss_proxy", "https_proxy", "all_proxy") if secure else ("ws_proxy", "http_proxy", "all_proxy"):
        variable = name if name in environ else name.upper()
        if variable == "HTTP_PROXY" and "REQUEST_METHOD" in environ:
            continue  # under CGI it is a header of the request (httpoxy)
        if value := environ.get(variable, "").strip():
            return value, variable
    return "", ""


def exempt_by(host: str, port: int, environ: Mapping[str, str]) -> str:
    """Return the entry of NO_PROXY that exempts a target from the environment's proxy, or "".

    Names match themselves and everything below them, addresses themselves or a network (10.0.0.0/8), both with a
    port or without; * matches all. Names are not looked up for this.
    """
    listed: str = environ["no_proxy"] if "no_proxy" in environ else environ.get("NO_PROXY", "")
    host = host.lower().rstrip(".")
    address = _address(host)
    entries: list[str] = re.findall(r"[^,\s]+", listed)
    for entry in entries:
        name, only = _split_port(entry.lower())
        if only and only != str(port):
            continue
        if name == "*":
            return entry
        if address is not None:
            try:
                if address in ipaddress.ip_network(name, strict=False):
                    return entry
            except ValueError:
                pass
            continue
        name = name.removeprefix("*").strip(".")
        if not name.isascii():
            with contextlib.suppress(BadValue):
                name = node_of(name)
        if name and (host == name or host.endswith(f".{name}")):
            return entry
    return ""


def _split_port(entry: str) -> tuple[str, str]:
    if entry.startswith("["):
        name, _, port = entry[1:].partition("]")
        return name, port.removeprefix(":")
    name, _, port = entry.partition(":")
    return (entry, "") if ":" in port else (name, port)  # an IPv6 address


def is_address(host: str) -> bool:
    """Return whether a host is an IP address, not a name."""
    return _address(host) is not None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
