"""Gathers facts about a host before it makes load."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import os
import platform
import socket
import tempfile
import time
from collections.abc import Collection, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
import psutil

from wstui.fleet import cgroup
from wstui.load.connect_outcome import cause_of
from wstui.load.selfcheck import local_ports, raise_files_limit
from wstui.scenario.source_addresses import source_addresses

MARK = b"wstui-host "
"""Begins the answer: a login shell may print before it."""
BUSY_LOOK_S = 0.3
REACH_S = 5.0
SYSTEM = Path("/proc/sys")
PORT_RANGE = "net.ipv4.ip_local_port_range"
SETTINGS = ("fs.nr_open", "fs.file-max", "fs.epoll.max_user_watches", "net.netfilter.nf_conntrack_max", PORT_RANGE)
"""Those of the kernel that a large load needs."""


class HostQuery(msgspec.Struct, frozen=True):
    """Subjects of a host probe: the target's host and port, and source addresses."""

    host: str = ""
    port: int = 0
    addresses: list[str] = []


class Facts(msgspec.Struct, frozen=True):
    """A host: versions, processors (`busy`: share used by others, 0…1), limits, free memory in bytes.

    `unreachable` says why the target can't be reached, or ""; `reach_ms` is the time to connect. `unusable` are those
    of `sources` source addresses that can't be bound. `cramped` says why no temporary file can be written, or "".
    `settings` are the kernel's, which are `fixed` in a container.
    """

    version: str
    python: str
    dask: str
    cores: int
    spare: int
    busy: float
    files: int
    ports: int
    memory: int
    unreachable: str = ""
    reach_ms: float | None = None
    unusable: list[str] = []
    cramped: str = ""
    sources: int = 1
    settings: dict[str, str] = {}
    fixed: bool = False


async def gather(query: HostQuery) -> Facts:
    """Gather the facts about this machine."""
    addresses = source_addresses(query.addresses)
    reached = asyncio.create_task(_reach(query))
    busy = await asyncio.to_thread(psutil.cpu_percent, BUSY_LOOK_S)
    kinds = await asyncio.to_thread(families, query.host, query.port) if addresses else set()
    unreachable, reach_ms = await reached
    return Facts(
        installed("wstui"),
        platform.python_version(),
        installed("distributed"),
        cores(),
        spare_cores(),
        busy / 100,
        raise_files_limit(),
        local_ports(),
        free_memory(),
        unreachable,
        reach_ms,
        unusable(addresses, kinds),
        cramped(),
        max(1, len(addresses)),
        kernel_settings(),
        settings_fixed(),
    )


def installed(package: str) -> str:
    """Return the version of a package, or "" if not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def cores() -> int:
    """Return the number of processors that this process may use."""
    found = 0
    with contextlib.suppress(AttributeError, NotImplementedError):
        found = len(psutil.Process().cpu_affinity() or [])
    found = found or psutil.cpu_count() or 1
    limit = cgroup.processors()
    return found if limit is None else min(found, max(1, math.ceil(limit)))


def spare_cores() -> int:
    """Return the workers for this machine: all cores but one for everything else, at least one."""
    return max(1, cores() - 1)


def free_memory() -> int:
    """Return the bytes that this process may still use."""
    available = psutil.virtual_memory().available
    left = cgroup.memory_left()
    return available if left is None else min(available, left)


def kernel_settings() -> dict[str, str]:
    """Return those of `SETTINGS` that this machine has."""
    found = {}
    for name in SETTINGS:
        with contextlib.suppress(OSError):  # not Linux, or a part of the kernel that is not loaded
            found[name] = " ".join(setting_file(name).read_text().split())
    return found


def setting_file(name: str) -> Path:
    return SYSTEM / name.replace(".", "/")


def settings_fixed() -> bool:
    """Return whether the kernel's settings can't be changed from here, as in a container."""
    try:
        return bool(os.statvfs(SYSTEM).f_flag & os.ST_RDONLY)
    except (OSError, AttributeError):
        return False


def families(host: str, port: int) -> set[int]:
    """Return the kinds of IP addresses that a target has; none if it is not known."""
    try:
        return {entry[0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)} if host else set()
    except (OSError, UnicodeError):
        return set()


def unusable(addresses: Sequence[str], kinds: Collection[int] = ()) -> list[str]:
    """Return the source addresses from which a target that has these kinds of addresses can't be reached, and why."""
    found = []
    for address in addresses:
        if address.endswith(":*"):
            found.append(f"{address} (no interface of this machine with an address)")
            continue
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if kinds and family not in kinds:
            found.append(f"{address} (the target's is another kind of IP address)")
            continue
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            try:
                sock.bind((address, 0))
            except OSError as error:
                reason = "not an address of this machine" if error.errno == errno.EADDRNOTAVAIL else error.strerror
                found.append(f"{address} ({reason})")
    return found


def cramped() -> str:
    """Return why no temporary file can be written, or ""."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(4096))
    except OSError as error:
        return error.strerror or str(error)
    return ""


async def _reach(query: HostQuery) -> tuple[str, float | None]:
    if not query.host:
        return "", None
    began = time.perf_counter()
    try:
        async with asyncio.timeout(REACH_S):
            _, writer = await asyncio.open_connection(query.host, query.port)
    except TimeoutError:
        return f"no answer within {REACH_S:g} s", None
    except OSError as error:
        return cause_of(error).message, None
    took_ms = (time.perf_counter() - began) * 1e3
    writer.close()
    return "", took_ms
