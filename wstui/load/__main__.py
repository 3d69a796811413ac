"""A shard as a process: `python -m wstui.load`, steered over stdin and stdout by the fleet that started it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import platform
import signal
import sys
from importlib.metadata import version

from wstui.load.command import Drain, Finished, Go, Joined, Spec, decode_command, encode
from wstui.load.link import LinkLost, PipeLink
from wstui.load.selfcheck import raise_files_limit
from wstui.load.shard import Shard


class ShardFailed(Exception):
    """A mistake of our own ended the shard; the operator's side shows the last line of its text."""


LEASE_S = 3.0
ORPHAN_GRACE_NS = 500_000_000


async def serve(link: PipeLink) -> None:
    """Obey the operator until the run has ended, the link is lost, or nothing was heard for the lease."""
    spec = decode_command(await link.receive())
    if not isinstance(spec, Spec):
        raise LinkLost("the first message was no specification")
    shard = Shard(spec, lambda snapshot: link.send(encode(snapshot)))
    await shard.prepare()
    loop = asyncio.get_running_loop()
    name = "uvloop" if type(loop).__module__.startswith("uvloop") else "asyncio"
    link.send(
        encode(
            Joined(
                spec.shard,
                os.getpid(),
                platform.python_version(),
                version("wstui"),
                name,
                raise_files_limit(),
            )
        )
    )
    listener = asyncio.create_task(_listen(link, shard))
    ended = asyncio.create_task(shard.ended_event.wait())
    await asyncio.wait({listener, ended}, return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        # A generator without an operator is an attack.
        shard.obey(Drain(ORPHAN_GRACE_NS))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(shard.ended_event.wait(), 4.0)
    listener.cancel()
    if shard.failure:
        raise ShardFailed(shard.failure)
    link.send(encode(Finished(spec.shard)))


async def _listen(link: PipeLink, shard: Shard) -> None:
    """Pass commands on; returns when the operator is gone or silent."""
    running = False
    with contextlib.suppress(LinkLost, TimeoutError):
        while True:
            command = decode_command(await asyncio.wait_for(link.receive(), LEASE_S if running else 60))
            running = running or isinstance(command, Go)
            shard.obey(command)


async def _main(commands: int, snapshots: int) -> None:
    link = await PipeLink.open(os.fdopen(commands, "rb", 0), os.fdopen(snapshots, "wb", 0))
    with contextlib.suppress(LinkLost):
        await serve(link)
    link.close()
    await asyncio.sleep(0.05)


def main() -> None:
    """Entry point of the process."""
    # The operator's terminal sends these to the whole group; the operator decides and says what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # What the imports left behind stays: later collections need only look at clients.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    # Keep the pipes for ourselves: a stray print must not break the stream.
    commands, snapshots = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    if sys.platform != "win32":
        import uvloop

        uvloop.run(_main(commands, snapshots))
    else:
        asyncio.run(_main(commands, snapshots))


if __name__ == "__main__":
    main()
