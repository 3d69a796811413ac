"""More than 1024 clients that are all busy at once, on one worker, which still has to obey."""

from __future__ import annotations

from typing import Any

from tests.execution.running import Finished, finish, scenario
from tests.servers.server import Server
from tests.truth.authority import serving, trusting
from wstui.execution.calibrate.sink.sink_process import SinkProcess
from wstui.scenario.model import Stage

CLIENTS = 2000
OVER_TLS = 1100


def obeyed(finished: Finished, clients: int, replied: int) -> None:
    """Its snapshots came in time, it went through its stages, and it drained everybody."""
    c, totals = finished.counters, finished.run.fleet.totals
    assert totals.missed < totals.latest()[0].sequence / 4, "its snapshots come in time"
    assert not [text for kind, text in finished.marks if kind == "worker"], "lost or silent"
    assert (c.ready, c.closed, c.dropped) == (clients, clients, 0)
    assert c.sent == c.matched == replied > clients
    assert [stage.name for stage in finished.result.stages] == ["ramp", "hold"]


async def test_a_closed_loop_of_2000_clients_gets_through_its_stages_and_drains() -> None:
    stages = [Stage(name="ramp", over=0.5, clients=CLIENTS), Stage(name="hold", over=1.0)]
    async with SinkProcess() as sink:
        finished = await finish(scenario(sink.url, stages=stages, every=0.0, timeout=30.0))
        replied = (await sink.summary())["replied"]
    obeyed(finished, CLIENTS, replied)


async def test_a_closed_loop_over_tls_gets_through_its_stages_and_drains() -> None:
    stages = [Stage(name="ramp", over=0.5, clients=OVER_TLS), Stage(name="hold", over=0.5)]
    patient: dict[str, Any] = {"timeout": 60.0, "connect_timeout": 60.0, "close_timeout": 30.0, **trusting()}
    server = Server(tls=serving()())
    async with server:
        finished = await finish(scenario(server.url, stages=stages, every=0.0, **patient))
    obeyed(finished, OVER_TLS, server.messages["ping"])
    assert server.ends == {"close 1000": OVER_TLS}
