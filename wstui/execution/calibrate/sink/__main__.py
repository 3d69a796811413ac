"""The sink as a program: `python -m wstui.execution.calibrate.sink --port 0` prints `ready ws://127.0.0.1:PORT/ws`.

It serves until it is told to stop or its parent ends. `GET /log` returns its counts as JSON, `GET /messages` the whole
`SinkLog`.

It runs on uvloop like the workers. On asyncio's own loop a round trip cost the sink 49 to 62 µs instead of 21 to 30,
and a worker 27 to 37, side by side on a busy machine: the sink, not the worker, would have been the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
from dataclasses import fields
from pathlib import Path

from wstui.execution.calibrate.sink.sink import BROADCAST_MIN_BYTES, Behaviour, Sink, SinkBroadcast
from wstui.execution.calibrate.sink.sink_connection import SinkConnection
from wstui.load.selfcheck import raise_files_limit
from wstui.servers.event_loop import run
from wstui.servers.parent_death import tie_to_parent


async def _serve(behaviour: Behaviour, port: int, log_file: Path | None) -> None:
    """Serve on a loopback port (0: a free one) until SIGTERM or SIGINT; then write the log."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    sink = Sink(behaviour)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(
        lambda: SinkConnection(sink),
        "127.0.0.1",
        port,
        backlog=4096,
        reuse_port=bool(behaviour.broadcast.shared) or None,
    )
    # A sink makes no cycles, so there is nothing for the collector to find.
    gc.collect()
    gc.freeze()
    gc.disable()
    print(f"ready ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws", flush=True)
    await stop.wait()
    if log_file is not None:
        log_file.write_bytes(sink.full_log())  # noqa: ASYNC240 - nothing else is left to do
    server.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m wstui.execution.calibrate.sink", description=__doc__)
    add = parser.add_argument
    add("--port", type=int, default=0, help="0 takes a free one")
    add("--mode", choices=("odin", "echo", "quiet"), default="odin")
    add("--delay", dest="delay_s", type=float, default=0.0, metavar="S", help="wait this long before each reply")
    add("--stall", dest="stall_s", type=float, default=0.0, metavar="S", help="block once, for this long")
    add("--stall-at", dest="stall_at_s", type=float, default=5.0, metavar="S", help="… after the first client opened")
    add("--lose", type=float, default=0.0, metavar="SHARE", help="replies that are never sent, 0…1")
    add("--reset-at", dest="reset_at_s", type=float, default=0.0, metavar="S", help="reset every connection once")
    add("--record", action="store_true", help="keep a row for each message")
    add("--log", type=Path, metavar="FILE", help="write the log there at the end")
    add("--broadcast", dest="rate", type=float, default=0.0, metavar="RATE", help="broadcasts a second to every client")
    add("--broadcast-bytes", dest="size", type=int, default=200, metavar="N")
    add("--broadcast-drop", dest="drop", type=float, default=0.0, metavar="SHARE", help="receipts left out, 0…1")
    add("--broadcast-duplicate", dest="duplicate", type=float, default=0.0, metavar="SHARE", help="sent twice, 0…1")
    add("--broadcast-at", dest="at_s", type=float, default=0.0, metavar="S", help="… after the first client opened")
    add("--shared", type=float, default=0.0, metavar="TIME", help="share the port, and broadcasts from then on")
    add("--broadcast-count", dest="count", type=int, default=0, metavar="N", help="0: without end")
    add("--seed", type=int, default=0)
    add("--core", type=int, default=-1, metavar="N", help="run on this core only")
    add("--stay", action="store_true", help="do not end with the parent process")
    options = parser.parse_args()
    if options.rate and options.size < BROADCAST_MIN_BYTES:
        parser.error(f"--broadcast-bytes {options.size} is too few: {BROADCAST_MIN_BYTES} or more")
    return options


def main() -> None:
    """Run the sink."""
    raise_files_limit()
    options = _arguments()
    if not options.stay:
        tie_to_parent()
    if options.core >= 0 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    options.broadcast = SinkBroadcast(**{part.name: getattr(options, part.name) for part in fields(SinkBroadcast)})
    behaviour = Behaviour(**{part.name: getattr(options, part.name) for part in fields(Behaviour)})
    serving = _serve(behaviour, options.port, options.log)
    run(serving)


if __name__ == "__main__":
    main()
