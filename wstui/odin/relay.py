"""From NATS to the hub: subscribes to the Odin subjects, and tells the stats whether NATS is there."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from nats.aio.msg import Msg

from wstui.odin.nats_client import NatsLine, address
from wstui.odin.stats import Stats

# None of these overlaps another, so that no message comes twice.
SUBJECTS = ("odin.token.>", "odin.trades.>", "odin.market.>")
_log = logging.getLogger("wstui.odin.nats")


class Relay:
    """Feeds `deliver` with each message that is published on the Odin subjects."""

    def __init__(self, url: str, deliver: Callable[[bytes], None], stats: Stats) -> None:
        self.first_connection = asyncio.Event()
        self._url = url
        self._deliver = deliver
        self._stats = stats
        self._line = NatsLine(url, "wstui-odin-server", lost=self._lost, back=self._back, failed=self._failed)
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
        await self._line.close()

    async def _connect(self) -> None:
        try:
            client = await self._line.connect()
            for subject in SUBJECTS:
                await client.subscribe(subject, cb=self._on_message)
            await client.flush()
        except Exception as error:  # a URL that can never work: the server lives on, degraded
            self._stats.errors += 1
            _log.error("NATS can't be used", extra={"url": address(self._url), "error": str(error)})
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
