"""One real client all the way before the load begins: finds out early what thousands would only repeat."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed

from wstui.execution.preflight.advice import of_refusal
from wstui.execution.preflight.first_answer import FirstAnswer, cut_in_tls
from wstui.execution.run.compile import spec_of
from wstui.load.connect_outcome import (
    LocalAddressError,
    ProxyError,
    cause_of,
)
from wstui.load.dialer import Dialer, TlsContexts, tls_context
from wstui.load.exchange import Kind
from wstui.load.identity import Identities
from wstui.load.protocol import Spec, TraceLine
from wstui.load.refusal import MOST_REDIRECTS
from wstui.measure.sanitize import sanitize
from wstui.scenario.model import Scenario, Target
from wstui.scenario.proxy import join_address
from wstui.scenario.route import Route, route_of
from wstui.scenario.secret_fields import mask_of, masked
from wstui.scenario.secrets import mask_url
from wstui.scenario.trust import script_problems
from wstui.scenario.url import Address

MOST_LINES = 500
"""No more messages are kept of a look at a conversation."""


class Unreachable(Exception):
    """The target can't be loaded: `what` says why, `fix` what to do."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(f"{what}: {fix}")
        self.what = what
        self.fix = fix


@dataclass(frozen=True, slots=True)
class ProbeStep:
    """One step of the first client: what was done, how long it took in milliseconds, what was found."""

    name: str
    took_ms: float
    note: str = ""


@dataclass(slots=True)
class Probe:
    """The first client's view: its steps, and a note where it was turned away after the upgrade."""

    steps: list[ProbeStep] = field(default_factory=list)
    warning: str = ""
    mask: Callable[[str], str] = str
    trace: list[TraceLine] = field(default_factory=list)  # what clients of roles said and received

    def note(self, line: TraceLine) -> None:
        """Take a message of a conversation."""
        line.text = self.mask(line.text)
        if len(self.trace) < MOST_LINES:
            self.trace.append(line)

    def add(self, name: str, since_ns: int, note: str = "") -> int:
        """Note a step that began at `since_ns`; returns the time now."""
        now = time.monotonic_ns()
        self.steps.append(ProbeStep(name, (now - since_ns) / 1e6, self.mask(note)))
        return now


async def probe(scenario: Scenario, seen: Probe | None = None) -> Probe:
    """Open one client as the load will: resolve, connect, TLS, upgrade, ready condition, close with 1000.

    It is another implementation of WebSocket than that of the load. A client that is turned away after the upgrade is
    no error here: a server may admit only some. `seen` is filled as it goes. Raises Unreachable.
    """
    seen = Probe() if seen is None else seen
    seen.mask = mask_of(scenario)
    try:
        await _probe(scenario, seen)
    except Unreachable as error:
        raise Unreachable(seen.mask(error.what), seen.mask(error.fix)) from None
    seen.warning = seen.mask(seen.warning)
    return seen


async def _probe(scenario: Scenario, seen: Probe) -> None:
    target = scenario.target
    # A script that may not run yet plays no part in how a client connects.
    whole = spec_of(scenario.model_copy(update={"roles": []}) if script_problems(scenario) else scenario)
    client = _FirstClient(whole)
    credentials, identity = client.credentials, client.identity
    spec, uri = credentials.connect, credentials.address
    place = f"[{uri.host}]:{uri.port}" if ":" in uri.host else f"{uri.host}:{uri.port}"
    at = time.monotonic_ns()
    route = route_of(scenario)
    if whole.login:
        at = await client.log_in(whole, seen, at)
    if client.apart:
        return
    if route.unix:
        place = route.unix
    elif route.moved:
        place = f"{join_address(route.host, route.port)} (target.connect_to)"
    dialer = Dialer(spec, asyncio.get_running_loop(), uri)
    try:
        await dialer.resolve()
        if dialer.failure is not None:
            raise dialer.failure
        if dialer.addresses:
            shown = dialer.addresses if target.spread_addresses else dialer.addresses[:1]
            at = seen.add("resolve", at, ", ".join(str(address[0]) for _, address in shown))
    except OSError as error:
        raise _unreached(error, place, route, target.connect_timeout) from None
    try:
        context = tls_context(spec, credentials.certificate(identity)) if uri.secure else None
    except (OSError, ssl.SSLError) as error:
        raise Unreachable(f"the TLS files can't be used ({error})", "check ca_file, cert_file and key_file") from None
    redirect: Address | None = None
    for turn in range(MOST_REDIRECTS + 1):
        try:
            sock = await _open(dialer, target.connect_timeout)
        except (OSError, ssl.SSLError) as error:  # TimeoutError is one
            if uri.secure and isinstance(error, ConnectionResetError):  # TCP was accepted
                raise Unreachable(*of_refusal(cut_in_tls(), masked(scenario), place)) from None
            raise _unreached(error, place, route, target.connect_timeout) from None
        at = seen.add("connect", at, route.shown or place)
        first = FirstAnswer(context, has_certificate=bool(spec.cert_file))
        try:
            async with asyncio.timeout(target.connect_timeout):
                answer = await first.ask(credentials.upgrade(identity, redirect), sock, uri.host, seen.add)
        except Exception as error:
            first.hang_up(sock)
            answer = first.ended_by(error)
        if isinstance(answer, Connection):
            break
        redirect = answer.location
        if redirect is not None and target.follow_redirects:
            if (same := redirect.origin == uri.origin) and turn < MOST_REDIRECTS:
                at = seen.add("redirect", first.asked_ns, answer.cause.message.partition(": set")[0])
                continue
            answer = answer.not_followed(same)
        raise Unreachable(*of_refusal(answer, masked(scenario), place))
    assert isinstance(answer, Connection)
    at = first.asked_ns
    granted = answer.protocol.subprotocol
    at = seen.add("upgrade", at, granted if granted in spec.subprotocols else "HTTP 101")
    try:
        await _ready(answer, scenario, seen, at)
    finally:
        with contextlib.suppress(Exception):
            await answer.close()


class _FirstClient:
    """Return the number of the first client that connects: 0, or that of the first role that has a connection."""

    def __init__(self, spec: Spec) -> None:
        roles = spec.conversation.roles.roles
        role = next((role for role in roles if role.connects), None)
        self.apart = bool(roles) and role is None
        self._identities = Identities(spec, (lambda _number: role.name) if role is not None else None, _epoch_ns())
        self.credentials = self._identities.credentials_of(0)
        self.identity = self._identities.of(0)

    async def log_in(self, spec: Spec, seen: Probe, at: int) -> int:
        """Make the requests of the login. Raises Unreachable."""
        from wstui.load.http_client import HttpClient
        from wstui.load.http_request import HttpFailed
        from wstui.load.login import ClientLogin

        loop = asyncio.get_running_loop()
        login = ClientLogin(spec, HttpClient(spec.connect, loop, None, 1, TlsContexts(spec.connect)), loop)
        try:
            await login.log_in(self.identity, self.credentials.certificate(self.identity))
        except HttpFailed as error:
            detail = f" ({error.detail})" if error.detail else ""
            fix = "check the requests of [[login]], their data and http.timeout"
            raise Unreachable(f"{error.cause.message}{detail}", fix) from None
        return seen.add("login", at, f"{len(spec.login)} request{'s' * (len(spec.login) > 1)}")


def _epoch_ns() -> int:
    return time.time_ns() - time.monotonic_ns()


async def _open(dialer: Dialer, timeout_s: float) -> socket.socket:
    opening = asyncio.ensure_future(dialer.open_socket())
    try:
        await asyncio.wait({opening}, timeout=timeout_s)
        if opening.done():
            return opening.result()
        if asking := dialer.asking.get(0):
            raise ProxyError(f"no {asking} from the proxy within {timeout_s:g} s")
        raise TimeoutError
    finally:
        opening.cancel()


def _unreached(error: OSError, place: str, route: Route, timeout_s: float) -> Unreachable:
    """Say why the connection failed, and what to do."""
    if isinstance(error, ProxyError):
        return Unreachable(f"{error} ({route.shown})", _PROXY_ADVICE)
    if isinstance(error, LocalAddressError):
        return Unreachable(str(error), "name addresses of this machine in fleet.local_addresses or --local-address")
    if isinstance(error, socket.gaierror):
        key = "target.connect_to" if route.moved else "target.url, --url or WS_URL"
        return Unreachable(f"the name {route.host!r} is not known here ({error.strerror})", f"check {key}")
    if error.errno in (errno.ECONNREFUSED, errno.ENOENT):
        return Unreachable(
            f"nothing listens on {place}",
            "start the server (`wstui demo` brings one along), or give its address with --url or WS_URL",
        )
    if isinstance(error, TimeoutError):
        return Unreachable(
            f"no answer from {place} within {timeout_s:g} s", "check the address and any firewall between"
        )
    return Unreachable(f"{place} can't be reached ({cause_of(error).message})", "check the address and the network")


async def _ready(connection: Connection, scenario: Scenario, seen: Probe, at: int) -> None:
    target = scenario.target
    timeout = target.connect_timeout if target.ready == "welcome" else target.settle
    first: str | bytes | None = None
    try:
        async with asyncio.timeout(timeout):
            while True:
                message = await connection.recv()
                if target.ready == "welcome" and _is_welcome(message, target):
                    seen.add("welcome", at, target.welcome)
                    return
                first = message if first is None else first
    except TimeoutError:
        if target.ready == "open":
            seen.add("settle", at)
            return
        wanted = f"no message of {target.type_field} {target.welcome!r}" if target.welcome else "no message"
        came = ""
        if first is not None:
            text = first.decode("utf-8", "backslashreplace") if isinstance(first, bytes) else first
            # Masked before it is cut: half of a secret would no longer be known for one.
            came = f"; the first that came is {sanitize(mask_of(scenario)(text[:4096]), 160)}"
        raise Unreachable(
            f"{mask_url(target.url)} opens, but {wanted} came within {timeout:g} s{came}",
            f'set target.ready = "open", or target.welcome to the `{target.type_field}` of what the server says first '
            "(target.type_field names the key that tells the kinds of messages apart)",
        ) from None
    except ConnectionClosed:
        code, reason = connection.protocol.close_code, connection.protocol.close_reason
    seen.warning = f"the first client was let in and turned away: close {code} {sanitize(reason or '')}".strip()


def _is_welcome(message: str | bytes, target: Target) -> bool:
    if not target.welcome:
        return True
    kind, wanted = Kind(target.type_field), target.welcome.encode()
    lines = message.encode().split(b"\n") if isinstance(message, str) else []
    return any(kind.read(line)[0] == wanted for line in lines)


_PROXY_ADVICE = (
    "check target.proxy or --proxy and its credentials; --proxy off goes without one, NO_PROXY exempts hosts"
)
