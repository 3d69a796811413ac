"""Which texts name a WebSocket server, or the HTTP address of its health endpoints."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from wstui.scenario.errors import BadValue, nearest
from wstui.scenario.masking import mask_url

_WEB = {"http": "ws", "https": "wss"}


def check_websocket_url(url: str) -> str:
    """The URL, when a client can connect to it; `BadValue` says why not and what to write."""
    scheme, separator, rest = url.partition("://")
    if not url.strip():
        raise BadValue('is empty: write the server\'s address, such as "ws://localhost:3001/ws"')
    if not separator:
        guess = f"ws://{url}" if re.fullmatch(r"[\w.\-\[\]:]+(/\S*)?", url) else ""
        raise BadValue("is no WebSocket URL: it does not begin with ws:// or wss://", guess)
    if scheme.lower() in _WEB:
        raise BadValue("is a web address, not a WebSocket URL", mask_url(f"{_WEB[scheme.lower()]}://{rest}"))
    if scheme.lower() not in ("ws", "wss"):
        near = nearest(scheme, ("ws", "wss"))
        guess = mask_url(f"{near}://{rest}") if near else ""
        raise BadValue("is no WebSocket URL: it does not begin with ws:// or wss://", guess)
    _check_address(url)
    if "#" in url:
        raise BadValue("has a fragment, which WebSocket URLs may not have", mask_url(url.partition("#")[0]))
    return url


def check_health(health: str) -> str:
    """ "auto", "off", or the base URL of the health endpoints."""
    if health in ("auto", "off"):
        return health
    scheme, separator, rest = health.partition("://")
    if not separator:
        raise BadValue('is not "auto", "off" or an http:// URL', nearest(health, ("auto", "off")))
    if scheme.lower() not in _WEB:
        guess = {"ws": "http", "wss": "https"}.get(scheme.lower())
        raise BadValue("is no http:// or https:// URL", mask_url(f"{guess}://{rest}") if guess else "")
    _check_address(health)
    return health


def _check_address(url: str) -> None:
    if any(c.isspace() or not c.isprintable() for c in url):
        raise BadValue("has a blank or a control character in it")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname
    except ValueError as error:
        raise BadValue(f"is no valid URL: {str(error).partition(' as ')[0]}") from None
    if not host:
        raise BadValue("names no host")
    if port == 0:
        raise BadValue("has port 0: ports are 1 to 65535")
