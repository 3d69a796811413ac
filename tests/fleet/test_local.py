"""Workers as processes of this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from wstui.fleet.local import LocalTransport, lower_by
from wstui.load.protocol import ConnectSpec, Spec


@pytest.mark.skipif(sys.platform == "win32", reason="has no such priorities")
async def test_workers_that_outnumber_the_cores_give_way_to_their_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wstui.fleet.local.cores", lambda: 1)
    spec, own = Spec(connect=ConnectSpec(url="ws://127.0.0.1:9/")), psutil.Process().nice()
    for count, lower in ((1, 0), (2, 10)):
        transport = LocalTransport()
        await transport.start(dict.fromkeys(range(count), spec))
        try:
            priorities = [psutil.Process(transport.pid(worker)).nice() for worker in range(count)]
        finally:
            await transport.close(0.0)
        assert priorities == [min(own + lower, 19)] * count


def test_the_more_processes_there_are_the_lower_each_of_them_is() -> None:
    for a_core in (1.5, 2, 5, 13.5, 16):
        together = a_core / 1.25 ** lower_by(a_core)
        assert 0.2 <= together <= 0.25


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
async def test_workers_inherit_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        *("AUTH_TOKEN", "JWT_SECRET", "AUTH_PASSWORD", "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"),
        *("AWS_SECRET_ACCESS_KEY", "SHOP_API_KEY", "GH_TOKEN", "npm_config__authToken", "PGPASSWORD"),
    ):
        monkeypatch.setenv(name, "s3cret-value")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:s3cret@proxy.example:3128")
    monkeypatch.setenv("DATABASE_URL", "postgres://shop:s3cret@db.example/shop")
    monkeypatch.setenv("WORKERS_MAY_SEE", "this")
    transport = LocalTransport()
    await transport.start({0: Spec(connect=ConnectSpec(url="ws://127.0.0.1:9/"))})
    try:
        inherited = Path(f"/proc/{transport.pid(0)}/environ").read_bytes()
    finally:
        await transport.close(0.0)
    assert b"WORKERS_MAY_SEE=this" in inherited and b"s3cret" not in inherited
