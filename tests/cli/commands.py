"""Runs `wstui` as a process of its own, as a user does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import psutil
from click.testing import CliRunner

from tests.forked_workers import forked
from wstui.cli import wstui

WAIT_S = 90.0


def start(
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    new_session: bool = False,
    cwd: Path | None = None,
    stdout: int = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """`wstui ARGUMENTS` in the background; its streams are pipes, but for a `stdout` (file number) of one's own.

    In a session of its own it can be killed whole.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "wstui", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200", **(environ or {})},
        start_new_session=new_session,
        cwd=cwd,
    )


def call(*arguments: str, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> tuple[int, str, str]:
    """`wstui ARGUMENTS` to its end: exit status, stdout, stderr."""
    process = start(*arguments, environ=environ, cwd=cwd)
    out, err = process.communicate(timeout=WAIT_S * 2)
    return process.returncode, out, err


def invoke(*arguments: str, environ: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """`wstui ARGUMENTS` within this process, for what needs none of its own: it imports nothing again.

    Workers are forked. In another thread than the main one, signals are not handled.
    """
    variables = {"COLUMNS": "200", **(environ or {})}
    with contextlib.ExitStack() as held:
        if threading.current_thread() is not threading.main_thread():
            held.enter_context(mock.patch("wstui.cli.signals._NUMBERS", ()))
        if hasattr(os, "fork"):
            held.enter_context(forked())
        done = CliRunner(env=variables).invoke(wstui, arguments, prog_name="wstui")
    broken = isinstance(done.exception, Exception) and done.exc_info is not None
    trace = "".join(traceback.format_exception(*done.exc_info)) if broken and done.exc_info else ""
    return done.exit_code, done.stdout, done.stderr + trace


def descendants(pid: int) -> list[psutil.Process]:
    """The processes that a process has started, and theirs."""
    return psutil.Process(pid).children(recursive=True)


def running(process: psutil.Process) -> bool:
    """Whether a process does anything; one that only waits for its parent to notice its end does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(processes: list[psutil.Process]) -> bool:
    """Whether none of the processes runs any more."""
    return not any(map(running, processes))
