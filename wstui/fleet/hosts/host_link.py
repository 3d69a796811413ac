"""Our end of the link to a host: sends messages, and measures round trip and clock offset."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wstui.fleet.hosts.host_probe import HostProbe
from wstui.fleet.transport import FleetError, HostState
from wstui.load.protocol import OperatorBeat, Spec, encode
from wstui.measure.fanout import ClockOffset

_HEARTBEAT = encode(OperatorBeat())
BEGIN_S = 60.0
GRACE_S = 1.0
FIRST_ROUND_TRIPS = 8
"""So many round trips look at a host's clock before its workers are told: the quickest bounds it best."""


class HostLink:
    """Sends batches in order in a task of its own, so that a hanging host does not delay others.

    `failed` gets the name and the reason if a batch can't be delivered.
    """

    def __init__(self, probe: HostProbe, agent: Any, failed: Callable[[str, str], None]) -> None:
        self.name = probe.name
        self.workers: list[int] = []
        self.alive = True
        self.reason = ""
        self.silent_s = 0.0
        self.last_message_ns = time.monotonic_ns()
        self._probe = probe
        self._agent = agent
        self._failed = failed
        self._round_trip_ns: int | None = None
        self._clock = ClockOffset()
        self._sent_uncertainty_ns = 0.0  # the widest uncertainty of an offset that its workers were told
        self._outbox: list[tuple[int, bytes]] = []
        self._beating: set[int] = set()  # workers with an unsent heartbeat
        self._wake = asyncio.Event()
        self._delivering = asyncio.create_task(self._deliver())

    async def begin(self, specs: Mapping[int, Spec]) -> None:
        """Start workers. Raises FleetError."""
        parts = [part for spec in specs.values() for part in (spec.connect, *spec.role_connects.values())]
        paths = {str(path) for part in parts for path in (part.ca_file, part.cert_file, part.key_file) if path}
        try:
            files = {path: Path(path).read_bytes() for path in paths}  # noqa: ASYNC240 - a few KB
        except OSError as error:
            raise FleetError(f"{error.filename} can't be read: {error.strerror}") from None
        self.workers.extend(specs)
        try:
            async with asyncio.timeout(BEGIN_S):
                problem = await self._agent.begin([(key, encode(spec)) for key, spec in specs.items()], files)
        except Exception as error:
            problem = f"its Dask worker did not start them: {error or type(error).__name__}"
        if problem:
            raise FleetError(f"{self.name}: {problem}")

    def send(self, worker: int, message: bytes) -> None:
        """Queue a message; one waiting heartbeat is enough."""
        if not self.alive:
            return
        if message == _HEARTBEAT:
            if worker in self._beating:
                return
            self._beating.add(worker)
        self._outbox.append((worker, message))
        self._wake.set()

    async def _deliver(self) -> None:
        while True:
            await self._wake.wait()
            # Batch everything that is sent in this turn of the loop.
            await asyncio.sleep(0)
            self._wake.clear()
            beat = self._beat() if self._beating else _HEARTBEAT
            batch = [(worker, beat if message == _HEARTBEAT else message) for worker, message in self._outbox]
            self._outbox = []
            self._beating.clear()
            if not batch:
                continue
            first = self._clock.offset_ns is None
            try:
                await self._tell(batch)
                for _ in range(FIRST_ROUND_TRIPS if first else 0):
                    await self._tell([])
            except Exception:
                # The provider, such as ssh, may be about to report a better reason.
                await asyncio.sleep(GRACE_S)
                self._failed(self.name, "its Dask worker can't be reached")
                return
            for worker in self.workers if first else ():
                self.send(worker, _HEARTBEAT)  # which tells the clock, before clients send stamps

    async def _tell(self, batch: list[tuple[int, bytes]]) -> None:
        began_ns = time.monotonic_ns()
        there_ns = await self._agent.tell(batch)
        now_ns = self.last_message_ns = time.monotonic_ns()
        self._round_trip_ns = now_ns - began_ns
        self._clock.sample(there_ns - now_ns, there_ns - began_ns)

    def _beat(self) -> bytes:
        """Return a heartbeat that says how far ahead of ours its clock is."""
        ahead, unsure = self._clock.offset_ns, self._clock.uncertainty_ns
        if ahead is None or unsure is None:
            return _HEARTBEAT
        self._sent_uncertainty_ns = max(self._sent_uncertainty_ns, unsure)
        return encode(OperatorBeat(round(ahead)))

    def here_ns(self, there_ns: int) -> int:
        """Convert from its monotonic clock to ours, as exactly as round trips allow; only for marks."""
        offset = self._clock.offset_ns
        return time.monotonic_ns() if offset is None else round(there_ns - offset)

    async def leave(self, grace_s: float) -> None:
        """Ask the host to end, if it still listens."""
        self._delivering.cancel()
        if self.alive:
            try:
                async with asyncio.timeout(grace_s + 1.0):
                    await self._agent.leave(grace_s)
            except Exception:
                self.reason = self.reason or "did not confirm its end"

    def lose(self, reason: str) -> None:
        self.alive = False
        self.reason = reason
        self.silent_s = (time.monotonic_ns() - self.last_message_ns) / 1e9
        self._delivering.cancel()

    @property
    def host(self) -> HostState:
        return HostState(
            self.name,
            tuple(self.workers),
            self.alive,
            self.reason,
            self.last_message_ns,
            self._round_trip_ns,
            self._clock.offset_ns,
            # Stamps were made by what was known then, not by what is known now.
            self._sent_uncertainty_ns or self._clock.uncertainty_ns,
            self._probe.facts,
            self.silent_s,
        )
