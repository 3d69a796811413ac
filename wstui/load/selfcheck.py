"""Measures a worker's own condition: CPU, loop lag, open files, local ports, memory."""

from __future__ import annotations

import contextlib
import mmap
import sys
import time
from pathlib import Path
from typing import BinaryIO

import psutil

from wstui.measure.snapshot import Health

if sys.platform != "win32":
    import resource

FILES_RESERVED = 64
_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def raise_files_limit() -> int:
    """Raise the soft limit of open files to the hard one. Return it (0 = unknown)."""
    if sys.platform == "win32":
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (ValueError, OSError):
            pass  # macOS has a lower limit in the kernel
    return 0 if soft == resource.RLIM_INFINITY else soft


def local_ports() -> int:
    """Return how many local ports one source address has for one destination."""
    try:
        low, high = _PORT_RANGE.read_text().split()
    except OSError:
        return 16384  # IANA's dynamic range, the default of most other systems
    return int(high) - int(low) + 1


class _Resident:
    """This process's resident memory. The file stays open: at the limit of open files it could not be opened."""

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        with contextlib.suppress(OSError):
            self._file = Path("/proc/self/statm").open("rb", buffering=0)  # noqa: SIM115

    def bytes(self) -> int:
        """Return the bytes in use, 0 if unknown."""
        with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
            if self._file is None:
                return int(psutil.Process().memory_info().rss)
            self._file.seek(0)
            return int(self._file.read(200).split()[1]) * mmap.PAGESIZE
        return 0


class SelfCheck:
    """Collects the worst between two snapshots."""

    def __init__(self, source_addresses: int) -> None:
        self._files_limit = raise_files_limit()
        self._ports_limit = local_ports() * max(1, source_addresses)
        self._cpu_ns = time.process_time_ns()
        self._at_ns = time.monotonic_ns()
        self._lag_s = 0.0
        self._resident = _Resident()

    def lag(self, seconds: float) -> None:
        """Note how late the loop's tick was."""
        if seconds > self._lag_s:
            self._lag_s = seconds

    def take(self, sockets: int) -> Health:
        """Return the condition since the last call; `sockets` are the connections in use now."""
        cpu, at = time.process_time_ns(), time.monotonic_ns()
        share = (cpu - self._cpu_ns) / max(1, at - self._at_ns)
        self._cpu_ns, self._at_ns = cpu, at
        lag, self._lag_s = self._lag_s, 0.0
        # Counting /proc/self/fd costs a millisecond at 5000 clients; files other than sockets are a handful.
        return Health(
            share,
            int(lag * 1e9),
            sockets + FILES_RESERVED // 4,
            self._files_limit,
            sockets,
            self._ports_limit,
            self._resident.bytes(),
        )
