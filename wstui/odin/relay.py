"""The line to NATS: subscribes to the Odin subjects, comes back when NATS does, and says which of the two it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from urllib.parse import urlsplit

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from wstui.odin.stats import Stats

# None of these overlaps another, so that no message comes twice.
SUBJECTS = ("odin.token.>", "odin.trades.>", "odin.market.>")
RECONNECT_WAIT_S = 0.25
_log = logging.getLogger("wstui.odin.nats")


class Relay:
    """Feeds `deliver` with each message that is published on the Odin subjects."""

    def __init__(self, url: str, deliver: Callable[[bytes], None], stats: Stats) -> None:
        self.first_connection = asyncio.Event()
        self._url = url
        self._deliver = deliver
        self._stats = stats
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect, and keep trying for as long as it takes."""
        self._task = asyncio.create_task(self._connect())

    async def stop(self) -> None:
        """Close the line."""
        self._stats.nats_connected = False
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._client is not None and not self._client.is_closed:
            await self._client.close()

    async def _connect(self) -> None:
        try:
            await self._connect_and_subscribe()
        except Exception as error:  # a URL or credentials that can never work: the server lives on, degraded
            self._stats.errors += 1
            _log.error("NATS can't be used", extra={"url": address(self._url), "error": str(error)})

    async def _connect_and_subscribe(self) -> None:
        client = await nats.connect(
            self._url,
            name="wstui-odin-server",
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
        self._client = client
        for subject in SUBJECTS:
            await client.subscribe(subject, cb=self._on_message)
        await client.flush()
        self._stats.nats_connected = True
        self.first_connection.set()
        _log.info("connected to NATS", extra={"url": address(self._url)})

    async def _on_message(self, message: Msg) -> None:
        self._deliver(message.data)

    async def _on_error(self, error: Exception) -> None:
        _log.debug("NATS error", extra={"error": str(error) or type(error).__name__})

    async def _on_lost(self) -> None:
        if self._stats.nats_connected:
            self._stats.nats_connected = False
            self._stats.errors += 1
            _log.warning("NATS lost; trying to come back", extra={"url": address(self._url)})

    async def _on_back(self) -> None:
        self._stats.nats_connected = True
        self._stats.reconnects += 1
        _log.info("NATS is back", extra={"url": address(self._url)})


def check_url(url: str) -> None:
    """Raises: ValueError: `url` is no NATS URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("nats", "tls") or not parts.hostname or parts.path.strip("/"):
        raise ValueError(f"{address(url)!r} is not a NATS URL such as nats://127.0.0.1:4222")
    _ = parts.port  # raises on its own when it is none


def address(url: str) -> str:
    """A NATS URL without user and password, fit for a log."""
    scheme, separator, rest = url.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]
