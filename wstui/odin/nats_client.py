"""Connections to NATS that reconnect by themselves and log each problem once, and the relay from NATS to the hub."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from wstui.odin.stats import Stats

RECONNECT_WAIT_S = 0.25
SAME_AGAIN_S = 30.0
# These do not overlap, so no message arrives twice.
SUBJECTS = ("odin.token.>", "odin.trades.>", "odin.market.>")
_log = logging.getLogger("wstui.odin.nats")


class NatsConnection:
    """Connects, and keeps trying for as long as it takes; reports changes to its callbacks."""

    def __init__(
        self,
        url: str,
        name: str,
        *,
        lost: Callable[[], None] = lambda: None,
        back: Callable[[], None] = lambda: None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """`failed` is called for each error while connected, such as messages that NATS had to drop."""
        self.closing = False
        self.client: Client | None = None
        self._url = url
        self._name = name
        self._lost, self._back, self._failed = lost, back, failed
        self._told: dict[str, float] = {}

    @property
    def connected(self) -> bool:
        return self.client is not None and self.client.is_connected

    async def connect(self) -> Client:
        """Connect, however long it takes. Raises what nats.connect raises for a URL that can never work."""
        client = await nats.connect(
            self._url,
            name=self._name,
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT_S,
            connect_timeout=2,
            ping_interval=5,
            max_outstanding_pings=2,
            error_cb=self._on_error,
            disconnected_cb=self._on_lost,
            reconnected_cb=self._on_back,
        )
        self.client = client
        self._told.clear()
        _log.info("connected to NATS", extra={"url": redact_url(self._url)})
        return client

    async def close(self) -> None:
        """Close it, without reporting a loss."""
        self.closing = True
        if self.client is not None and not self.client.is_closed:
            await self.client.close()

    async def _on_error(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if self.connected:
            self._failed()
        now = time.monotonic()
        if self.closing or now - self._told.get(text, -SAME_AGAIN_S) < SAME_AGAIN_S:
            _log.debug("NATS error", extra={"error": text})
            return
        self._told[text] = now
        what = "NATS error" if self.connected else "no connection to NATS; retrying"
        _log.warning(what, extra={"url": redact_url(self._url), "error": text})

    async def _on_lost(self) -> None:
        # Also called before the first connection, and when it is closed.
        if self.client is not None and not self.closing:
            self._lost()
            _log.warning("NATS lost; reconnecting", extra={"url": redact_url(self._url)})

    async def _on_back(self) -> None:
        self._told.clear()
        self._back()
        _log.info("reconnected to NATS", extra={"url": redact_url(self._url)})


class Relay:
    """Calls `deliver` with each message published on the Odin subjects, and keeps the NATS figures of the stats."""

    def __init__(self, url: str, deliver: Callable[[bytes], None], stats: Stats) -> None:
        self.first_connection = asyncio.Event()
        self._url = url
        self._deliver = deliver
        self._stats = stats
        self._nats = NatsConnection(url, "wstui-odin-server", lost=self._lost, back=self._back, failed=self._failed)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start connecting in the background."""
        self._task = asyncio.create_task(self._connect())

    async def stop(self) -> None:
        """Close the connection."""
        self._stats.nats_connected = False
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._nats.close()

    async def _connect(self) -> None:
        try:
            client = await self._nats.connect()
            for subject in SUBJECTS:
                await client.subscribe(subject, cb=self._on_message)
            await client.flush()
        except Exception as error:  # a URL that can never work: the server goes on, degraded
            self._stats.errors += 1
            _log.error("NATS can't be used", extra={"url": redact_url(self._url), "error": str(error)})
            return
        self._stats.nats_connected = True
        self.first_connection.set()

    async def _on_message(self, message: Msg) -> None:
        self._deliver(message.data)

    def _lost(self) -> None:
        if self._stats.nats_connected:
            self._stats.nats_connected = False
            self._stats.errors += 1

    def _back(self) -> None:
        self._stats.nats_connected = True
        self._stats.reconnects += 1

    def _failed(self) -> None:
        self._stats.errors += 1


def check_url(url: str) -> None:
    """Raise ValueError if `url` is not a NATS URL."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("nats", "tls") and parts.hostname and not parts.path.strip("/") and parts.port != 0:
            return
    except ValueError:  # an invalid port or address
        pass
    raise ValueError(f"{redact_url(url)!r} is not a NATS URL such as nats://127.0.0.1:4222")


def redact_url(url: str) -> str:
    """Return a NATS URL without user and password, for logs."""
    scheme, separator, rest = url.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]
