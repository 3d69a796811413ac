"""A program that runs a scenario and prints its result: `python -m tests.fleet.operator URL HOLD WORKERS [HOST...]`.

LEASE in its environment is that of its workers, in seconds.
"""

from __future__ import annotations

import asyncio
import os
import sys

from tests.execution.running import scenario
from wstui.execution.run.run import Run
from wstui.load import lease


def main() -> None:
    url, hold, workers, *hosts = sys.argv[1:]
    lease.LEASE_S = float(os.environ.get("LEASE", lease.LEASE_S))
    made = scenario(url, clients=20, hold=float(hold), workers=int(workers), every=0.05)
    fleet = made.fleet.model_copy(
        update={"hosts": hosts, "python": sys.executable, "ssh_config": os.environ.get("SSH_CONFIG", "")}
    )
    run = Run(made.model_copy(update={"fleet": fleet}))
    print(asyncio.run(run.execute()).to_json(indent=0), flush=True)


if __name__ == "__main__":
    main()
