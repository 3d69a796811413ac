"""Addresses in text: WebSocket URLs, Unix sockets, host:port, and the HTTP address of health endpoints."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlsplit

from wstui.scenario.errors import BadValue, nearest
from wstui.scenario.placeholder import without_placeholders
from wstui.scenario.secrets import mask_url

_WEB = {"http": "ws", "https": "wss"}
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NOT_IN_A_NAME = re.compile(r"[\x00-\x20\x7f\"#%/:<>?@\[\\\]^`{|}]")
_JOINERS = "\u200c\u200d"
_IN_BRACKETS = re.compile(r"\[([^\[\]]*)\](?::\d*)?")
_ALLOWED = "%:/?[]@!$&'()*+,;="  # beside letters, digits and -._~; RFC 3986 3.3 and 3.4
_UNIX = "ws+unix:"
_UNIX_LIMIT = 107  # bytes of a path; sockaddr_un has room for no more


@dataclass(frozen=True)
class Address:
    """Where a WebSocket URL leads: `host` is what Host and SNI name, `node` what is connected to.

    It has what WebSocketURI has, which is not used because websockets takes long to import.
    """

    secure: bool
    host: str
    port: int
    path: str
    query: str
    username: str | None = None
    password: str | None = None
    zone: str = ""  # of an IPv6 address: it means something on this machine only (RFC 6874 1)

    @property
    def resource_name(self) -> str:
        """The path and query of the request."""
        return (self.path or "/") + (f"?{self.query}" if self.query else "")

    @property
    def user_info(self) -> tuple[str, str] | None:
        """User and password, if the URL has them. websockets reads it: an address stands in for its `WebSocketURI`."""
        return None if self.username is None else (self.username, self.password or "")

    @property
    def node(self) -> str:
        """The host to look up and connect to, with the zone of an IPv6 address."""
        return f"{self.host}%{self.zone}" if self.zone else self.host

    @property
    def origin(self) -> tuple[bool, str, int]:
        """Return the part that URLs of the same server share."""
        return self.secure, self.host, self.port


def parse_address(url: str) -> Address:
    """Return the parts of a WebSocket URL as they go over the wire. Raises BadValue if a client can't connect to it.

    Escapes stay as they are; only what a URI may not hold is encoded (RFC 3987 3.1).
    """
    parts = _split(url)
    secure = parts.scheme == "wss"
    host, zone = _host(parts.hostname or "")
    username, password = parts.username, parts.password
    if username is not None:
        username, password = (unquote(part or "", errors="surrogateescape") for part in (username, password))
        if ":" in username:
            raise BadValue("has a colon in its user name, which Basic authentication can't carry")
    port = parts.port or (443 if secure else 80)
    return Address(secure, host, port, encoded(parts.path), encoded(parts.query), username, password, zone)


def check_no_placeholder(value: str) -> str:
    """Return the value. Raises BadValue for a placeholder."""
    if without_placeholders(value) != value:
        raise BadValue("may hold no placeholders: they belong to URLs, headers, subprotocols, cookies and messages")
    return value


def split_resource(url: str) -> tuple[str, str]:
    """Return a URL up to its path, and the path and query, which may hold placeholders."""
    scheme, separator, rest = url.partition("://")
    end = next((place for place, char in enumerate(rest) if char in "/?#"), len(rest))
    return f"{scheme}{separator}{rest[:end]}", rest[end:]


def static_url(url: str) -> str:
    """Return a URL with zeros for its placeholders. Raises BadValue if one stands before the path."""
    start, resource = split_resource(url)
    if without_placeholders(start) != start:
        raise BadValue("has a placeholder before its path: only path and query may differ from client to client")
    return start + without_placeholders(resource, "0")


def check_websocket_url(url: str) -> str:
    """Return the URL if a client can connect to it. Raises BadValue with what to write instead."""
    scheme, separator, rest = url.partition("://")
    if not url.strip():
        raise BadValue('is empty: write the server\'s address, such as "ws://localhost:3001/ws"')
    if not separator:
        guess = f"ws://{url}" if re.fullmatch(r"[\w.\-]+(:\d+)?(/\S*)?|\[[\da-fA-F:.]+\](:\d+)?(/\S*)?", url) else ""
        raise BadValue("is not a WebSocket URL: it does not begin with ws:// or wss://", guess)
    if scheme.lower() in _WEB:
        raise BadValue("is a web address, not a WebSocket URL", mask_url(f"{_WEB[scheme.lower()]}://{rest}"))
    if scheme.lower() not in ("ws", "wss"):
        near = nearest(scheme, ("ws", "wss"))
        guess = mask_url(f"{near}://{rest}") if near else ""
        raise BadValue("is not a WebSocket URL: it does not begin with ws:// or wss://", guess)
    static = static_url(url)
    parse_address(static)
    if "#" in static:
        raise BadValue("has a fragment, which WebSocket URLs may not have", mask_url(url.partition("#")[0]))
    return url


def check_role_url(url: str) -> str:
    """Return "", or the URL of a role's own."""
    return check_websocket_url(url) if url else url


def check_http_url(url: str) -> str:
    """Return "", or the URL of a request. Raises BadValue with what to write instead."""
    if not url:
        return url
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in _WEB:
        guess = {"ws": "http", "wss": "https"}.get(scheme.lower())
        raise BadValue("is not an http:// or https:// URL", mask_url(f"{guess}://{rest}") if guess else "")
    http_address(url)
    if "#" in static_url(url):
        raise BadValue("has a fragment, which is never sent", mask_url(url.partition("#")[0]))
    return url


def http_address(url: str) -> Address:
    """Return where a request goes; its path and query have zeros for placeholders."""
    scheme, _, rest = static_url(url).partition("://")
    return parse_address(f"{websocket_scheme(scheme)}://{rest}")


def websocket_scheme(scheme: str) -> str:
    """Return "wss" for "https", else "ws"."""
    return _WEB[scheme.lower()]


def check_health(health: str) -> str:
    """Return "auto", "off", or the base URL of the health endpoints."""
    if health in ("auto", "off"):
        return health
    scheme, separator, rest = health.partition("://")
    if not separator:
        raise BadValue('is not "auto", "off" or an http:// URL', nearest(health, ("auto", "off")))
    if scheme.lower() not in _WEB:
        guess = {"ws": "http", "wss": "https"}.get(scheme.lower())
        raise BadValue("is not an http:// or https:// URL", mask_url(f"{guess}://{rest}") if guess else "")
    node_of(_split(health).hostname or "")
    return health


def node_of(host: str) -> str:
    """Return a host as it is looked up and connected to: a name in ASCII, an IPv6 address with its zone."""
    name, zone = _host(host)
    return f"{name}%{zone}" if zone else name


def encoded(text: str) -> str:
    """Return a path or query as a URL may hold it; escapes and delimiters stay."""
    return quote(_STRAY_PERCENT.sub("%25", text), safe=_ALLOWED)


def quote_all(text: str) -> str:
    """Return a text with all but letters, digits and -._~ escaped."""
    return quote(text, safe="")


def _host(host: str) -> tuple[str, str]:
    """Return a host as Host, SNI and DNS name it, and the zone of an IPv6 address, "" without one."""
    if ":" in host:
        address, percent, zone = host.partition("%")
        zone = zone.removeprefix("25") or zone
        if percent and not zone:
            raise BadValue("has an IPv6 address with an empty zone")
        known = ipaddress.IPv6Address(address)
        return _spelled(known), zone if known.is_link_local else ""  # only there do systems take one
    name = unquote(host)
    if not name.isascii():
        name = _idna(name)
    labels = name.removesuffix(".").split(".")
    if _NOT_IN_A_NAME.search(name) or len(name) > 254 or not all(0 < len(label) < 64 for label in labels):
        raise BadValue(f"is not a valid host: {host!r}")
    return name.lower(), ""


def _spelled(address: ipaddress.IPv6Address) -> str:
    """Return an address as browsers write it: in hexadecimal alone, which Python 3.13 gave up for mapped ones."""
    if address.ipv4_mapped is None:
        return str(address)
    high, low = divmod(int(address.ipv4_mapped), 1 << 16)
    return f"::ffff:{high:x}:{low:x}"


def _idna(name: str) -> str:
    """Return a name with letters beyond ASCII as DNS has it: IDNA 2008, after the mapping that browsers do (UTS 46)."""
    import idna  # its tables take 10 ms, and hardly any URL needs them

    try:
        labels = idna.uts46_remap(name, std3_rules=False).split(".")
        return ".".join(label if label.isascii() else idna.alabel(label).decode() for label in labels)
    except idna.IDNAError as error:
        raise BadValue(
            f"names a host that is not a domain name: {error}. A name that exists all the same has a form in ASCII "
            "(xn--…): write that"
        ) from None


def check_printable(text: str) -> None:
    """Raise BadValue for a character that an address can't have. Joiners are letters of some scripts."""
    if any(c not in _JOINERS and (c.isspace() or not c.isprintable()) for c in text):
        raise BadValue("has a blank or a control character in it")


def check_brackets(place: str) -> None:
    """Raise BadValue for a host and port whose brackets hold, or stand beside, what is not an IPv6 address."""
    if "[" not in place and "]" not in place:
        return
    match = _IN_BRACKETS.fullmatch(place.rpartition("@")[2])
    if match is None:
        raise BadValue('has more than an IPv6 address around the brackets of its host: write "[::1]" or "[::1]:8443"')
    if match[1][:1] in ("v", "V"):
        raise BadValue(
            "has an address of a future version in the brackets of its host (IPvFuture), and there is none: "
            'write a name, or an IPv6 address such as "[::1]"'
        )
    try:
        ipaddress.IPv6Address(match[1].partition("%")[0])
    except ValueError:
        raise BadValue('has no IPv6 address in the brackets of its host: write one, such as "[::1]"') from None


def _split(url: str) -> SplitResult:
    check_printable(url)
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname
    except ValueError as error:
        raise BadValue(f"is not a valid URL: {str(error).partition(' as ')[0]}") from None
    check_brackets(parts.netloc)
    if not host:
        raise BadValue("names no host")
    if port == 0:
        raise BadValue("has port 0: ports are 1 to 65535")
    return parts


def is_unix(url: str) -> bool:
    """Return whether a URL names a Unix socket."""
    return url[: len(_UNIX)].lower() == _UNIX


def split_unix(url: str) -> tuple[str, str]:
    """The path of the socket and the request's path of ws+unix:/run/app.sock:/ws?x=1."""
    path, _, request = url[len(_UNIX) :].partition(":")
    if path.startswith("///"):
        path = path[2:]
    return path, request if request.startswith("/") else f"/{request}"


def check_target_url(url: str) -> str:
    """The URL of a WebSocket server, also behind a Unix socket; `BadValue` says what to write."""
    scheme = url.partition(":")[0].lower()
    if scheme == "wss+unix":
        raise BadValue("is encrypted, which a Unix socket here is not", f"ws{url[3:]}")
    if not is_unix(url):
        return check_websocket_url(url)
    if "#" in without_placeholders(url):
        raise BadValue("has a fragment, which WebSocket URLs may not have", url.partition("#")[0])
    path, request = split_unix(url)
    if not path.startswith("/") or path.startswith("//"):
        raise BadValue("has no absolute path to a socket: write ws+unix:/run/app.sock:/ws")
    if len(os.fsencode(path)) > _UNIX_LIMIT:
        raise BadValue(f"has a path of more than {_UNIX_LIMIT} bytes, the most that a Unix socket may have")
    check_websocket_url(f"ws://localhost{request}")
    if not path.isprintable():
        raise BadValue("has a control character in it")
    return url


def parse_endpoint(text: str) -> tuple[str, int]:
    """The host and the port of "host:port"."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or not port or "@" in text or parts.path or parts.query or parts.fragment:
        raise BadValue('is not an address: write "host:port", an IPv6 address in brackets: "[::1]:8443"')
    check_brackets(parts.netloc)
    return node_of(host), port


def check_connect_to(text: str) -> str:
    """Return "", or an address to connect to."""
    text = text.strip()
    if text:
        check_printable(text)
        parse_endpoint(text)
    return text


def same_origin(url: str) -> str:
    """Return the Origin of a page that the server of a URL serves itself, or "" if the URL does not name it."""
    found = re.match(r"ws(s?)://(?:[^/?@]*@)?([^/?{}]+)(?:[/?]|$)", url)
    return f"http{found[1]}://{found[2]}" if found else ""
