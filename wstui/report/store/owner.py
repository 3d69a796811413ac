"""The process that writes a run, and whether it is alive: how interrupted runs are found."""

from __future__ import annotations

import json
import os
import socket
import time

SILENCE_S = 15.0
"""A silent writer on another host counts as dead after this."""


def this_writer() -> str:
    """Return this process as host, process id and start, since process ids are reused."""
    import psutil  # 30 ms, which a list of runs need not wait for

    return json.dumps([socket.gethostname(), os.getpid(), psutil.Process().create_time()])


def alive(writer: str, updated: float) -> bool:
    """Return whether the process `writer` is alive. `updated` is the Unix time of its last write."""
    import psutil

    host, pid, created = json.loads(writer)
    spoke_lately = time.time() - updated < SILENCE_S
    if host != socket.gethostname():
        return spoke_lately
    try:
        process = psutil.Process(pid)
        # Setting the clock moves the start time that the system reports.
        same = abs(process.create_time() - created) < 1 or spoke_lately
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return spoke_lately
