"""`wstui demo million`: how many clients it tries, and that all of them hear each broadcast."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.commands import call
from wstui.cli.demo_million import MILLION, Machine, plan

GIB = 1 << 30


def test_it_takes_what_cores_and_memory_hold_in_more_processes_than_cores_where_files_limit() -> None:
    made, told = plan(Machine(2, 22 * GIB, 20_000), 400_000)
    assert made.processes * 14_000 >= made.clients == 400_000 and made.addresses * 10_000 >= made.clients
    assert "2 cores" in told and "20 000 files a process" in told and "as asked" in told
    made, told = plan(Machine(2, 22 * GIB, 20_000), None)
    assert made.clients == 400_000 and "as its cores keep up with" in told
    assert plan(Machine(2, 22 * GIB, 20_000), MILLION)[0].processes == 72
    assert "as its memory holds" in plan(Machine(8, 4 * GIB, 20_000), None)[1]
    assert plan(Machine(64, 256 * GIB, 0), None)[0].clients == MILLION
    assert "from 1 loopback address to 2 sinks" in plan(Machine(2, 22 * GIB, 20_000), 2_000)[1]


def test_more_than_the_memory_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="--clients 900000: with 4 096 MiB free"):
        plan(Machine(2, 4 * GIB, 20_000), 900_000)


def test_all_clients_hear_each_broadcast_of_all_sinks(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    status, out, err = call(
        "demo", "million", "--headless", "--clients", "300", "--no-store", "--allow-limited", "--json", str(file)
    )
    assert status == 0, out + err
    assert "300 clients (as asked) in 2 workers" in err
    fanout = json.loads(file.read_text())["fanout"]
    assert fanout["messages"] == 3 and fanout["completeness"] == 1
