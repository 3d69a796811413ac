"""`python -m tests.bench WHAT`: see the package."""

from __future__ import annotations

import asyncio

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


bench(prog_name="python -m tests.bench")
