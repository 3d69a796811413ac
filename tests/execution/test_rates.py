"""The classic figures where naive testers are wrong: rates belong to stages."""

from __future__ import annotations

import pytest

from tests.execution.running import finish, scenario
from tests.servers.server import Server
from wstui.scenario.model import Stage


async def test_rates_leave_the_ramp_of_connects_and_the_cooldown_of_messages_in_their_place() -> None:
    stages = [
        Stage(name="ramp", over=1.5, clients=60),
        Stage(name="hold", over=1.0),
        Stage(name="cooldown", over=1.5),
    ]
    async with Server() as server:
        finished = await finish(scenario(server.url, stages=stages, every=0.05))
    result = finished.result
    ramp, hold, cooldown = result.stages
    seconds = [stage.active_s or 0.0 for stage in result.stages]
    assert result.connections.per_second == pytest.approx(ramp.connections.ready / seconds[0], rel=0.01)
    assert (result.connections.per_second or 0) > ramp.connections.ready / sum(seconds), "not that of the whole run"
    assert cooldown.messages.sent > 100, "clients go on in a cooldown"
    counted = ramp.messages.sent + hold.messages.sent
    assert result.messages.sent == counted + cooldown.messages.sent
    assert result.messages.sent_per_second == pytest.approx(counted / sum(seconds[:2]), rel=0.01)
    assert hold.messages.sent_per_second == pytest.approx(hold.messages.sent / seconds[1], rel=0.01)
