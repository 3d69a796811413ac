"""The tables [target] and [auth]: the server under load, and how clients authenticate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator

from wstui.scenario.conversation.dialect import check_json
from wstui.scenario.conversation.known_dialects import DIALECTS
from wstui.scenario.errors import BadValue
from wstui.scenario.proxy import check_proxy
from wstui.scenario.secrets import MASK, is_secret_header, mask_url
from wstui.scenario.token_kind import TOKEN_KINDS, TokenKind
from wstui.scenario.types import (
    BareToken,
    Duration,
    HeaderName,
    HeaderText,
    HeaderValue,
    Line,
    Size,
    Subprotocol,
    Token,
    TomlTable,
    Wait,
    Whole,
    twice_in,
)
from wstui.scenario.url import check_connect_to, check_health, check_target_url

if TYPE_CHECKING:
    Protocol = str
else:
    Protocol = Literal[tuple(DIALECTS)]

Parts = Annotated[Whole, Field(ge=0, le=100)]


class Mix(TomlTable):
    """How many parts of all clients bring which kind of token: 6 + 1 + 1 + 1 + 1 parts are six clients of every ten."""

    # Without a good one, a server that is down would pass for one that checks tokens.
    good: Annotated[Whole, Field(ge=1, le=100)] = Field(
        default=6, description="parts of all clients with a valid token"
    )
    expired: Parts = Field(default=1, description="parts with a token that expired an hour ago")
    forged: Parts = Field(default=1, description="parts with a token signed with another secret")
    missing: Parts = Field(default=1, description="parts without a token")
    wrong_algorithm: Parts = Field(
        default=1, title="unsigned", description='parts with an unsigned token, "alg": "none" (RFC 8725, 2.1)'
    )

    def pattern(self) -> list[TokenKind]:
        """Return the kinds of clients 0, 1, 2, … up to the sum of the parts; from there on they repeat.

        The kinds take turns, so that a part of the clients has about the same mix. Client 0 has a good token.
        """
        # Smooth weighted round robin, as in nginx: each kind gains its weight, the richest is chosen and pays.
        parts: dict[TokenKind, int] = {kind: getattr(self, kind) for kind in TOKEN_KINDS if getattr(self, kind)}
        credit = dict.fromkeys(parts, 0)
        total = sum(parts.values())
        order: list[TokenKind] = []
        for _ in range(total):
            for kind, count in parts.items():
                credit[kind] += count
            richest = max(credit, key=credit.__getitem__)
            credit[richest] -= total
            order.append(richest)
        first = order.index("good")
        return order[first:] + order[:first]


def check_path(value: str) -> str:
    """Check a dotted path into a JSON message, such as "event", "data.kind" or "0"."""
    if not all(value.split(".")):
        raise BadValue('is not a path into a message: write a key such as "event", "data.kind", or "0" in an array')
    return value


class Target(TomlTable):
    """The server under load."""

    url: Annotated[str, AfterValidator(check_target_url)] = Field(
        default="ws://localhost:3001/ws",
        description="ws://, wss:// or ws+unix:/run/app.sock:/path; ${NAME:-default} takes it from the environment",
    )
    proxy: Annotated[str, AfterValidator(check_proxy)] = Field(
        default="env",
        description="env: as HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say; off; "
        "or http://, https://, socks5:// or socks5h://",
    )
    connect_to: Annotated[str, AfterValidator(check_connect_to)] = Field(
        default="", description="host:port to connect to instead of the URL's; Host and TLS keep the name in the URL"
    )
    spread_addresses: bool = Field(
        default=False,
        title="all addresses",
        description="use all addresses of the target's name in turn instead of the first that accepts",
    )
    protocol: Protocol = Field(
        default="json",
        description="what the server speaks on top of WebSocket; roles are written in its terms",
    )
    options: Annotated[dict[str, Any], BeforeValidator(check_json)] = Field(
        default_factory=dict, description="options of the protocol, see its page of the manual"
    )
    ready: Literal["welcome", "open"] = Field(
        default="welcome",
        description="when a client counts as ready: its welcome message came, or it stayed open for a while",
    )
    welcome: str = Field(
        default="connection:established",
        description="kind of the message that makes a client ready; empty: any first message",
    )
    type_field: Annotated[Line, AfterValidator(check_path)] = Field(
        default="type",
        description="key that holds a message's kind: type, event, data.kind, or 0 in an array",
    )
    settle: Duration = Field(default=1.0, description="how long a connection must stay open to count as ready")
    health: Annotated[str, AfterValidator(check_health)] = Field(
        default="auto", description="polled during the run: auto (/health, /metrics, /stats), off, or a base URL"
    )
    health_every: Annotated[Wait, Field(ge=0.1)] = Field(
        default=5.0, description="how often the target's health is polled"
    )
    health_gate: bool = Field(
        default=False, description="end the run when the target reports that it is unhealthy, or stays degraded"
    )
    connect_timeout: Wait = Field(default=10.0, description="how long a connection attempt may take")
    close_timeout: Duration = Field(default=3.0, description="how long the server may take to answer a close")
    ping_every: Wait | None = Field(
        default=None, description="send keepalive pings beside the exchange: 20s; unset: none"
    )
    ping_timeout: Wait | None = Field(default=None, description="drop a client whose pong takes longer; unset: never")
    reconnect: Literal["none", "at once", "exponential"] = Field(
        default="none", description="whether and how clients that were ready and were dropped reconnect"
    )
    reconnect_base: Wait = Field(
        default=1.0,
        title="first wait",
        description="longest wait before the first attempt; it doubles for each next one (full jitter)",
    )
    reconnect_cap: Wait = Field(default=30.0, title="longest wait", description="no wait is longer than this")
    reconnect_attempts: Annotated[Whole, Field(ge=1, le=1_000_000)] = Field(
        default=10, title="attempts", description="failed attempts after which a client gives up"
    )
    max_size: Size = Field(
        default=1 << 20, title="largest frame", description="a larger message ends its connection: 1MiB, 64KiB"
    )
    strict: bool = Field(
        default=False,
        description="end a connection on text that is not UTF-8, as browsers do; it counts as a failure anyway",
    )
    headers: dict[HeaderName, HeaderText] = Field(
        default_factory=dict,
        description="sent with the upgrade request; Host and Origin replace the usual ones; secrets by ${NAME} only",
    )
    cookies: dict[Token, HeaderText] = Field(
        default_factory=dict, description="sent with the upgrade request, beside those that a login set"
    )
    subprotocols: list[Subprotocol] = Field(
        default_factory=list, description="offered in this order, separated by commas; the server must pick one"
    )
    origin: HeaderValue = Field(default="", description="the Origin header; empty: none (browsers always send one)")
    follow_redirects: bool = Field(
        default=False, description="only to the same scheme, host and port; no token or cookie is sent elsewhere"
    )
    compression: bool = Field(
        default=False, description="offer permessage-deflate, and compress what is sent if the server agrees"
    )
    ca_file: str = Field(
        default="", description="wss: authorities to trust instead of the system's (PEM file, relative to the preset)"
    )
    cert_file: str = Field(
        default="",
        description="wss: certificate that clients present (PEM file); may hold {{client}} or {{feed.column}}",
    )
    key_file: str = Field(default="", description="wss: key of the certificate, if it is not in the same file")
    insecure: bool = Field(default=False, description="wss: accept any certificate; for test hosts only")

    @field_validator("headers")
    @classmethod
    def _names_differ(cls, headers: dict[str, str]) -> dict[str, str]:
        if twice := twice_in([name.lower() for name in headers]):
            names = " and ".join(name for name in headers if name.lower() == twice)
            raise BadValue(f"has {names}, which is one header: case makes no difference")
        return headers

    @field_validator("subprotocols")
    @classmethod
    def _offers_differ(cls, subprotocols: list[str]) -> list[str]:
        if twice := twice_in(subprotocols):
            raise BadValue(f"names {twice} twice")
        return subprotocols

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            if name in ("url", "health", "proxy"):
                yield name, mask_url(value)
            elif name == "cookies":
                yield name, dict.fromkeys(value, MASK)
            elif name == "headers":
                yield name, {key: MASK if is_secret_header(key) else text for key, text in value.items()}
            else:
                yield name, value


class Auth(TomlTable):
    """How clients authenticate."""

    kind: Literal["none", "token", "jwt", "mix", "basic"] = Field(
        default="none",
        description="none; token: one for all, or {{variable}}; jwt: a signed one each; mix: valid and invalid tokens; "
        "basic: user and password",
    )
    user: str = Field(default="", description="basic: the user, such as user-{{client}} or {{feed.user}}")
    password: SecretStr = Field(
        default=SecretStr(""),
        description="basic: type ${NAME} or {{feed.password}}; the secret itself is never saved",
    )
    token: BareToken = Field(
        default=SecretStr(""), description="type ${NAME} to name a variable; the secret itself is never saved"
    )
    send_as: Literal["query", "header", "subprotocol"] = Field(
        default="query", description="query: ?token=…; header: Authorization: Bearer …; or as a subprotocol"
    )
    secret: SecretStr = Field(
        default=SecretStr(""),
        description="signs the tokens; type ${NAME} to name a variable; the secret itself is never saved",
    )
    ttl: Duration = Field(
        default=86400.0, title="valid for", description="lifetime of a signed token; make it longer than the run"
    )
    mix: Mix = Field(default=Mix.model_construct(), description="parts of all clients by the kind of token they send")
