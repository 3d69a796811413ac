"""`python -m tests.bench WHAT`: see the package."""

from __future__ import annotations

import asyncio
import os
import sys

import click

CASES = ("closed", "conversation", "memory", "delay", "stall", "lost", "reset")


@click.group()
def bench() -> None:
    """Measurements that take minutes and depend on the machine. Run them on an idle one."""


@bench.command()
@click.option("--turns", default=3, show_default=True)
@click.option("--ours", is_flag=True, help="Leave out the clients of other libraries.")
def engine(turns: int, ours: bool) -> None:
    """Our engine, built-in exchanges beside a conversation, next to the clients that Python's libraries offer."""
    from tests.bench import engine

    asyncio.run(engine.measure(turns, ours))


@bench.command()
@click.option("--clients", "closed", multiple=True, type=int, default=(200, 1000, 1200, 2000, 5000), show_default=True)
@click.option("--storm", "storms", multiple=True, type=int, default=(1000, 5000), show_default=True)
def busy(closed: tuple[int, ...], storms: tuple[int, ...]) -> None:
    """How soon a worker at full load obeys, by its clients. Status 1 when a command waited for over 250 ms."""
    from tests.bench import busy

    sys.exit(0 if asyncio.run(busy.measure(closed, storms)) else 1)


@bench.command()
@click.option("--mib", default=500, show_default=True)
def imports(mib: int) -> None:
    """What a large HAR costs to import. Status 1 when it needs more memory than is allowed."""
    from tests.bench import imports

    sys.exit(0 if imports.measure(mib) else 1)


@bench.command()
def path() -> None:
    """The Python of a round trip alone, part by part, without sockets."""
    from tests.bench import path

    path.measure()


@bench.command()
@click.option("--turns", default=7, show_default=True)
def protocols(turns: int) -> None:
    """The Python of a round trip in each protocol beside JSON. Status 1 when one costs more than its bound."""
    from tests.bench import protocols

    sys.exit(0 if asyncio.run(protocols.measure(turns)) else 1)


@bench.command()
def accuracy() -> None:
    """What `wstui run` reports next to the truth from the sink's log. Status 1 when they differ."""
    from tests.bench import accuracy

    sys.exit(0 if asyncio.run(accuracy.measure()) else 1)


@bench.command()
def mistakes() -> None:
    """What load scripts commonly get wrong: small scripts, wstui and the server's log, side by side."""
    from tests.bench import mistakes

    asyncio.run(mistakes.measure())


@bench.command()
@click.option("--pairs", default=20, show_default=True)
def dashboard(pairs: int) -> None:
    """The worker's cost beside a dashboard and without it. Status 1 when it is surely more than 2 %."""
    from tests.bench import dashboard

    sys.exit(0 if asyncio.run(dashboard.measure(pairs)) else 1)


@bench.command()
@click.option("--clients", default=400_000, show_default=True)
@click.option("--seconds", default=400.0, show_default=True, help="So long from the first picture on.")
def keys(clients: int, seconds: float) -> None:
    """How long the dashboard of `wstui demo million` takes to answer a key."""
    from tests.bench import key_answers

    key_answers.measure(clients, seconds)


@bench.command()
@click.option("--rounds", default=10, show_default=True)
def watchers(rounds: int) -> None:
    """The load's cost with 0, 1 and 10 watchers. Status 1 when it is surely more than 2 %."""
    from tests.bench import watchers

    sys.exit(0 if asyncio.run(watchers.measure(rounds)) else 1)


@bench.command()
@click.option("--case", "cases", multiple=True, type=click.Choice(CASES), help="Only this; may be repeated.")
@click.option("--tool", "tools", multiple=True, metavar="NAME", help="Only tools whose name holds this.")
@click.option("--path", "folder", multiple=True, metavar="DIR", help="Look for tools there before PATH.")
def peers(cases: tuple[str, ...], tools: tuple[str, ...], folder: tuple[str, ...]) -> None:
    """Other load testers next to wstui: cost, clients, connects, and what each makes of trouble."""
    from tests.bench import peers

    os.environ["PATH"] = os.pathsep.join([*folder, os.environ.get("PATH", "")])
    asyncio.run(peers.measure(cases or CASES, tools))


@bench.command()
@click.option("--workers", "counts", multiple=True, type=int, default=(10, 64, 100, 400, 1000), show_default=True)
@click.option("--behind", default=1, show_default=True, help="Workers that each report adds up.")
@click.option("--hosts", default=4, show_default=True)
@click.option("--operator", "only", is_flag=True, help="Only the operator's process: without `growth` and `parts`.")
@click.pass_context
def scale(context: click.Context, counts: tuple[int, ...], behind: int, hosts: int, only: bool) -> None:
    """What many workers cost the operator's process, with workers that only talk; then `growth` and `parts`.

    All of it takes some twenty minutes.
    """
    from tests.bench import scale

    scale.measure(counts, behind, hosts)
    for command in () if only else (growth, parts):
        print()
        context.invoke(command)


@bench.command()
@click.option("--alone", multiple=True, type=int, default=(200, 2000, 14_000), show_default=True)
@click.option("--together", multiple=True, type=int, default=(1000, 10_000, 100_000, 400_000), show_default=True)
def growth(alone: tuple[int, ...], together: tuple[int, ...]) -> None:
    """What a client and a round trip cost as the clients grow, and beside a client in C."""
    from tests.bench import growth

    asyncio.run(growth.measure(alone, together))


@bench.command()
@click.option("--clients", "counts", multiple=True, type=int, default=(1000, 10_000, 100_000), show_default=True)
def parts(counts: tuple[int, ...]) -> None:
    """What grows with the clients: memory by kind of object, collections, sweeps, snapshots, fan-out, drain."""
    from tests.bench import parts

    asyncio.run(parts.measure(counts))


@bench.command()
@click.option("--clients", default=5000, show_default=True)
@click.option("--rate", "rates", multiple=True, type=float, default=(0.0, 5.0, 20.0), show_default=True)
@click.option("--seconds", default=15.0, show_default=True)
def target(clients: int, rates: tuple[float, ...], seconds: float) -> None:
    """What the Odin server takes of its core for clients that listen, by the rate of broadcasts."""
    from tests.bench import odin_cost

    asyncio.run(odin_cost.measure(clients, rates, seconds))


@bench.command()
@click.option("--no-namespaces", is_flag=True, help="Not through OpenSSH, but through a stand-in on this machine.")
def hosts(no_namespaces: bool) -> None:
    """Commands and snapshots between here and two hosts: latency, loss, and how soon losses are known."""
    from tests.bench import host_latency

    host_latency.measure(namespaced=not no_namespaces)


@bench.command()
@click.option("--case", "cases", multiple=True, metavar="PATTERN", help='Only these: "6.*"; may be repeated.')
@click.option("--folder", default="", metavar="DIR", help="Install the suite there, and keep it and its reports.")
def autobahn(cases: tuple[str, ...], folder: str) -> None:
    """Autobahn's fuzzing server, where a Python 2.7 is. Status 1 when a case failed, 2 when it can't be had."""
    from tests.bench import autobahn

    with autobahn.mirrored():
        sys.exit(asyncio.run(autobahn.measure(cases, folder)))


@bench.command()
@click.argument("words", nargs=-1)
def truth(words: tuple[str, ...]) -> None:
    """The table of truth: each fault with its verdict, name and counts. Status 1 when one is wrong."""
    from tests.truth.__main__ import main

    sys.exit(main(words))


bench(prog_name="python -m tests.bench")
