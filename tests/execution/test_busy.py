"""More than 1024 clients that are all busy at once, on one worker, which still has to obey."""

from __future__ import annotations

from tests.execution.running import finish, scenario
from wstui.execution.calibrate.sink.sink_process import SinkProcess
from wstui.scenario.model import Stage

CLIENTS = 2000


async def test_a_closed_loop_of_2000_clients_gets_through_its_stages_and_drains() -> None:
    stages = [Stage(name="ramp", over=0.5, clients=CLIENTS), Stage(name="hold", over=1.0)]
    async with SinkProcess() as sink:
        finished = await finish(scenario(sink.url, stages=stages, every=0.0, timeout=30.0))
        replied = (await sink.summary())["replied"]
    result, c = finished.result, finished.counters
    fleet = finished.run.fleet
    assert fleet.totals.missed < fleet.totals.latest()[0].sequence / 4, "its snapshots come in time"
    assert not [text for kind, text in finished.marks if kind == "worker"], "lost or silent"
    assert (c.ready, c.closed, c.dropped) == (CLIENTS, CLIENTS, 0)
    assert c.sent == c.matched == replied > CLIENTS
    assert [stage.name for stage in result.stages] == ["ramp", "hold"]
