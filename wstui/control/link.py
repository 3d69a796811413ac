"""A connection to the control socket of a run, here or through ssh, and one command sent over it.

Imports little: a step of a script waits for all of it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import IO

from wstui.control import registry
from wstui.control.control_messages import PROTOCOL, Answered, Failed, Hello, Request, decode_answer, line
from wstui.execution.run.commands import CommandAnswer, RunCommand
from wstui.measure.sanitize import sanitize

CONNECT_S = 10.0
GREETING_S = 60.0
"""ssh may ask for a password first."""
LONGEST = 256 << 20


class ConnectionLost(Exception):
    """The run can't be reached, or not any more; the text says why."""


class Link:
    """A pair of streams to a control socket: here, or through ssh on another machine."""

    def __init__(self, reader: IO[bytes], writer: IO[bytes], close: Callable[[], str]) -> None:
        """`close` ends the connection, and returns what ssh said, if anything."""
        self.reader, self.writer, self.close = reader, writer, close


def local(entry: registry.Entry) -> Link:
    """Connect to a run of this machine. Raises ConnectionLost."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.setblocking(False)
    until = time.monotonic() + CONNECT_S
    while (error := connection.connect_ex(entry.socket)) == errno.EAGAIN and time.monotonic() < until:
        time.sleep(0.05)  # many connect at once
    if error:
        connection.close()
        raise ConnectionLost(f"run {entry.id} can't be reached: {os.strerror(error)}")
    connection.setblocking(True)

    def close() -> str:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
        return ""

    return Link(connection.makefile("rb"), connection.makefile("wb"), close)


def over_ssh(host: str, reference: str) -> Link:
    """Connect to a run of another machine, whose own `wstui ctl --relay` speaks with it."""
    return ssh(host, f"wstui ctl --relay {shlex.quote(reference or registry.LAST)}")


def ssh(host: str, remote: str, *options: str) -> Link:
    """Run a command of wstui on another machine, and speak with it. Raises ConnectionLost."""
    command = ["ssh", *options, "--", host, remote]
    try:
        relay = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise ConnectionLost(f"ssh can't be started: {error.strerror or error}") from None
    reader, writer, errors = relay.stdout, relay.stdin, relay.stderr
    assert reader is not None and writer is not None and errors is not None
    said: list[bytes] = []
    listener = threading.Thread(target=lambda: said.extend(errors), daemon=True)
    listener.start()

    def close() -> str:
        relay.terminate()
        relay.wait()
        listener.join(1.0)
        return sanitize(b"".join(said[-5:]).decode("utf-8", "replace").strip(), 300)

    return Link(reader, writer, close)


def connect(reference: str) -> Link:
    """Connect to RUN, or to HOST:RUN through ssh. Raises NoSuchRun, ConnectionLost."""
    host, colon, run = reference.rpartition(":")
    return over_ssh(host, run) if colon else local(registry.find(reference))


def checked_hello(hello: object) -> Hello:
    """Return the first message of a run, or raise ConnectionLost: something else answers, or another version."""
    if not isinstance(hello, Hello):
        raise ConnectionLost(hello.text if isinstance(hello, Failed) else "what answers is not a run of wstui")
    if hello.protocol != PROTOCOL:
        raise ConnectionLost(f"run {hello.run} is {speaks(hello.wstui, hello.protocol)}")
    return hello


def speaks(other: str, protocol: int) -> str:
    """Say which version of wstui a run is of, and that it speaks another protocol than this one."""
    return (
        f"of wstui {other} and speaks protocol {protocol}, this one ({version('wstui')}) {PROTOCOL}: use that version"
    )


def ask(reference: str, name: str, command: RunCommand) -> CommandAnswer:
    """Send one command to RUN, or to HOST:RUN, and return its answer. Raises NoSuchRun, ConnectionLost."""
    link = connect(reference)
    late = threading.Timer(GREETING_S, link.close)
    late.start()
    try:
        checked_hello(decode_answer(link.reader.readline(LONGEST)))
        late.cancel()
        with contextlib.suppress(OSError):  # a server that refuses has closed, and its reason is still to be read
            link.writer.write(line(Hello(wstui=version("wstui"), name=name)) + line(Request(1, command)))
            link.writer.flush()
        match decode_answer(link.reader.readline(LONGEST)):
            case Answered(_, done, text):
                return CommandAnswer(done, text)
            case Failed(text):
                raise ConnectionLost(text)
        raise ConnectionLost("what answers is not a run of wstui")
    except (OSError, ValueError):
        raise ConnectionLost(link.close() or "the connection is lost: the process that runs it has gone") from None
    finally:
        late.cancel()
        link.close()
