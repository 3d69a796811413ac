"""A worker as a process: `python -m wstui.load`, controlled over stdin and stdout by the fleet that started it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import platform
import signal
import sys
from importlib.metadata import version

import msgspec

from wstui.load.conversation.script_runner import ScriptError
from wstui.load.lease import Lease
from wstui.load.pipe_link import LinkLost, PipeLink
from wstui.load.protocol import Drain, Finished, ScriptMistake, Spec, WorkerReady, decode_command, encode
from wstui.load.selfcheck import raise_files_limit
from wstui.load.worker import Worker
from wstui.servers.event_loop import run


class WorkerFailed(Exception):
    """A mistake of our own ended the worker; the operator's side shows the last line of its text."""


ORPHAN_GRACE_NS = 2_000_000_000
"""For goodbyes: a server that is busy just then would see connections break instead."""


async def serve(link: PipeLink) -> str:
    """Obey the operator until the run has ended, the link is lost, or the lease is over.

    Return why the worker ended by itself, "" if it was told to.
    """
    spec = decode_command(await link.receive())
    if not isinstance(spec, Spec):
        raise LinkLost("the first message was not a specification")
    try:
        worker = Worker(spec, lambda message: link.send(encode(message), last=worker.ended_event.is_set()))
    except ScriptError as error:
        link.send(encode(ScriptMistake(spec.worker, str(error))), last=True)
        return ""
    await worker.prepare()
    loop = asyncio.get_running_loop()
    name = "uvloop" if type(loop).__module__.startswith("uvloop") else "asyncio"
    ready = WorkerReady(
        spec.worker, os.getpid(), platform.python_version(), version("wstui"), name, raise_files_limit()
    )
    link.send(encode(ready))
    lease = Lease(spec.lease_s)
    listener = asyncio.create_task(_listen(link, worker, lease))
    expiry = asyncio.create_task(lease.over())
    ended = asyncio.create_task(worker.ended_event.wait())
    await asyncio.wait({listener, expiry, ended}, return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        why = (listener if listener.done() else expiry).result()
        listener.cancel()
        link.flush_s = spec.flush_s
        # A generator without an operator is an attack.
        worker.handle(Drain(ORPHAN_GRACE_NS))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(worker.ended_event.wait(), 4.0)
        return why
    listener.cancel()
    expiry.cancel()
    if worker.failure:
        raise WorkerFailed(worker.failure)
    link.send(encode(Finished(spec.worker)), last=True)
    return ""


async def _listen(link: PipeLink, worker: Worker, lease: Lease) -> str:
    """Pass commands on. Return why no more will come."""
    while True:
        try:
            command = decode_command(await link.receive())
        except LinkLost:
            return "the operator is gone"
        except msgspec.DecodeError as error:
            return f"a command could not be decoded: {error}"
        lease.renew()
        worker.handle(command)


async def _main(commands: int, snapshots: int) -> str:
    link = await PipeLink.open(os.fdopen(commands, "rb", 0), os.fdopen(snapshots, "wb", 0))
    why = ""
    with contextlib.suppress(LinkLost):
        why = await serve(link)
    await link.close()
    return why


def main() -> None:
    # Terminals, `timeout` and systemd signal the whole group; the operator decides what to do.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # What the imports made stays: later collections need only look at clients.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    # Keep the pipes private: a stray print must not break the stream.
    commands, snapshots = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    why = run(_main(commands, snapshots))
    if why:
        # The pipe may be full if the operator has stopped reading.
        with contextlib.suppress(OSError):
            print(why, file=sys.stderr, flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
