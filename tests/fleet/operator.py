"""A program that runs a scenario and prints its result: `python -m tests.fleet.operator URL HOLD SHARDS`."""

from __future__ import annotations

import asyncio
import sys

from tests.execution.running import scenario
from wstui.execution.run import Run


def main() -> None:
    url, hold, shards = sys.argv[1:]
    run = Run(scenario(url, clients=20, hold=float(hold), shards=int(shards), every=0.05))
    print(asyncio.run(run.execute()).to_json(indent=0), flush=True)


if __name__ == "__main__":
    main()
