"""The URL, headers and token of each client; which kinds of token the target lets in."""

from __future__ import annotations

import functools
import secrets
import time
import warnings
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from websockets.extensions.base import ClientExtensionFactory
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.typing import Origin, Subprotocol

from wstui.load.connect_outcome import Cause, Outcome
from wstui.load.handshake import Upgrade
from wstui.load.protocol import AuthSpec, ConnectSpec
from wstui.measure.counters import Tally
from wstui.measure.snapshot import Admitted
from wstui.scenario.token_mix import TokenKind
from wstui.scenario.url import Address, parse_address

EXPIRED_FOR_S = 3600
"""Longer than any leeway that a server grants for clocks that differ."""
_TURNED_AWAY = ("http 401", "http 403", "close ")


class Credentials:
    """Gives each client number its token and puts it where the target expects it."""

    def __init__(self, connect: ConnectSpec, auth: AuthSpec) -> None:
        self._connect = connect
        self._auth = auth
        self._origin = Origin(connect.origin) if connect.origin else None
        self._extensions: tuple[ClientExtensionFactory, ...] | None = (
            # Like websockets' own clients: a memLevel of 5 saves memory and costs next to nothing.
            (ClientPerMessageDeflateFactory(compress_settings={"memLevel": 5}),) if connect.compression else None
        )
        self._forger = secrets.token_hex(32)
        self.address = parse_address(connect.url)
        """The target's URL, without a token that is added for a client."""

    def upgrade(self, number: int, to: Address | None = None) -> Upgrade:
        """Return the upgrade of client `number`; `to` is the address that it was redirected to."""
        connect, send_as = self._connect, self._auth.send_as
        token = self.token(number)
        headers, subprotocols = connect.headers, [Subprotocol(name) for name in connect.subprotocols]
        uri = to or self.address
        if token and send_as == "header":
            headers = [*headers, ("Authorization", f"Bearer {token}")]
        elif token and send_as == "subprotocol":
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
            hidden=token if send_as == "subprotocol" else "",
            max_size=connect.max_size,
        )

    def token(self, number: int) -> str:
        """Return the token of client `number`, "" for none."""
        auth = self._auth
        if auth.kind not in ("jwt", "mix"):
            return auth.token if auth.kind == "token" else ""
        return self._sign(number, auth.mix[number % len(auth.mix)] if auth.mix else "good")

    def _sign(self, number: int, kind: TokenKind) -> str:
        """Sign a token for client `number`; bad ones have the claims of a good one."""
        if kind == "missing":
            return ""
        auth, jwt = self._auth, _jwt()
        issued = int(time.time()) - (EXPIRED_FOR_S + auth.ttl_s if kind == "expired" else 0)
        claims = {"userId": f"wstui-{number}", "iat": issued, "exp": issued + auth.ttl_s}
        if kind == "wrong_algorithm":
            return str(jwt.encode(claims, "", algorithm="none"))
        return str(jwt.encode(claims, self._forger if kind == "forged" else auth.secret, algorithm="HS256"))


@functools.cache
def _jwt() -> Any:
    import jwt  # brings a cryptography library along: 70 ms that few workers need

    # Judging the length of its secret is up to the target; PyJWT would warn for every token.
    warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)
    return jwt


class AuthOutcomes:
    """Counts who was let in, by the kind of token, if a scenario mixes good and bad ones.

    A good token is treated correctly when its client becomes ready; any other when its client is turned away for it:
    by HTTP 401 or 403, or by a close frame before it was ready. A timeout or a rate limit proves nothing.
    """

    def __init__(self, mix: list[TokenKind], tally: Tally) -> None:
        self._mix = mix
        self._tally = tally

    def ended(self, number: int, outcome: Outcome, cause: Cause | None = None) -> None:
        """Count the outcome of an attempt of client `number`. One that our own end cut short proves nothing."""
        if outcome is Outcome.DRAINED:
            return
        row, good = self._row(number), self._kind(number) == "good"
        counters = self._tally.counters
        counters.auth_checked += 1
        row.attempted += 1
        if outcome is Outcome.READY:
            row.ready += 1
            counters.auth_correct += good
        elif outcome is Outcome.REFUSED and cause is not None and cause.kind.startswith(_TURNED_AWAY):
            row.refused += 1
            counters.auth_correct += not good
        else:
            row.other += 1

    def _row(self, number: int) -> Admitted:
        return self._tally.admitted.setdefault(self._kind(number), Admitted())

    def _kind(self, number: int) -> TokenKind:
        return self._mix[number % len(self._mix)]
