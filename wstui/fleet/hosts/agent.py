"""Runs workers on a remote host: an actor on a Dask worker, with the same pipes as local workers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from distributed import Worker, WorkerPlugin, get_worker
from msgspec.structs import replace

from wstui.fleet.local import LocalTransport
from wstui.fleet.transport import FleetError, MessageReceived
from wstui.load.lease import Lease
from wstui.load.protocol import ConnectSpec, Spec, decode_command

DRAIN_S = 5.0
LAST_WORDS_S = 0.5
_FILES = ("ca_file", "cert_file", "key_file")


def hang_up() -> None:
    """End the ssh session that started this process: if the network is cut, sshd would stay for hours."""
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process().parent()
        if parent is not None and re.fullmatch(r"sshd(-session)?: \S+@\S+", " ".join(parent.cmdline()).strip()):
            parent.terminate()


class DrainOnTeardown(WorkerPlugin):  # type: ignore[misc]
    """Drains the workers when their Dask worker ends for any reason."""

    def __init__(self, local: LocalTransport) -> None:
        self._local = local

    async def teardown(self, worker: Worker) -> None:
        await self._local.close(DRAIN_S)


def _with_files(connect: ConnectSpec, written: Mapping[str, str]) -> ConnectSpec:
    """Return where to connect, with the names that files have here."""
    changes = {name: written.get(path, "") for name in _FILES if (path := getattr(connect, name))}
    return replace(connect, **changes)


class Agent:
    """Publishes its workers' messages under `topic`; `own`: the Dask worker belongs to the run.

    It holds a lease as its workers do: when that is over it ends them, and its own Dask worker.
    """

    def __init__(self, topic: str, own: bool) -> None:
        self._dask_worker = get_worker()
        self._topic = topic
        self._own = own
        self._local = LocalTransport()
        self._lease = Lease()
        self._folder = ""  # with certificates
        self._starting: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, specs: list[tuple[int, bytes]], files: dict[str, bytes]) -> str:
        """Start workers; return why they could not start, or "". `files` are those named in their specs."""
        written = self._write(files)
        members: dict[int, Spec] = {}
        for worker, raw in specs:
            spec = decode_command(raw)
            assert isinstance(spec, Spec)
            members[worker] = replace(
                spec,
                connect=_with_files(spec.connect, written),
                flush_s=DRAIN_S,  # if this process hangs, the host is given up before it could pass them on
                role_connects={name: _with_files(own, written) for name, own in spec.role_connects.items()},
            )
        if not self._tasks:
            self._lease = Lease(min(spec.lease_s for spec in members.values()))
            self._tasks = [asyncio.create_task(self._pass_on()), asyncio.create_task(self._hold_lease())]
            await self._dask_worker.plugin_add(DrainOnTeardown(self._local), self._topic)
        self._starting.update(members)
        try:
            await self._local.start(members)
        except FleetError as error:
            return str(error)
        return ""

    async def tell(self, messages: Sequence[tuple[int, bytes]]) -> int:
        """Pass messages to workers; return this host's monotonic clock in ns."""
        self._lease.renew()
        for worker, message in messages:
            self._local.send(worker, message)
        return time.monotonic_ns()

    async def leave(self, grace_s: float) -> None:
        """End the workers within `grace_s` seconds, and the run's own Dask worker."""
        await self._end(grace_s)

    async def _pass_on(self) -> None:
        async for event in self._local.events():
            if event.worker in self._starting:
                # A worker that sends has read its files.
                self._starting.discard(event.worker)
                self._forget()
            if isinstance(event, MessageReceived):
                self._dask_worker.log_event(self._topic, (event.worker, event.message))
            else:
                self._dask_worker.log_event(self._topic, (event.worker, event.reason, event.at_ns))

    async def _hold_lease(self) -> None:
        await self._lease.over()
        await self._end(DRAIN_S, cut_off=True)

    async def _end(self, grace_s: float, *, cut_off: bool = False) -> None:
        await self._local.close(grace_s)
        self._starting.clear()
        self._forget()
        if self._own:
            loop = asyncio.get_running_loop()
            if cut_off:
                await asyncio.sleep(LAST_WORDS_S)
                hang_up()
            loop.call_later(0.05, lambda: asyncio.ensure_future(self._dask_worker.close(nanny=False)))
            loop.call_later(3.0, os._exit, 1)  # even if something blocks the close

    def _forget(self) -> None:
        """Delete certificates and keys once every worker has read them."""
        if self._folder and not self._starting:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = ""

    def _write(self, files: dict[str, bytes]) -> dict[str, str]:
        """Write certificates and keys for the workers, readable by this user only; return their paths."""
        if not files:
            return {}
        self._folder = self._folder or tempfile.mkdtemp(prefix="wstui-")
        written = {}
        for number, (name, content) in enumerate(sorted(files.items())):
            path = Path(self._folder, f"{number}.pem")
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            path.touch(mode=0o600)
            path.write_bytes(content)
            written[name] = str(path)
        return written
