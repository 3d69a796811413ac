"""The Dask worker on a remote host, connected to the operator by its standard input and output alone."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from typing import BinaryIO

import dask
import msgspec

from wstui.fleet.host_facts import MARK
from wstui.fleet.hosts.dask_client import SETTINGS, QuietWorker, be_quiet
from wstui.fleet.hosts.dask_comm import SCHEME, PipeMux


class Work(msgspec.Struct, frozen=True):
    """Addresses of the scheduler and of this host, and the name of its Dask worker."""

    scheduler: str
    address: str
    name: str


def run() -> None:
    """Run a Dask worker until it is closed, or the operator is gone."""
    order = msgspec.json.decode(_line(0), type=Work)
    # Keep the pipes private: a stray print must not break the stream.
    read_from, write_to = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory(prefix="wstui-", ignore_cleanup_errors=True) as folder:
        asyncio.run(_work(order, os.fdopen(read_from, "rb", 0), os.fdopen(write_to, "wb", 0), folder))


def _line(fd: int) -> bytes:
    """Read a line and nothing after it."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(fd, 1)):
        line += byte
    return line


async def _work(order: Work, read_from: BinaryIO, write_to: BinaryIO, folder: str) -> None:
    be_quiet()
    loop = asyncio.get_running_loop()
    reader, ignored = asyncio.StreamReader(limit=1 << 20), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), read_from)
    transport, flow = await loop.connect_write_pipe(lambda: asyncio.StreamReaderProtocol(ignored), write_to)
    writer = asyncio.StreamWriter(transport, flow, None, loop)
    writer.write(MARK + b"\n")
    mux = PipeMux(reader, writer, first=False)
    mux.reaches(order.scheduler)
    piping = asyncio.create_task(mux.run())
    dask.config.set(SETTINGS)
    worker = QuietWorker(
        f"{SCHEME}://{order.scheduler}",
        host=f"{SCHEME}://{order.address}",
        protocol=SCHEME,
        name=order.name,
        nthreads=1,
        memory_limit=0,
        death_timeout=30,
        local_directory=folder,
    )
    loop.add_signal_handler(signal.SIGTERM, lambda: asyncio.ensure_future(worker.close()))
    await worker
    shutil.rmtree(folder, ignore_errors=True)  # leave none behind, even if this process is killed
    await asyncio.wait({piping, asyncio.create_task(worker.finished())}, return_when=asyncio.FIRST_COMPLETED)
    await worker.close()
    mux.close()
