"""Workers as processes of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from wstui.fleet.local import LocalTransport
from wstui.load.protocol import ConnectSpec, Spec


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
async def test_workers_inherit_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUTH_TOKEN", "JWT_SECRET", "AUTH_PASSWORD", "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"):
        monkeypatch.setenv(name, "s3cret-value")
    monkeypatch.setenv("WORKERS_MAY_SEE", "this")
    transport = LocalTransport()
    await transport.start({0: Spec(connect=ConnectSpec(url="ws://127.0.0.1:9/"))})
    try:
        inherited = Path(f"/proc/{transport.pid(0)}/environ").read_bytes()
    finally:
        await transport.close(0.0)
    assert b"WORKERS_MAY_SEE=this" in inherited and b"s3cret" not in inherited
