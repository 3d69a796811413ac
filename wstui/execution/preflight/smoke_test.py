"""One real client end to end: the way in, and the answer to the first thing it says."""

from __future__ import annotations

from wstui.execution.preflight.first_message import one_reply
from wstui.execution.preflight.probe import Probe, ProbeStep, Unreachable, probe
from wstui.scenario.model import Scenario


async def first_client(scenario: Scenario, seen: Probe) -> None:
    """Open one client as the load will, then let one of the load's own engine say one message.

    `seen` is filled step by step, each with its time; where clients wait for no reply it ends with the way in.
    Raises Unreachable.
    """
    await probe(scenario, seen)
    if seen.warning or (scenario.messages.is_one_way and not scenario.roles):
        return
    reply = await one_reply(scenario, seen.note)
    if reply.missing:
        exchange = scenario.messages.exchange
        if scenario.roles:
            raise Unreachable(f"one round of each role did not succeed ({reply.missing})", "correct the step it names")
        raise Unreachable(
            f"the first message got no answer ({reply.missing})",
            f'is messages.exchange = "{exchange}" what the server answers?',
        )
    seen.steps.append(
        ProbeStep("reply", reply.round_trip_ms or 0.0, f"{scenario.messages.exchange}, by the load's own engine")
    )
