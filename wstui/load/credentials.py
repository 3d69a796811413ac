"""The URL, headers and token of each client; which kinds of token the target lets in."""

from __future__ import annotations

import functools
import secrets
import time
import warnings
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import urlencode

from websockets.extensions.base import ClientExtensionFactory
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.typing import Origin, Subprotocol

from wstui.load.connect_outcome import Cause, Outcome
from wstui.load.cookies import Cookies
from wstui.load.handshake import Upgrade
from wstui.load.protocol import AuthSpec, ConnectSpec, Parts
from wstui.load.text import compile_parts
from wstui.measure.counters import Tally
from wstui.measure.snapshot import Admitted
from wstui.scenario.token_kind import TokenKind
from wstui.scenario.url import Address, parse_address

EXPIRED_FOR_S = 3600
"""Longer than any leeway that a server grants for clocks that differ."""
_TURNED_AWAY = ("http 401", "http 403", "close ")


class CredentialOwner(Protocol):
    """A client as its credentials see it."""

    number: int
    cookies: Cookies | None


class _Text:
    """A text of the upgrade: the same for all clients, or rendered for each."""

    __slots__ = ("_render", "constant")

    def __init__(self, text: str | Parts, seed: int) -> None:
        self.constant = text if isinstance(text, str) else None
        self._render = None if isinstance(text, str) else compile_parts(text, seed)

    def of(self, speaker: CredentialOwner) -> str:
        return self.constant if self._render is None else self._render(speaker).decode("utf-8", "surrogateescape")  # type: ignore[return-value]


class Credentials:
    """Gives each client its URL, headers, cookies and token, and puts them where the target expects them."""

    def __init__(self, connect: ConnectSpec, auth: AuthSpec, seed: int = 0) -> None:
        self.connect = connect
        self._auth = auth
        self._origin = Origin(connect.origin) if connect.origin else None
        self._extensions: tuple[ClientExtensionFactory, ...] | None = (
            # Like websockets' own clients: a memLevel of 5 saves memory and costs next to nothing.
            (ClientPerMessageDeflateFactory(compress_settings={"memLevel": 5}),) if connect.compression else None
        )
        self._forger = secrets.token_hex(32)
        self.address = parse_address(connect.url)
        """The target's URL, without what is added for a client."""
        self._resource = compile_parts(connect.resource, seed) if connect.resource else None
        self._headers = [(name, _Text(text, seed)) for name, text in connect.headers]
        self._cookies = [(name, _Text(text, seed)) for name, text in connect.cookies]
        self._subprotocols = [_Text(text, seed) for text in connect.subprotocols]
        self._certificate = _Text(connect.cert_file, seed), _Text(connect.key_file, seed)
        self._token, self._user = _Text(auth.token, seed), _Text(auth.user, seed)
        self._password = _Text(auth.password, seed)

    def upgrade(self, speaker: CredentialOwner, to: Address | None = None) -> Upgrade:
        """Return the upgrade of a client; `to` is the address that it was redirected to."""
        connect, send_as = self.connect, self._auth.send_as
        token = self.token(speaker)
        headers = [(name, text.of(speaker)) for name, text in self._headers]
        subprotocols = [Subprotocol(text.of(speaker)) for text in self._subprotocols]
        uri = to or self.address
        if self._resource is not None and to is None:
            path, _, query = self._resource(speaker).decode().partition("?")
            uri = replace(uri, path=path, query=query)
        if self._auth.kind == "basic":
            uri = replace(uri, username=self._user.of(speaker), password=self._password.of(speaker))
        if token and send_as == "header":
            headers.append(("Authorization", f"Bearer {token}"))
        elif token and send_as == "subprotocol":
            subprotocols.append(Subprotocol(token))
        elif token and to is None:
            query = "&".join(filter(None, (uri.query, urlencode({"token": token}))))
            uri = replace(uri, query=query)
        if cookies := self._all_cookies(speaker, uri):
            own = next((value for name, value in headers if name.lower() == "cookie"), "")
            headers = [(name, value) for name, value in headers if name.lower() != "cookie"]
            headers.append(("Cookie", "; ".join(filter(None, (own, *cookies)))))
        return Upgrade(
            uri,
            headers=headers,
            origin=self._origin,
            extensions=self._extensions,
            subprotocols=subprotocols,
            hidden=token if send_as == "subprotocol" else "",
            max_size=connect.max_size,
        )

    def _all_cookies(self, speaker: CredentialOwner, uri: Address) -> list[str]:
        found = {name: text.of(speaker) for name, text in self._cookies}
        if speaker.cookies is not None:
            found = dict(speaker.cookies.pairs(uri.host, uri.path or "/", uri.secure)) | found
        return [f"{name}={value}" for name, value in found.items()]

    def certificate(self, speaker: CredentialOwner) -> tuple[str, str]:
        """Return the files of a client's certificate and its key, "" for none."""
        certificate, key = self._certificate
        return certificate.of(speaker), key.of(speaker)

    def token(self, speaker: CredentialOwner) -> str:
        """Return the token of a client, "" for none."""
        auth = self._auth
        if auth.kind not in ("jwt", "mix"):
            return self._token.of(speaker) if auth.kind == "token" else ""
        return self._sign(speaker.number, auth.mix[speaker.number % len(auth.mix)] if auth.mix else "good")

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
