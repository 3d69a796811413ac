"""`wstui demo million`: as many clients as this machine can hold, with the sinks that they connect to."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from wstui.cli.exit_codes import ABORTED, BROKEN, USAGE, fail, tell
from wstui.cli.options import RunOptions
from wstui.cli.prepare import prepare
from wstui.execution.calibrate.sink.sink_process import SinkProcess
from wstui.execution.suite import SuiteRun
from wstui.fleet.host_facts import cores, free_memory
from wstui.fleet.local import give_way
from wstui.load.selfcheck import raise_files_limit
from wstui.measure.format import grouped
from wstui.servers.child_process import ProcessFailed

MILLION = 1_000_000
BROADCASTS = 3
PAIR_BYTES, PROCESS_BYTES = 12 * 1024, 24 << 20
"""Memory of a client, its connection in the sink and both sockets in the kernel; of a worker or sink without any."""
FILES_USED, MEMORY_USED = 0.7, 0.75
"""Shares of what there is. Sinks of one port get unequal numbers of connections."""
MOST_A_PROCESS = 50_000
MOST_A_CORE = 200_000
"""With both ends on it. With 500 000 a broadcast takes 16 s to reach all."""
PORTS_USED = 10_000
"""Clients of one source address: near the end of its ports a connect takes ten times as long."""
CONNECTS, CLOSES = 1000, 2500
"""A second and core, with both ends on this machine."""
RECEIPT_S = 40e-6
"""CPU of a broadcast at one client, both ends."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine has; `files` are those of one process, 0 if without a limit."""

    cores: int
    memory: int
    files: int


@dataclass(frozen=True, slots=True)
class MillionPlan:
    """So many clients, in so many workers and as many sinks."""

    clients: int
    processes: int
    cores: int

    @property
    def addresses(self) -> int:
        return math.ceil(self.clients / PORTS_USED)

    @property
    def ramp_s(self) -> int:
        return max(3, math.ceil(self.clients / (CONNECTS * self.cores)))

    @property
    def start_s(self) -> int:
        """The time to start all processes, which broadcasts wait for as well."""
        return 5 + self.processes

    @property
    def every_s(self) -> int:
        """The interval of broadcasts: they take half of the machine at most."""
        return max(2, math.ceil(2 * self.clients * RECEIPT_S / self.cores))

    @property
    def hold_s(self) -> int:
        return (BROADCASTS + 2) * self.every_s + self.start_s

    def preset(self, url: str) -> str:
        drain_s = max(2, math.ceil(self.clients / (CLOSES * self.cores)))
        stages = (("ramp", self.ramp_s, self.clients), ("hold", self.hold_s, self.clients), ("drain", drain_s, 0))
        return f"""name = "million"
description = "As many clients as this machine holds, a broadcast to all"
[target]
url = "{url}"
ready = "welcome"
health = "off"
connect_timeout = "60s"
[fleet]
workers = {self.processes}
local_addresses = ["127.0.1.1-{ipaddress.IPv4Address("127.0.1.0") + self.addresses}"]
[messages]
exchange = "listen"
fanout_window = "{self.every_s}s"
""" + "".join(f'[[stages]]\nname = "{name}"\nover = "{over}s"\nclients = {to}\n' for name, over, to in stages)


def plan(machine: Machine, wanted: int | None) -> tuple[MillionPlan, str]:
    """Return how many clients to try, and why. Raises ValueError if more are wanted than fit into the memory."""
    files = int(machine.files * FILES_USED) if machine.files else MOST_A_PROCESS
    each = min(files, MOST_A_PROCESS)
    client = PAIR_BYTES + 2 * PROCESS_BYTES / each
    fit = int(machine.memory * MEMORY_USED / client)
    keeps_up = machine.cores * MOST_A_CORE
    clients = wanted if wanted is not None else min(MILLION, keeps_up, fit // 1000 * 1000)
    if clients > fit:
        raise ValueError(
            f"--clients {clients}: with {grouped(machine.memory / 2**20)} MiB free this machine holds about "
            f"{grouped(fit)}, at {client / 1024:.0f} KiB for both ends of a connection"
        )
    processes = max(min(machine.cores, clients), math.ceil(clients / each))
    limit = f"{grouped(machine.files)} files a process" if machine.files else "no limit of files"
    limits = {MILLION: "the goal", keeps_up: "as many as its cores keep up with; --clients asks for more"}
    why = "as asked" if wanted is not None else limits.get(clients, "as many as its memory holds")
    found = f"{machine.cores} cores, {grouped(machine.memory / 2**20)} MiB free, {limit}"
    made = MillionPlan(clients, processes, machine.cores)
    return made, (
        f"this machine has {found}: {grouped(clients)} clients ({why}) in {processes} workers, from "
        f"{made.addresses} loopback address{'' if made.addresses == 1 else 'es'} to {processes} sinks, "
        f"a broadcast every {made.every_s} s"
    )


def run_million(options: RunOptions, carry_out: Callable[[SuiteRun, RunOptions], int]) -> NoReturn:
    """Start the sinks, run, and end the process with the status of the run."""
    machine = Machine(cores(), free_memory(), raise_files_limit())
    try:
        made, told = plan(machine, options.overrides.clients)
    except ValueError as error:
        fail(str(error), USAGE)
    if made.clients < 1:
        fail("--clients 0: demo million needs one at least", USAGE)
    tell(told)
    options = replace(options, overrides=replace(options.overrides, clients=None, proxy="off"))
    # One moment for all sinks: a broadcast is one only if all of them send it.
    begins = time.time() + made.start_s + made.ramp_s
    rate = str(1 / made.every_s)
    broadcasts = ("--shared", str(begins), "--broadcast", rate, "--broadcast-count", str(BROADCASTS))
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory(prefix="wstui-") as folder:
        first = SinkProcess(*broadcasts)
        sinks = [first]
        try:
            runner.run(first.start())
            port = urlsplit(first.url).port or 0
            sinks += [SinkProcess(*broadcasts, port=port) for _ in range(made.processes - 1)]
            runner.run(_at_once(sink.start() for sink in sinks[1:]))
            give_way([sink.pid for sink in sinks])
            preset = Path(folder, "million.toml")
            preset.write_text(made.preset(first.url))
            status = carry_out(prepare((str(preset),), options, os.environ), options)
        except ProcessFailed as error:
            fail(str(error), BROKEN)
        except KeyboardInterrupt:
            status = ABORTED
        finally:
            runner.run(_at_once(sink.stop() for sink in sinks))
    sys.exit(status)


async def _at_once(steps: Iterable[Coroutine[None, None, None]]) -> None:
    await asyncio.gather(*steps)
