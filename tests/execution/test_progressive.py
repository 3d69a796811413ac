"""The shipped sequence of growing loads, made small: it runs through and ends in one verdict."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

from wstui.odin.demo_system import DemoTarget

SMALL = ("--scale", "0.01", "--ramp", "300ms", "--hold", "500ms", "--cooldown", "200ms")
# At their own pace so few clients would hardly send anything in so short a time, and a busy machine is not the point.
SOON = ("--every", "100ms", "--threshold", "response.mean < 2s", "--allow-limited")


async def test_the_progressive_suite_runs_through_with_one_verdict(tmp_path: Path) -> None:
    async with DemoTarget() as target:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "wstui", "run", "progressive", *SMALL, *SOON, "--no-store"),
            *("--json", str(tmp_path / "result.json"), "--junit", str(tmp_path / "result.xml")),
            env={**os.environ, "WS_URL": target.ws_url, "AUTH_TOKEN": target.token},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
    out = printed.decode()
    assert process.returncode == 0, out
    result = json.loads((tmp_path / "result.json").read_text())
    runs = result["runs"]
    assert result["name"] == "progressive" and result["verdict"]["reason"].startswith("all 3 runs passed")
    assert [run["scenario"]["name"] for run in runs] == ["quick", "medium", "stress"]
    assert [run["connections"]["ready"] for run in runs] == [1, 10, 50]
    assert all(run["messages"]["sent"] and run["verdict"]["passed"] for run in runs)
    ends = [(datetime.fromisoformat(run["started"]), datetime.fromisoformat(run["finished"])) for run in runs]
    for (_, before), (after, _) in itertools.pairwise(ends):
        assert after - before >= timedelta(seconds=0.19), "there is a cooldown between them"
    assert "PASSED  progressive: all 3 runs passed" in out.replace("LIMITED", "PASSED")
    assert (tmp_path / "result.xml").read_text().count("<testsuite name=") == 3
