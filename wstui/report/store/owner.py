"""Who writes a run in the store, and whether that process still lives: how an interrupted run is told."""

from __future__ import annotations

import json
import os
import socket
import time

import psutil

SILENCE_S = 15.0
"""A writer on another host that has not written for so long is taken for dead."""


def this_writer() -> str:
    """This process: host, process id and start, so that a process id used again is not mistaken for it."""
    return json.dumps([socket.gethostname(), os.getpid(), psutil.Process().create_time()])


def alive(writer: str, updated: float) -> bool:
    """Whether the process `writer` lives. `updated` is the Unix time of its last word."""
    host, pid, created = json.loads(writer)
    spoke_lately = time.time() - updated < SILENCE_S
    if host != socket.gethostname():
        return spoke_lately
    try:
        process = psutil.Process(pid)
        # The clock may have been set since, which moves the start that the system tells.
        same = abs(process.create_time() - created) < 1 or spoke_lately
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return spoke_lately
