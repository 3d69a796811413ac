"""The environment of a run: versions, host and limits, so that results can be told apart by more than their load."""

from __future__ import annotations

import os
import platform
import socket
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

_LIBRARIES = ("wstui", "websockets", "uvloop", "pydantic", "msgspec")


def environment() -> dict[str, Any]:
    """Versions, host, processors, memory in bytes and limits of this process, as plain values."""
    return {
        "host": socket.gethostname(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": {name: _version(name) for name in _LIBRARIES},
        "processors": psutil.cpu_count() or 0,
        "memory_bytes": psutil.virtual_memory().total,
        "load_average": [round(load, 2) for load in psutil.getloadavg()],
        "limits": _limits(),
    }


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _limits() -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        limits["open_files"] = [soft, hard]
    for name in ("ip_local_port_range", "tcp_max_syn_backlog"):
        try:
            text = Path("/proc/sys/net/ipv4", name).read_text(encoding="ascii")
        except OSError:
            continue
        limits[name] = [int(number) for number in text.split()]
    limits["usable_processors"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return limits
