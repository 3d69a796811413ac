"""A line to NATS that comes back by itself, and that says in the log what is wrong with it, once and not each time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import nats
from nats.aio.client import Client

RECONNECT_WAIT_S = 0.25
SAME_AGAIN_S = 30.0
_log = logging.getLogger("wstui.odin.nats")


class NatsLine:
    """Connects, and keeps trying for as long as it takes. What happens to it is told to the callbacks."""

    def __init__(
        self,
        url: str,
        name: str,
        *,
        lost: Callable[[], None] = lambda: None,
        back: Callable[[], None] = lambda: None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """`failed` is called for each error while there is a connection, such as messages that NATS had to drop."""
        self.closing = False
        self.client: Client | None = None
        self._url = url
        self._name = name
        self._lost, self._back, self._failed = lost, back, failed
        self._told: dict[str, float] = {}

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self.client is not None and self.client.is_connected

    async def connect(self) -> Client:
        """Connect, however long that takes. Raises: what nats.connect does for a URL that can never work."""
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
        _log.info("connected to NATS", extra={"url": address(self._url)})
        return client

    async def close(self) -> None:
        """Close it; to lose it is then no matter."""
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
        what = "trouble with NATS" if self.connected else "no connection to NATS; trying on"
        _log.warning(what, extra={"url": address(self._url), "error": text})

    async def _on_lost(self) -> None:
        # Also called before there was any connection, and when it is closed.
        if self.client is not None and not self.closing:
            self._lost()
            _log.warning("NATS lost; trying to come back", extra={"url": address(self._url)})

    async def _on_back(self) -> None:
        self._told.clear()
        self._back()
        _log.info("NATS is back", extra={"url": address(self._url)})


def check_url(url: str) -> None:
    """Raises: ValueError: `url` is no NATS URL."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("nats", "tls") and parts.hostname and not parts.path.strip("/") and parts.port != 0:
            return
    except ValueError:  # of a port or an address that is none
        pass
    raise ValueError(f"{address(url)!r} is not a NATS URL such as nats://127.0.0.1:4222")


def address(url: str) -> str:
    """A NATS URL without user and password, fit for a log."""
    scheme, separator, rest = url.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]
