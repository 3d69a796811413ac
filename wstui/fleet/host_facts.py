"""What a machine that is to make load says of itself before it does."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import platform
import socket
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import msgspec
import psutil

from wstui.load.connect_outcome import cause_of
from wstui.load.selfcheck import local_ports, raise_files_limit

BUSY_LOOK_S = 0.3
REACH_S = 5.0


class HostQuery(msgspec.Struct, frozen=True):
    """What to look at: the target's host and port, and source addresses to connect from."""

    host: str = ""
    port: int = 0
    addresses: list[str] = []


class Facts(msgspec.Struct, frozen=True):
    """A machine: its versions, processors (`busy`: share that others use, 0…1), limits, free memory in bytes.

    `unreachable` says why the target can't be reached from there, "" where it can, after `reach_ms`; `unusable` are
    the source addresses that no socket can be bound to. `free` are ports on its loopback that nobody uses. `cramped`
    says why there is no place for a temporary file, "" where there is.
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
    free: list[int] = []
    cramped: str = ""


async def gather(question: HostQuery) -> Facts:
    """Look around on this machine."""
    reached = asyncio.create_task(_reach(question))
    busy = await asyncio.to_thread(psutil.cpu_percent, BUSY_LOOK_S)
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
        psutil.virtual_memory().available,
        unreachable,
        reach_ms,
        unusable(question.addresses),
        free_ports(2),
        cramped(),
    )


def installed(package: str) -> str:
    """The version of a package, "" when it is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def cores() -> int:
    """The processors that this process may use."""
    with contextlib.suppress(AttributeError, NotImplementedError):
        return len(psutil.Process().cpu_affinity() or []) or psutil.cpu_count() or 1
    return psutil.cpu_count() or 1


def spare_cores() -> int:
    """How many workers this machine should run: one core is left to the operator's side and the rest, at least one."""
    return max(1, cores() - 1)


def unusable(addresses: Sequence[str]) -> list[str]:
    """The source addresses that no socket can be bound to, with the reason."""
    found = []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            try:
                sock.bind((address, 0))
            except OSError as error:
                reason = "no address of this machine" if error.errno == errno.EADDRNOTAVAIL else error.strerror
                found.append(f"{address} ({reason})")
    return found


def cramped() -> str:
    """Why no temporary file can be written here, "" when one can."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(4096))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [int(sock.getsockname()[1]) for sock in sockets]


async def _reach(question: HostQuery) -> tuple[str, float | None]:
    if not question.host:
        return "", None
    began = time.perf_counter()
    try:
        async with asyncio.timeout(REACH_S):
            _, writer = await asyncio.open_connection(question.host, question.port)
    except TimeoutError:
        return f"no answer within {REACH_S:g} s", None
    except OSError as error:
        return cause_of(error).message, None
    took_ms = (time.perf_counter() - began) * 1e3
    writer.close()
    return "", took_ms
