"""`python -m tests.bench WHAT`: see the package."""

from __future__ import annotations

import asyncio
import sys

import click


@click.group()
def bench() -> None:
    """Measurements that take minutes and depend on the machine. Run them on an idle one."""


@bench.command()
@click.option("--turns", default=3, show_default=True)
def engine(turns: int) -> None:
    """Our engine next to the clients that Python's libraries offer."""
    from tests.bench import engine

    asyncio.run(engine.measure(turns))


@bench.command()
def path() -> None:
    """The Python of a round trip alone, part by part, without sockets."""
    from tests.bench import path

    path.measure()


@bench.command()
def accuracy() -> None:
    """What `wstui run` reports next to the truth from the sink's log. Status 1 when they differ."""
    from tests.bench import accuracy

    sys.exit(0 if asyncio.run(accuracy.measure()) else 1)


bench(prog_name="python -m tests.bench")
