"""What goes on for long looks for its garbage, so that its memory stays as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

STAND_IN = """
import gc
import sys

from wstui.cli import main
from wstui.fleet.transport import FleetError
import {module} as module


async def told(*args, **kwargs):
    print(gc.get_threshold()[0], gc.get_freeze_count() > 0)
    raise FleetError("enough")


{place} = told
sys.argv[1:] = {arguments}
main()
"""


@pytest.mark.parametrize(
    ("module", "place", "arguments"),
    [
        ("wstui.execution.suite", "module.SuiteRun.run", ["run", "quick", "--no-probe", "--url", "ws://127.0.0.1:9/"]),
        ("wstui.odin.main", "module.serve", ["server", "--port", "0", "--auth", "off"]),
    ],
)
def test_garbage_is_looked_for_once_a_command_has_started(
    tmp_path: Path, module: str, place: str, arguments: list[str]
) -> None:
    code = STAND_IN.format(module=module, place=place, arguments=arguments)
    environ = {**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    threshold, frozen = done.stdout.split()[:2]
    assert int(threshold) <= 5000 and frozen == "True"
