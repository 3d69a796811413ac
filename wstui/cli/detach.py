"""Runs that go on without a terminal: `wstui run --detach`, and ctrl+d on the dashboard."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
import termios
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from wstui.cli.exit_codes import USAGE, fail, tell

if TYPE_CHECKING:
    from wstui.control.registry import Entry  # loaded when a run is left: it would delay the first screen

_POLL_S = 0.05
_NO_SOCKET = "without a control socket (--no-control) you could not attach to the run again"


def run_detached(run: Callable[[], int], *, has_control: bool) -> int:
    """Carry a run out in a process without a terminal; return once it has begun, or with the status of its failure."""
    if not has_control:
        fail(f"--detach: {_NO_SOCKET}", USAGE)
    log = _new_log()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.setsid()
        _to_log(log)
        sys.exit(run())
    while (entry := _served_by(child)) is None or not _has_begun(entry):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            with contextlib.suppress(OSError):
                sys.stderr.write(log.read_text(encoding="utf-8", errors="replace"))
            return os.waitstatus_to_exitcode(status)
        time.sleep(_POLL_S)
    click.echo(f"run {entry.id} goes on in the background (process {child})")
    click.echo(f"  wstui attach {entry.id}\n  wstui ctl {entry.id} drain\n  its output: {log}")
    return 0


def _served_by(pid: int) -> Entry | None:
    from wstui.control.registry import entries

    return next((entry for entry in entries() if entry.pid == pid), None)


def _has_begun(entry: Entry) -> bool:
    from wstui.control.link import ConnectionLost, local
    from wstui.control.remote_run import RemoteRun

    try:
        with contextlib.closing(RemoteRun(local(entry), "detach", read_only=True)) as run:
            return run.await_status(lambda status: status.started is not None)
    except ConnectionLost:
        return False


class DetachableTerminal:
    """A terminal whose shell waits for another process than this one, which can therefore leave it."""

    def __init__(self, parent: socket.socket) -> None:
        self._parent = parent
        self._left = False
        threading.Thread(target=self._watch_parent, name="wstui-parent", daemon=True).start()

    def _watch_parent(self) -> None:
        """Drain, as when the terminal is closed, if the parent is killed."""
        with contextlib.suppress(OSError):
            self._parent.recv(1)
        if not self._left:
            os.kill(os.getpid(), signal.SIGHUP)

    def refusal(self) -> str:
        """Return why the run can't be left alone, or ""."""
        return "" if _served_by(os.getpid()) else _NO_SOCKET

    def leave(self) -> None:
        """Give the terminal back to the shell, and go on without one."""
        entry = _served_by(os.getpid())
        log = _new_log()
        with contextlib.suppress(OSError):
            click.echo(f"detached: the run goes on; wstui attach {entry.id if entry else ''}")
        _to_log(log)
        with contextlib.suppress(OSError), Path("/dev/tty").open("rb") as terminal:
            fcntl.ioctl(terminal, termios.TIOCNOTTY)
        self._left = True
        self._parent.sendall(b"d")


def detachable() -> DetachableTerminal | None:
    """Go on in a child process, for whose sake the parent, for which the shell waits, stays in the terminal.

    Call it before there are threads, or servers that end with the process that started them. None: not possible here.
    """
    if not hasattr(os, "fork") or not hasattr(termios, "TIOCNOTTY"):
        return None
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child:
        theirs.close()
        _stay(child, ours)
    ours.close()
    with contextlib.suppress(OSError):  # no terminal that controls us
        if os.tcgetpgrp(0) == os.getpgrp():
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            os.setpgid(0, 0)  # so that each signal comes once: from the terminal, or from the parent
            os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    return DetachableTerminal(theirs)


def _stay(child: int, link: socket.socket) -> NoReturn:
    """Pass signals on to the child, and end as it does, or when it leaves the terminal."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda came, _: os.kill(child, came))
    left = link.recv(1) == b"d"
    status = 0 if left else os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(OSError):
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(0, os.getpgrp())
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def _new_log() -> Path:
    from wstui.cli.run_log import folder

    path = folder() / f"run-{datetime.now().astimezone():%Y%m%d-%H%M%S}-{os.getpid()}.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
    except OSError as error:
        tell(f"the output goes nowhere: {path}: {error.strerror or error}")
        return Path(os.devnull)
    return path


def _to_log(log: Path) -> None:
    """Let the standard streams end at a file."""
    for name, number, flags in (
        (os.devnull, 0, os.O_RDONLY),
        (log, 1, os.O_WRONLY | os.O_APPEND),
        (log, 2, os.O_WRONLY | os.O_APPEND),
    ):
        opened = os.open(name, flags)
        os.dup2(opened, number)
        os.close(opened)
