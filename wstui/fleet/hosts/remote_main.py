"""The program on a remote host: `probe` gathers facts, `work` is a Dask worker connected by stdin and stdout.

Both read their input from stdin, so that a process list shows none of it.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec

from wstui.fleet.host_facts import MARK, Facts, HostQuery, gather


def probe() -> None:
    """Answer a HostQuery with Facts."""
    query = msgspec.json.decode(sys.stdin.buffer.readline(), type=HostQuery)
    facts = asyncio.run(gather(query))
    sys.stdout.buffer.write(MARK + msgspec.json.encode(facts) + b"\n")
    sys.stdout.flush()


def work() -> None:
    """Run a Dask worker until it is closed, or the operator is gone."""
    from wstui.fleet.hosts.dask_worker import run  # slow to import, and not needed to probe

    run()


def read_facts(said: bytes) -> Facts | None:
    """Return the facts in the output of `probe`, or None."""
    for line in reversed(said.splitlines()):
        if line.startswith(MARK):
            try:
                return msgspec.json.decode(line.removeprefix(MARK), type=Facts)
            except msgspec.DecodeError:
                return None
    return None


def main(arguments: list[str]) -> None:
    """`python -m wstui.fleet.hosts.remote_main probe|work`."""
    match arguments:
        case ["probe"]:
            probe()
        case ["work"]:
            work()
        case _:
            sys.exit("wstui _host: there are probe and work, which wstui runs itself on the machines that make load")


if __name__ == "__main__":
    main(sys.argv[1:])
