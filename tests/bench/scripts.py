"""A load script as one writes it in an afternoon on a WebSocket library: `python -m tests.bench.scripts NAME URL …`.

Each client sends, waits for the answer, sleeps, and starts anew; latency is from its send to its answer. It is there
to see what that costs and what such figures are worth.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from tests.bench.clients import IN_FLIGHT, LIBRARIES, ping
from tests.bench.truth import quantiles


async def run(name: str, url: str, clients: int, every_s: float, seconds: float, talks: bool) -> dict[str, Any]:
    """Open `clients`, let each of them talk for `seconds`, and sum up."""
    library = LIBRARIES[name][1]()
    times: list[float] = []
    errors: dict[str, int] = {}
    gate = asyncio.Semaphore(IN_FLIGHT)
    end = time.monotonic() + seconds

    async def client(number: int) -> None:
        try:
            async with gate:
                connection = await library.open(url)
            if talks and (await library.talk(connection, '{"type":"auth","token":"t"}'))["type"] != "auth":
                raise ValueError("not logged in")
            await asyncio.sleep(every_s * number / clients)
            sequence = 0
            while time.monotonic() < end:
                began = time.perf_counter()
                sequence += 1
                said = json.dumps({"type": "say", "seq": sequence}) if talks else ping()
                answer = await library.talk(connection, said)
                if talks and answer["seq"] != sequence:
                    raise ValueError("the answer to another message")
                times.append((time.perf_counter() - began) * 1000)
                await asyncio.sleep(every_s)
        except Exception as error:
            errors[type(error).__name__] = errors.get(type(error).__name__, 0) + 1

    tasks = [asyncio.create_task(client(number)) for number in range(clients)]
    await asyncio.wait(tasks, timeout=seconds + 5)
    stuck = sum(not task.done() for task in tasks)
    if stuck:
        errors["still waiting for an answer"] = stuck
    return {**quantiles(times), "count": len(times), "errors": errors}


def main() -> None:
    """Entry point of the process."""
    name, url, clients, every_s, seconds, *talks = sys.argv[1:]
    work = run(name, url, int(clients), float(every_s), float(seconds), bool(talks))
    if LIBRARIES[name][2]:
        import uvloop

        result = uvloop.run(work)
    else:
        result = asyncio.run(work)
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
