"""`python -m tests.truth [WORD]`: print the table, or what has a word in name or group. Status 1: some are wrong."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile

from tests.truth.case import Row
from tests.truth.table import GROUPS, of_group


async def _print(word: str) -> int:
    wrong = count = 0
    for group in GROUPS:
        shown = False
        async for row in of_group(group, "" if word == group else word):
            if not shown:
                print(f"\n{group}", flush=True)
                print(f"  {'fault':50} {'verdict':11} st {'failures':34} {'finding':12} {'ours = server’s':20}")
                shown = True
            _line(row)
            count += 1
            wrong += bool(row.wrong)
    print(f"\n{count} faults, {wrong} wrong; ours = server’s: connections / messages sent / received")
    return 1 if wrong or not count else 0


def _line(row: Row) -> None:
    counts = row.ours if row.ours == row.servers else f"{row.ours} ~ {row.servers}"
    failures = row.failures if len(row.failures) <= 34 else row.failures[:33] + "…"
    print(
        f"{'✗' if row.wrong else '✓'} {row.name[:50]:50} {row.verdict:11} {row.status:2} {failures:34} "
        f"{row.finding:12} {counts}"
    )
    for text in row.wrong:
        print(f"      {text}")
    sys.stdout.flush()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="wstui-truth-") as home:
        os.environ["HOME"] = home
        sys.exit(asyncio.run(_print(" ".join(sys.argv[1:]).lower())))
