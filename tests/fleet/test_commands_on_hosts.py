"""The commands with hosts: what an operator types is all it takes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed")

from tests.fleet.hosts import HOME, family, use_fake_ssh
from tests.servers.server import PATIENCE_S, Server, until

PRESET = """
[target]
health = "off"
close_timeout = "1s"
[[stages]]
name = "ramp"
over = "200ms"
clients = 6
[[stages]]
name = "hold"
over = "{hold}"
[messages]
every = "100ms"
timeout = "1s"
[fleet]
hosts = ["host1"]
python = "{python}"
"""


@pytest.fixture
def preset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    use_fake_ssh(monkeypatch, tmp_path)
    monkeypatch.setenv("WSTUI_STORE", str(tmp_path / "runs.sqlite"))
    path = tmp_path / "several.toml"
    path.write_text(PRESET.format(hold="60s", python=sys.executable))
    return path


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wstui", "run", *arguments, cwd=HOME,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ,
    )  # fmt: skip


async def test_hosts_on_the_command_line_make_the_load_until_ctrl_c_drains_it(preset: Path) -> None:
    async with Server() as server:
        process = await start(str(preset), "--url", server.url, "--hosts", "host1:2,host2", "--json", "-", "--quiet")
        await loaded(process, server, 3)
        process.send_signal(signal.SIGINT)
        out, complaints = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        assert server.ends == {"close 1000": 6}
    result = json.loads(out)
    assert process.returncode == 130, complaints
    assert [(host["name"], host["workers"], host["ready"]) for host in result["generator"]["hosts"]] == [
        ("host1", 2, 4), ("host2", 1, 2),
    ]  # fmt: skip
    assert result["scenario"]["fleet"]["hosts"] == ["host1:2", "host2"]
    assert b"Traceback" not in complaints and not any(family().values())


async def loaded(process: asyncio.subprocess.Process, server: Server, workers: int) -> None:
    """Wait until so many workers keep all clients talking."""

    def there() -> bool:
        busy = len(server.live) == 6 and server.messages["ping"] > 20
        return process.returncode is not None or (busy and len(family()["worker"]) == workers)

    await until(there)
    assert process.returncode is None, await process.communicate()


async def test_the_load_of_a_lost_process_is_redistributed_where_that_was_asked_for_beforehand(preset: Path) -> None:
    async with Server() as server:
        process = await start(
            str(preset),
            "--url",
            server.url,
            "--hosts",
            "host1:2",
            "--on-loss",
            "redistribute",
            "--json",
            "-",
            "--quiet",
        )
        await loaded(process, server, 2)
        family()["worker"][0].kill()
        await until(lambda: server.upgraded == 9)
        await loaded(process, server, 2)
        process.send_signal(signal.SIGINT)
        out, complaints = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    result = json.loads(out)
    told = [event["text"] for event in result["events"] if event["kind"] == "worker"]
    assert told[1:] == ["redistributing the load of 1 lost worker", "1 new worker on host1 took over"]
    assert result["scenario"]["fleet"]["on_loss"] == "redistribute" and process.returncode == 130, complaints


@pytest.mark.parametrize(
    ("hosts", "status", "words"),
    [
        ("nobody", 2, "wstui: nobody refuses connections: no ssh server listens there"),
        ("host 1", 2, '--hosts = "host 1": is not a host'),
        (",", 2, "wstui: --hosts names no host"),
        ("host1", 3, "wstui: host1 can't reach the target at 127.0.0.1:1: connection refused"),
    ],
)
async def test_what_is_wrong_with_a_host_is_one_message_and_a_status(
    preset: Path, hosts: str, status: int, words: str
) -> None:
    process = await start(str(preset), "--url", "ws://127.0.0.1:1/ws", "--hosts", hosts)
    _, complaints = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == status, complaints
    assert words in complaints.decode() and "Traceback" not in complaints.decode()
