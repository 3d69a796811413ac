"""One run at a time against a target: a locked file for each, in a folder that teams may share."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import socket
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import platformdirs

from wstui.cli.exit_codes import ABORTED, USAGE, fail, tell
from wstui.measure.format import duration
from wstui.measure.sanitize import sanitize
from wstui.scenario.hosts import is_loopback, parse_host
from wstui.scenario.model import Scenario
from wstui.scenario.url import is_unix, parse_address, split_unix, static_url

if sys.platform != "win32":
    import fcntl

POLL_S = 0.5
TELL_S = 60.0
"""How often a waiting run says for how long it has waited."""
_LOCALHOST = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}
_FIX = "name a folder that you can write to (--lock-folder, WSTUI_LOCK_FOLDER)"


class LockFailed(Exception):
    """A target can't be locked; the text says why and how to fix it."""


class TargetLocks:
    """The locks on the targets of a run. The kernel frees them with the process, however it ends."""

    def __init__(self, scenarios: Sequence[Scenario], mode: str, folder: str | None) -> None:
        """`mode` says what to do while another run has a lock: "wait" or "refuse"; "ignore" takes none."""
        self._name = scenarios[0].name
        self._mode = mode
        self._free: list[str] = []  # in one order everywhere, so that two suites never wait for each other
        if mode != "ignore":
            self._free = sorted({target for scenario in scenarios for target in targets_of(scenario)})
        self._folder = Path(folder) if folder else platformdirs.user_data_path("wstui", appauthor=False) / "locks"
        self._held: list[IO[str]] = []
        self._began = time.monotonic()

    @property
    def waited_s(self) -> float:
        """Return the time since this run wanted its locks."""
        return time.monotonic() - self._began

    def take(self) -> str:
        """Lock what is not locked yet; return who has the next one, or "". Raises LockFailed."""
        if self._free and sys.platform == "win32":
            raise LockFailed(f"--lock {self._mode} is not available on Windows")
        try:
            while self._free:
                self._folder.mkdir(parents=True, exist_ok=True)
                file = _open(self._folder / file_name(self._free[0]))
                if not _lock(file):
                    told = f"another run loads {self._free[0]}: {_holder(file)}"
                    file.close()
                    if self._mode == "refuse":
                        raise LockFailed(f"{told}; wait for it (--lock wait) or go on all the same (--lock ignore)")
                    return told
                self._held.append(file)
                del self._free[0]
            self.sign()
        except OSError as error:
            raise LockFailed(f"locks can't be kept in {self._folder}: {_why(error)}; {_FIX}") from None
        return ""

    def sign(self) -> None:
        """Write into the locks who has them, which is this process."""
        for file in self._held:
            file.truncate(0)
            file.seek(0)
            since = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
            file.write(f"{self._name} on {socket.gethostname()}, process {os.getpid()}, since {since}")
            file.flush()

    def free(self) -> None:
        for file in self._held:
            file.close()
        self._held.clear()


def lock_targets(scenarios: Sequence[Scenario], mode: str, folder: str | None) -> TargetLocks:
    """Lock every target, and wait for that if so asked. Ends the process if it is refused or impossible."""
    locks = TargetLocks(scenarios, mode, folder)
    told, told_s = "", 0.0
    try:
        while busy := locks.take():
            if busy != told:
                tell(f"{busy}; waiting for its end")
            elif locks.waited_s - told_s >= TELL_S:
                tell(f"{busy}; waiting for {duration(round(locks.waited_s))}")
            else:
                time.sleep(POLL_S)
                continue
            told, told_s = busy, locks.waited_s
    except LockFailed as error:
        fail(str(error), USAGE)
    except KeyboardInterrupt:
        tell("not begun")
        sys.exit(ABORTED)
    return locks


def targets_of(scenario: Scenario) -> list[str]:
    """Return what a scenario loads: host and port, without path, user and query.

    Loopback and a Unix socket lead to another server on each machine: they are those of the machines that load.
    """
    url = scenario.target.url
    if is_unix(url):
        place = str(Path(split_unix(url)[0]).resolve())
    else:
        address = parse_address(static_url(url))
        host = address.host.lower().rstrip(".")
        if host in _LOCALHOST:
            host = "localhost"
        place = f"{host}:{address.port}"
        if not is_loopback(host):
            return [place]
    machines = [parse_host(host).name for host in scenario.fleet.hosts]
    return [f"{place} on {machine}" for machine in machines or [scenario.fleet.scheduler or socket.gethostname()]]


def file_name(target: str) -> str:
    """Return the name of a target's file: readable, and different for different targets."""
    place, _, _ = target.partition(" on ")
    return f"{re.sub(r'[^A-Za-z0-9.-]', '_', place)[:80]}-{hashlib.sha256(target.encode()).hexdigest()[:8]}.lock"


def _open(path: Path) -> IO[str]:
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        # Linux refuses O_CREAT for a file of another user in a folder such as /tmp.
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_CREAT, 0o666)
    file = os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace")
    if os.fstat(descriptor).st_uid == os.geteuid():
        os.fchmod(descriptor, 0o666)  # others of the team must be able to lock it too; the folder says who can
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


def _why(error: OSError) -> str:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "it is not a folder"
    if error.errno == errno.ELOOP and error.filename and Path(error.filename).is_symlink():
        return f"{Path(error.filename).name} is a link"
    return error.strerror or str(error)
