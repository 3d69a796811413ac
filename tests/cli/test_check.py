"""`wstui check`: a line for everything that a run needs, an exit status for scripts, JSON for programs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

from tests.cli.commands import invoke
from tests.leaked_tokens import holds_token
from wstui.odin.nats_server import NatsServer
from wstui.odin.server import OdinServer
from wstui.odin.server_settings import ServerSettings
from wstui.odin.token import Verifier, sign

SECRET = "a secret that is long enough to sign with"


@contextlib.asynccontextmanager
async def everything() -> AsyncIterator[dict[str, str]]:
    """NATS and a server; yields the environment that names them."""
    async with (
        NatsServer() as broker,
        OdinServer(ServerSettings(port=0, nats_url=broker.url), Verifier.by_secret(SECRET)) as server,
    ):
        assert await server.wait_for_nats(60)
        yield {
            "WS_URL": f"ws://127.0.0.1:{server.port}/ws",
            "NATS_URL": broker.url,
            "AUTH_TOKEN": sign("tester", SECRET, 3600),
            "JWT_SECRET": SECRET,
        }


async def check(*arguments: str, environ: dict[str, str]) -> tuple[int, str, str]:
    return await asyncio.to_thread(invoke, "check", *arguments, environ=environ)


async def test_what_is_there_passes_line_by_line_and_no_secret_is_shown() -> None:
    async with everything() as environ:
        status, out, err = await check("quick", environ=environ)
    assert status == 0, out + err
    lines = {line[2:14].strip(): line[0] for line in out.splitlines() if line.startswith(("✓", "▲", "✗"))}
    assert lines.pop("processors") in "✓▲"  # others may be busy on this machine
    assert set(lines.values()) == {"✓"}
    there = "nats resolve connect upgrade welcome reply health token clock files ports memory"
    assert list(lines) == there.split()
    assert SECRET not in out + err and not holds_token(out + err)


async def test_what_is_missing_fails_with_the_fix_below_it() -> None:
    async with everything() as environ:
        environ |= {"AUTH_TOKEN": sign("tester", SECRET, 30), "NATS_URL": "nats://127.0.0.1:1"}
        status, out, _ = await check("quick", environ=environ)
    assert status == 1
    failed = [line[2:14].strip() for line in out.splitlines() if line.startswith("✗")]
    assert [name for name in failed if name != "processors"] == ["nats", "token"]  # others may be busy on this machine
    assert f"{len(failed)} failed" in out
    assert "→ make a new one (`wstui token" in out


async def test_json_says_the_same_and_nothing_else() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}/ws"
        status, out, err = await check("quick", "--url", url, "--json", environ={"NATS_URL": ""})
    document: dict[str, Any] = json.loads(out)
    assert (status, err, document["schema"], document["passed"]) == (1, "", "wstui.check/1", False)
    assert document["sends"] == {"quick": "the variable AUTH_TOKEN"}
    states = {found["name"]: found["state"] for found in document["checks"]}
    assert states["client"] == "fail" and states["files"] == "pass"
    assert all(set(found) == {"name", "state", "text", "fix"} for found in document["checks"])


async def test_a_suite_is_looked_at_as_a_whole() -> None:
    async with everything() as environ:
        _, out, _ = await check("quick", "auth", environ=environ)
    assert "✓ quick reply" in out and "✓ auth reply" in out
    assert out.count("files") >= 1 and "264 needed" in out


async def test_a_scenario_that_is_wrong_is_told_as_by_run() -> None:
    status, out, err = await check("quik", environ={})
    assert (status, out) == (2, "") and 'did you mean "quick"' in err
