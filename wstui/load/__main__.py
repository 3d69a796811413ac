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
from wstui.load.pipe_link import LinkLost, PipeLink
from wstui.load.protocol import Drain, Finished, Go, ScriptMistake, Spec, WorkerReady, decode_command, encode
from wstui.load.selfcheck import raise_files_limit
from wstui.load.worker import Worker
from wstui.servers.event_loop import run


class WorkerFailed(Exception):
    """A mistake of our own ended the worker; the operator's side shows the last line of its text."""


LEASE_S = 3.0
ORPHAN_GRACE_NS = 500_000_000


async def serve(link: PipeLink) -> str:
    """Obey the operator until the run has ended, the link is lost, or the lease has passed without a command.

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
    listener = asyncio.create_task(_listen(link, worker))
    ended = asyncio.create_task(worker.ended_event.wait())
    await asyncio.wait({listener, ended}, return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        # A generator without an operator is an attack.
        worker.handle(Drain(ORPHAN_GRACE_NS))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(worker.ended_event.wait(), 4.0)
        return listener.result()
    listener.cancel()
    if worker.failure:
        raise WorkerFailed(worker.failure)
    link.send(encode(Finished(spec.worker)), last=True)
    return ""


async def _listen(link: PipeLink, worker: Worker) -> str:
    """Pass commands on. Return why no more will come."""
    patience_s = 60.0
    while True:
        try:
            try:
                message = await asyncio.wait_for(link.receive(), patience_s)
            except TimeoutError:
                # This process may have been stopped or had no CPU: read what arrived meanwhile, however slowly.
                message = await asyncio.wait_for(link.receive(), patience_s if link.unread() else 0.2)
            command = decode_command(message)
        except LinkLost:
            return "the operator is gone"
        except TimeoutError:
            return f"no message from the operator for {patience_s:g} s"
        except msgspec.DecodeError as error:
            return f"a command could not be decoded: {error}"
        if isinstance(command, Go):
            patience_s = LEASE_S
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
