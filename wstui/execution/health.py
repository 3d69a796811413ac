"""What the target says of itself beside the run: /health, /metrics and /stats, shown as its claims."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import math
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from wstui.execution.status import Claim, TargetHealth
from wstui.measure.visible import visible

EVERY_S = 5.0
TIMEOUT_S = 3.0
ANSWER_LIMIT = 256 * 1024
NEAR = 0.8
PHANTOM_SHARE = 0.05
"""A claimed count of connections this much above ours is flagged: the server counts what is no longer there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered: its HTTP status (0: none came), the JSON in it (None: no object), and a fault."""

    status: int = 0
    document: dict[str, Any] | None = None
    fault: str = ""


def base_of(url: str, health: str) -> str | None:
    """Where the endpoints are: "off" has none, "auto" takes the target's own host and port, else what it says."""
    if health == "off":
        return None
    if health != "auto":
        return health.rstrip("/")
    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "wss" else "http"
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}"


class HealthMonitor:
    """Asks the endpoints every few seconds, in threads, so that a server that hangs delays nothing."""

    def __init__(self, base: str, context: ssl.SSLContext | None, on_change: Callable[[str], None]) -> None:
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if context is not None:
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)
        self._base = base
        self._on_change = on_change
        self._state = ""
        self.latest: TargetHealth | None = None

    async def watch(self, open_clients: Callable[[], int]) -> None:
        """Ask until cancelled; `open_clients` is how many connections we hold."""
        while True:
            names = ("health", "metrics", "stats")
            health, metrics, stats = await asyncio.gather(*(self._ask(name) for name in names))
            self.latest = read_claims(health, metrics, stats, open_clients())
            if self._state not in ("", self.latest.state):
                self._on_change(f"target {self._state} → {self.latest.state}")
            self._state = self.latest.state
            await asyncio.sleep(EVERY_S)

    async def _ask(self, name: str) -> Answer:
        return await asyncio.to_thread(self._fetch, f"{self._base}/{name}")

    def _fetch(self, url: str) -> Answer:
        request = urllib.request.Request(url, headers={"Accept": "application/json"})
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                return _answer(response.status, response.read(ANSWER_LIMIT))
        except urllib.error.HTTPError as error:
            with error, contextlib.suppress(OSError, http.client.HTTPException):
                return _answer(error.code, error.read(ANSWER_LIMIT))
            return Answer(error.code)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            return Answer(fault="timed out" if isinstance(reason, TimeoutError) else visible(str(reason), 60))


def _answer(status: int, body: bytes) -> Answer:
    try:
        # NaN and Infinity are no JSON, but servers write them.
        document = msgspec.json.decode(body.replace(b"NaN", b"null").replace(b"Infinity", b"null"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Answer(status, fault="not JSON")
    return Answer(status, document if isinstance(document, dict) else None)


def read_claims(health: Answer, metrics: Answer, stats: Answer, ours: int) -> TargetHealth:
    """The endpoints' answers as a state and a few figures, next to the connections that we hold."""
    offered = [a for a in (health, metrics, stats) if a.document is not None and a.status not in (404, 405)]
    if not offered:
        if health.status in (0, 404, 405) and not health.fault:
            return TargetHealth("not offered")
        if health.status == 0:
            return TargetHealth("unhealthy", note=f"/health {health.fault}")
        return TargetHealth("not offered", note=f"/health answers HTTP {health.status}, {health.fault or 'no object'}")
    told = _text(_dig(health.document, "status")).lower()
    if health.document is None:
        state, note = "unhealthy" if health.status >= 500 else "not offered", health.fault
    elif health.status >= 500 or told in ("degraded", "unhealthy", "down", "error"):
        state, note = ("unhealthy" if told in ("unhealthy", "down", "error") else "degraded"), ""
    else:
        state, note = "healthy", ""
    claims = [
        _connections(
            _number(_dig(health.document, "websocket", "currentConnections"), metrics, "connectionCount"), ours
        ),
        *_process(stats.document),
        _plain("delivered", _number(_dig(metrics.document, "messagesDelivered"))),
        _plain("errors", _number(_dig(metrics.document, "errors"))),
    ]
    nats = _dig(health.document, "nats")
    if isinstance(nats, str):
        claims.insert(0, Claim("nats", visible(nats, 20), sign="ok" if nats == "connected" else "bad"))
    return TargetHealth(state, tuple(claim for claim in claims if claim is not None), note)


def _connections(claimed: float | None, ours: int) -> Claim | None:
    if claimed is None:
        return None
    phantom = claimed - ours > max(5.0, ours * PHANTOM_SHARE) or claimed < 0
    text = f"{claimed:.0f}" + (f" (ours {ours})" if phantom else "")
    return Claim("sockets", text, sign="near" if phantom else "ok")


def _process(stats: dict[str, Any] | None) -> Iterable[Claim | None]:
    processes = _dig(stats, "processes")
    found = [p for p in processes if isinstance(p, dict)] if isinstance(processes, list) else [stats or {}]
    cpu = _sum(found, "cpuPercent")
    resident = _sum(found, "rssBytes")
    files = _sum(found, "openFiles")
    if cpu is not None:
        share = cpu / 100 / max(1, len(found))
        yield Claim("cpu", f"{cpu:.0f} %", min(max(share, 0.0), 1.0), "near" if share > NEAR else "ok")
    if resident is not None:
        yield Claim("memory", f"{resident / 2**20:.0f} MiB", sign="ok")
    yield _plain("files", files)


def _plain(name: str, value: float | None) -> Claim | None:
    return None if value is None else Claim(name, f"{value:,.0f}".replace(",", " "))


def _sum(found: list[dict[str, Any]], name: str) -> float | None:
    values = [value for value in (_number(p.get(name)) for p in found) if value is not None]
    return sum(values) if values else None


def _number(value: Any, instead: Answer | None = None, name: str = "") -> float | None:
    """A figure, also one that is written as text; None for anything else."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return _number(_dig(instead.document, name)) if instead is not None else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _dig(document: Any, *names: str) -> Any:
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return document
