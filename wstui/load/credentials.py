"""Who a client is to the target: the URL, headers and subprotocols that carry its token."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from websockets.extensions.base import ClientExtensionFactory
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.typing import Origin, Subprotocol

from wstui.load.handshake import Upgrade
from wstui.load.protocol import Spec
from wstui.scenario.url import Address, parse_address

if TYPE_CHECKING:
    from wstui.load.token_signer import TokenSigner


class Credentials:
    """Gives each client number its token and puts it where the target wants it."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._headers = list(spec.headers)
        self._origin = Origin(spec.origin) if spec.origin else None
        self._extensions: list[ClientExtensionFactory] | None = (
            # As websockets' own clients ask for it: a memLevel of 5 saves memory and costs next to nothing.
            [ClientPerMessageDeflateFactory(compress_settings={"memLevel": 5})] if spec.compression else None
        )
        self._mint: TokenSigner | None = None
        self.address = parse_address(spec.url)
        """The target's URL, without a token that a client adds to it."""

    def upgrade(self, number: int, to: Address | None = None) -> Upgrade:
        """The upgrade of client `number`; `to`: where it was redirected to."""
        spec = self._spec
        token = self.token(number)
        headers, subprotocols = self._headers, [Subprotocol(name) for name in spec.subprotocols]
        uri = to or self.address
        if token and spec.send_as == "header":
            headers = [*headers, ("Authorization", f"Bearer {token}")]
        elif token and spec.send_as == "subprotocol":
            subprotocols.append(Subprotocol(token))
        elif token and to is None:
            query = "&".join(filter(None, (uri.query, urlencode({"token": token}))))
            uri = replace(uri, query=query)
        return Upgrade(
            uri,
            headers=headers,
            origin=self._origin,
            extensions=self._extensions,
            subprotocols=subprotocols,
            hidden=token if spec.send_as == "subprotocol" else "",
            max_size=spec.max_size,
        )

    def token(self, number: int) -> str:
        """The token of client `number`, "" for none."""
        spec = self._spec
        if spec.auth not in ("jwt", "mix"):
            return spec.token if spec.auth == "token" else ""
        if self._mint is None:
            from wstui.load.token_signer import (
                TokenSigner,  # brings a cryptography library along: 70 ms that few workers need
            )

            self._mint = TokenSigner(spec.secret, spec.ttl_s)
        return self._mint.token(number, spec.mix[number % len(spec.mix)] if spec.mix else "good")
