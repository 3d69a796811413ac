"""The program on a remote host, started by ssh: `look` gathers facts, `work` is a Dask worker.

Both read their input from stdin, so that a process list shows none of it.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import runpy
import shutil
import sys
import tempfile

import msgspec

from wstui.fleet.host_facts import Facts, HostQuery, gather

MARK = b"wstui-host "
"""Begins the answer: a login shell may print before it."""

FOLDER = "WSTUI_FOLDER"
"""Variable with the Dask worker's folder, which its agent removes."""


class Work(msgspec.Struct, frozen=True):
    """Environment and arguments of the Dask worker."""

    environment: dict[str, str]
    arguments: list[str]


def look() -> None:
    """Answer a HostQuery with Facts."""
    question = msgspec.json.decode(sys.stdin.buffer.readline(), type=HostQuery)
    facts = asyncio.run(gather(question))
    sys.stdout.buffer.write(MARK + msgspec.json.encode(facts) + b"\n")
    sys.stdout.flush()


def work() -> None:
    """Run a stock Dask worker."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Work)
    folder = tempfile.mkdtemp(prefix="wstui-")
    atexit.register(shutil.rmtree, folder, True)
    os.environ.update(order.environment, **{FOLDER: folder})
    sys.argv = ["dask worker", *order.arguments, "--local-directory", folder]
    runpy.run_module("distributed.cli.dask_worker", run_name="__main__")


def read_facts(said: bytes) -> Facts | None:
    """Return the facts in the output of `look`, or None."""
    for line in reversed(said.splitlines()):
        if line.startswith(MARK):
            try:
                return msgspec.json.decode(line.removeprefix(MARK), type=Facts)
            except msgspec.DecodeError:
                return None
    return None


def main(arguments: list[str]) -> None:
    """`python -m wstui.fleet.hosts.remote_main look|work`."""
    match arguments:
        case ["look"]:
            look()
        case ["work"]:
            work()
        case _:
            sys.exit("wstui _host: there are look and work, which wstui runs itself on the machines that make load")


if __name__ == "__main__":
    main(sys.argv[1:])
