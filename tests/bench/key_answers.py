"""How long the dashboard of `wstui demo million` takes to answer a key: from `?` to the help on the screen."""

from __future__ import annotations

import os
import re
import select
import statistics
import sys
import time

from tests.bench.output import headline, markdown
from tests.terminal import on_pty, read_until

EVERY_S = 2.5
MOST_S = 5.0
"""What takes longer counts as this."""
WORD = b"Everywhere"
"""In the help, and nowhere else."""
_CODES = re.compile(rb"\x1b\[[0-9;:?]*[a-zA-Z]")


def measure(clients: int, seconds: float) -> None:
    """Press `?` and escape for so long from the first picture on; print how long the answers took."""
    command = [sys.executable, "-m", "wstui", "demo", "million", "--clients", str(clients), "--no-store"]
    taken = []
    with on_pty(command, size=(120, 40), env={**os.environ, "TERM": "xterm-256color"}) as (_, master):
        read_until(master, rb"RAMP")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            os.write(master, b"?")
            _read(master, MOST_S, WORD)
            taken.append(1000 * (time.monotonic() - began))
            print(f"{taken[-1]:.0f} ms", file=sys.stderr)
            os.write(master, b"\x1b")
            _read(master, EVERY_S)
    taken.sort()
    rows = [["clients", "keys", "median, ms", "p95, ms", "longest, ms", "over 200 ms"]]
    figures = statistics.median(taken), taken[int(0.95 * (len(taken) - 1))], taken[-1]
    over = sum(each > 200 for each in taken)
    rows.append([str(clients), str(len(taken)), *(f"{each:.0f}" for each in figures), str(over)])
    print(headline() + "\n")
    print(markdown(rows))


def _read(master: int, seconds: float, word: bytes | None = None) -> None:
    """Read what the terminal gets for so long, or until it has shown a word."""
    seen, end = b"", time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not (word and word in _CODES.sub(b"", seen)):
        if select.select([master], [], [], left)[0]:
            seen += os.read(master, 65536)
