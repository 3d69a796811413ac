"""The sink as a program.

`python -m wstui.execution.calibrate.sink.sink_main --port 0` prints `ready ws://127.0.0.1:PORT/ws` and serves
until told to end or its parent is gone. `GET /log` tells its counts as JSON, `GET /messages` the whole `SinkLog`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
from pathlib import Path

from wstui.execution.calibrate.sink.sink import BROADCAST_MIN_BYTES, Behaviour, Sink, SinkBroadcast
from wstui.execution.calibrate.sink.sink_connection import SinkConnection
from wstui.servers.parent_death import tie_to_parent


async def serve(behaviour: Behaviour, port: int, log_file: Path | None, stop: asyncio.Event | None = None) -> None:
    """Serve on a loopback port (0: a free one) until SIGTERM, SIGINT or `stop`; then write the log."""
    loop = asyncio.get_running_loop()
    stop = stop or asyncio.Event()
    sink = Sink(behaviour)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(lambda: SinkConnection(sink), "127.0.0.1", port, backlog=4096)
    # What lives until the end need not be looked at; a sink makes no cycles.
    gc.collect()
    gc.freeze()
    gc.disable()
    print(f"ready ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws", flush=True)
    await stop.wait()
    if log_file is not None:
        log_file.write_bytes(sink.full_log())  # noqa: ASYNC240 - nothing else is left to do
    server.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m wstui.execution.calibrate.sink.sink_main", description=__doc__)
    add = parser.add_argument
    add("--port", type=int, default=0, help="0 takes a free one")
    add("--mode", choices=("odin", "echo", "quiet"), default="odin")
    add("--delay", type=float, default=0.0, metavar="S", help="wait this long before each reply")
    add("--stall", type=float, default=0.0, metavar="S", help="stand still once, for this long")
    add("--stall-at", type=float, default=5.0, metavar="S", help="… this long after the first client opened")
    add("--lose", type=float, default=0.0, metavar="SHARE", help="replies that are never sent, 0…1")
    add("--reset-at", type=float, default=0.0, metavar="S", help="reset every connection once, after this")
    add("--record", action="store_true", help="keep a row for each message")
    add("--log", type=Path, metavar="FILE", help="write the log there at the end")
    add("--broadcast", type=float, default=0.0, metavar="RATE", help="send this many a second to every client")
    add("--broadcast-bytes", type=int, default=200, metavar="N")
    add("--broadcast-drop", type=float, default=0.0, metavar="SHARE", help="receipts left out, 0…1")
    add("--broadcast-duplicate", type=float, default=0.0, metavar="SHARE", help="receipts sent twice, 0…1")
    add("--broadcast-at", type=float, default=0.0, metavar="S", help="begin this long after the first client opened")
    add("--broadcast-count", type=int, default=0, metavar="N", help="0: without end")
    add("--seed", type=int, default=0)
    add("--core", type=int, default=-1, metavar="N", help="run on this core only")
    add("--stay", action="store_true", help="do not end with the parent process")
    options = parser.parse_args()
    if options.broadcast and options.broadcast_bytes < BROADCAST_MIN_BYTES:
        parser.error(f"--broadcast-bytes {options.broadcast_bytes} is too few: {BROADCAST_MIN_BYTES} or more")
    return options


def main() -> None:
    """Entry point of the process."""
    options = _arguments()
    if not options.stay:
        tie_to_parent()
    if options.core >= 0 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    behaviour = Behaviour(
        mode=options.mode,
        delay_s=options.delay,
        stall_s=options.stall,
        stall_at_s=options.stall_at,
        lose=options.lose,
        reset_at_s=options.reset_at,
        record=options.record,
        seed=options.seed,
        broadcast=SinkBroadcast(
            options.broadcast,
            options.broadcast_bytes,
            options.broadcast_drop,
            options.broadcast_duplicate,
            options.broadcast_at,
            options.broadcast_count,
            options.seed,
        ),
    )
    if sys.platform != "win32":
        import uvloop

        uvloop.run(serve(behaviour, options.port, options.log))
    else:
        asyncio.run(serve(behaviour, options.port, options.log))


if __name__ == "__main__":
    main()
