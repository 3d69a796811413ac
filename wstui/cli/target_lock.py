"""One run at a time against a target: a locked file for each, in a folder that teams may share."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import platformdirs

from wstui.cli.exit_codes import ABORTED, USAGE, fail, tell
from wstui.measure.sanitize import sanitize
from wstui.scenario.model import Scenario
from wstui.scenario.url import is_unix, parse_address, split_unix, static_url

if sys.platform != "win32":
    import fcntl

POLL_S = 0.5
_held: list[IO[str]] = []
"""The kernel frees the locks with the process, however it ends."""


def lock_targets(scenarios: Sequence[Scenario], mode: str, folder: str | None) -> None:
    """Lock every target until this process ends: `mode` says whether to wait for another run or to refuse to start.

    "ignore" takes no lock. Ends the process if it is refused, or if the folder can't be used.
    """
    if mode == "ignore":
        return
    if sys.platform == "win32":
        fail(f"--lock {mode} is not available on Windows", USAGE)
    place = Path(folder) if folder else platformdirs.user_data_path("wstui", appauthor=False) / "locks"
    # In one order everywhere, so that two suites never wait for each other.
    for target in sorted({target_of(scenario) for scenario in scenarios}):
        try:
            place.mkdir(parents=True, exist_ok=True)
            file = _open(place / file_name(target))
            if not _lock(file):
                told = f"another run loads {target}: {_holder(file)}"
                if mode == "refuse":
                    fail(f"{told}; wait for it (--lock wait) or go on all the same (--lock ignore)", USAGE)
                tell(f"{told}; waiting for its end")
                while not _lock(file):
                    time.sleep(POLL_S)
            file.truncate(0)
            file.seek(0)
            file.write(f"{scenarios[0].name} on {socket.gethostname()}, process {os.getpid()}")
            file.flush()
        except KeyboardInterrupt:
            sys.exit(ABORTED)
        except OSError as error:
            fail(f"--lock-folder {place} can't be used: {error.strerror or error}", USAGE)
        _held.append(file)


def target_of(scenario: Scenario) -> str:
    """Return the host and port that a scenario loads, without path, user and query."""
    url = scenario.target.url
    if is_unix(url):
        return str(Path(split_unix(url)[0]).resolve())
    address = parse_address(static_url(url))
    return f"{address.host.lower().rstrip('.')}:{address.port}"


def file_name(target: str) -> str:
    """Return the name of a target's file: readable, and different for different targets."""
    return f"{re.sub(r'[^A-Za-z0-9.-]', '_', target)[:80]}-{hashlib.sha256(target.encode()).hexdigest()[:8]}.lock"


def _open(path: Path) -> IO[str]:
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666), "r+")
    if os.fstat(file.fileno()).st_uid == os.geteuid():
        os.fchmod(file.fileno(), 0o666)  # others of the team must be able to lock it too; the folder says who can
    return file


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: IO[str]) -> str:
    file.seek(0)
    return sanitize(file.read(300), 200) or "it does not say which"
