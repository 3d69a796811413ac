"""Who a client is to the target: the URL, headers and subprotocols that carry its token."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import urlencode, urlsplit, urlunsplit

from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI, parse_uri

from wstui.load.command import Spec

if TYPE_CHECKING:
    from wstui.load.mint import Mint


class Identity:
    """Gives each client number its token and puts it where the target wants it."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._shared = parse_uri(self._with_token(spec.url, spec.token if spec.auth == "token" else ""))
        self._headers = list(spec.headers)
        self._own = spec.auth in ("jwt", "mix")  # a token for each client
        self._mint: Mint | None = None

    @property
    def plain(self) -> WebSocketURI:
        """The target's URL as every client sees it that has no token of its own."""
        return self._shared

    def uri(self, number: int) -> WebSocketURI:
        """The URL for client `number`."""
        if self._own and self._spec.send_as == "query" and (token := self.token(number)):
            return parse_uri(self._with_token(self._spec.url, token))
        return self._shared

    def headers(self, number: int) -> list[tuple[str, str]]:
        """The extra request headers of client `number`."""
        if self._spec.send_as == "header" and (token := self.token(number)):
            return [*self._headers, ("Authorization", f"Bearer {token}")]
        return self._headers

    def subprotocols(self, number: int) -> list[Subprotocol] | None:
        """The subprotocols that client `number` offers, its token last where it travels that way."""
        offered = list(self._spec.subprotocols)
        if self._spec.send_as == "subprotocol" and (token := self.token(number)):
            offered.append(token)
        return cast("list[Subprotocol]", offered) or None

    def token(self, number: int) -> str:
        """The token of client `number`, "" for none."""
        if not self._own:
            return self._spec.token if self._spec.auth == "token" else ""
        if self._mint is None:
            from wstui.load.mint import Mint  # brings a cryptography library along: 70 ms that few shards need

            self._mint = Mint(self._spec.secret, self._spec.ttl_s)
        mix = self._spec.mix
        return self._mint.token(number, mix[number % len(mix)] if mix else "good")

    def _with_token(self, url: str, token: str) -> str:
        if not token or self._spec.send_as != "query":
            return url
        parts = urlsplit(url)
        query = "&".join(filter(None, (parts.query, urlencode({"token": token}))))
        return urlunsplit(parts._replace(query=query))
