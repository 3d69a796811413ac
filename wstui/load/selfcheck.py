"""What a shard knows of its own condition: CPU, loop lag, open files, local ports, memory."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil

from wstui.load.command import Spec
from wstui.measure.snapshot import Health

if sys.platform != "win32":
    import resource

FILES_RESERVED = 64
_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def raise_files_limit() -> int:
    """Raise the soft limit of open files to the hard one; returns it (0 = no limit known)."""
    if sys.platform == "win32":
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (ValueError, OSError):
            pass  # macOS has a lower limit in the kernel; stay with what we have
    return 0 if soft == resource.RLIM_INFINITY else soft


def local_ports() -> int:
    """How many local ports one source address offers to one destination."""
    try:
        low, high = _PORT_RANGE.read_text().split()
    except OSError:
        return 16384  # IANA's dynamic range, the default of most other systems
    return int(high) - int(low) + 1


class SelfCheck:
    """Collects between two snapshots."""

    def __init__(self, spec: Spec) -> None:
        self._files_limit = raise_files_limit()
        self._ports_limit = local_ports() * max(1, len(spec.local_addresses))
        self._cpu_ns = time.process_time_ns()
        self._at_ns = time.monotonic_ns()
        self._lag_s = 0.0
        self._process = psutil.Process(os.getpid())

    def lag(self, seconds: float) -> None:
        """How late the loop's tick was."""
        if seconds > self._lag_s:
            self._lag_s = seconds

    def take(self, sockets: int) -> Health:
        """The condition since the last call; `sockets` are the connections in use now."""
        cpu, at = time.process_time_ns(), time.monotonic_ns()
        share = (cpu - self._cpu_ns) / max(1, at - self._at_ns)
        self._cpu_ns, self._at_ns = cpu, at
        lag, self._lag_s = self._lag_s, 0.0
        # Counting /proc/self/fd costs a millisecond at 5000 clients: what is not a client is a handful of files.
        return Health(
            share,
            int(lag * 1e9),
            sockets + FILES_RESERVED // 4,
            self._files_limit,
            sockets,
            self._ports_limit,
            self._process.memory_info().rss,
        )
