"""A script on two hosts, one of which has a monotonic clock of its own: a time namespace of the kernel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("distributed")

from tests.cli.commands import gone
from tests.conversations.chat import PublishingChat
from tests.fleet.hosts import family, use_fake_ssh
from tests.load.leading import MS, S
from tests.servers.server import until
from wstui.execution.run.run import Run
from wstui.report.formats import format_registry
from wstui.scenario.file import load
from wstui.scenario.model import Scenario
from wstui.scenario.trust import allow_scripts

AHEAD_S = 5000
_APART = ("unshare", "--time", "--monotonic", str(AHEAD_S), "--fork", "--kill-child")
SCRIPT = """
import wstui

scenario = {
    "target": {"url": "URL", "settle": "20ms", "close_timeout": "2s"},
    "stages": [{"name": "all", "over": "1500ms", "clients": 4}],
    "messages": {"every": "50ms", "timeout": "20s"},
    "fleet": {"hosts": ["near", "apart"], "python": "PYTHON"},
}


@wstui.role(delivery={"name": "news", "of": {"type": "news"}, "stamp": "at", "unit": "stamp"})
async def member(client):
    client.ready()
    async for _ in client.rounds():
        await client.meet("pair", clients=2, within="20s")
        await client.send_json({"type": "publish", "at": client.stamp, "from": client.number})
"""


def _has_time_namespaces() -> bool:
    if shutil.which("unshare") is None:
        return False
    probe = [*_APART, sys.executable, "-c", "import time; print(time.monotonic())"]
    found = subprocess.run(probe, capture_output=True, text=True, check=False)
    return found.returncode == 0 and float(found.stdout) > time.monotonic() + AHEAD_S / 2


@pytest.mark.skipif(not _has_time_namespaces(), reason="time namespaces are not to be had here")
async def test_scripts_travel_clients_meet_and_stamps_are_of_one_clock_across_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_fake_ssh(monkeypatch, tmp_path)
    ssh = tmp_path / "ssh"
    apart = f'case " $* " in *" apart "*) exec {" ".join(_APART)} "{ssh}-near" "$@";; esac\nexec "{ssh}-near" "$@"\n'
    ssh.rename(f"{ssh}-near")
    ssh.write_text(f"#!/bin/sh\n{apart}")
    ssh.chmod(0o755)
    script = tmp_path / "chat.py"
    async with PublishingChat() as server:
        script.write_text(SCRIPT.replace("URL", server.url).replace("PYTHON", sys.executable))
        made = load(script, {})
        assert isinstance(made, Scenario) and allow_scripts(made)
        run = Run(made)
        result = await run.execute()
        await until(lambda: gone([each for of_kind in family().values() for each in of_kind]))
    assert result.verdict.passed, (result.verdict, result.failures)
    hosts = {host.name: host for host in result.generator.hosts}
    assert hosts.keys() == {"near", "apart"} and all(host.sent for host in hosts.values())
    ahead, unsure = hosts["apart"].clock_offset_ms, hosts["apart"].clock_uncertainty_ms
    assert ahead is not None and unsure is not None and abs(ahead - AHEAD_S * 1000) <= unsure
    assert abs(hosts["near"].clock_offset_ms or 0.0) <= (hosts["near"].clock_uncertainty_ms or 0.0)
    # Clients meet in pairs, and each of both hosts publishes; a stamp is never a host's clock off.
    assert len(server.ages) >= 2 and server.kinds()["publish"] % 2 == 0
    ages = [age for found in server.ages.values() for age in found]
    assert min(ages) >= -2 * round(unsure * MS) and max(ages) < 60 * S
    (news,) = (step for step in result.steps if step.name == "news")
    assert news.done and news.failed == 0 and (news.response_ms.max or 0) < 60_000
    assert "of one host to another are exact to ±" in format_registry.named("markdown").render(result)
