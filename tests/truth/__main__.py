"""`python -m tests.truth [WORD]`: print the table, or what has a word in name or group. Status 1: some are wrong."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence

from tests.truth.case import Row
from tests.truth.table import GROUPS, of_group, of_people

HEAD = f"  {'fault':50} {'verdict':11} st {'failures':34} {'finding':12} ours = server’s"


async def _of(group: str, word: str) -> list[Row]:
    rows: list[Row] = []
    async for row in of_group(group, word):
        if not rows:
            print(f"\n{group}\n{HEAD}", flush=True)
        _line(row)
        rows.append(row)
    return rows


def _table(word: str) -> int:
    """Print it, and return the exit status."""
    rows: list[Row] = []
    for group in GROUPS:
        wanted = "" if word == group else word
        rows += asyncio.run(_of(group, wanted))
        if people := of_people(group, wanted):
            print(f"\n{group}")
            for row in people:
                _line(row)
            rows += people
    wrong = sum(bool(row.wrong) for row in rows)
    print(f"\n{len(rows)} faults, {wrong} wrong; ours = server’s: connections / messages sent / messages received")
    return 1 if wrong or not rows else 0


def _line(row: Row) -> None:
    counts = row.ours if row.ours == row.servers else f"{row.ours} ~ {row.servers}"
    room = 34 if row.ours else 90
    failures = row.failures if len(row.failures) <= room else row.failures[: room - 1] + "…"
    mark = "✗" if row.wrong else "✓"
    print(f"{mark} {row.name[:50]:50} {row.verdict:11} {row.status:2} {failures:34} {row.finding:12} {counts}".rstrip())
    for text in row.wrong:
        print(f"      {text}")
    sys.stdout.flush()


def main(words: Sequence[str]) -> int:
    """Print the table with a home of its own, and return the exit status."""
    with tempfile.TemporaryDirectory(prefix="wstui-truth-") as home:
        os.environ["HOME"] = home
        return _table(" ".join(words).lower())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
