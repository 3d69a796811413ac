"""What a plan cannot do: too short for a client to be ready or to send, or made so that nothing is sent or judged."""

from __future__ import annotations

from collections.abc import Iterator

from wstui.scenario.load_profile import arrivals
from wstui.scenario.model import Scenario
from wstui.scenario.units import format_duration

SHORTEST_S = 0.5
"""In less than this a client may not even connect."""


def plan_warnings(scenario: Scenario) -> Iterator[str]:
    """Warn of what keeps a plan from making the load that it seems to ask for."""
    if scenario.breakpoint is not None or not scenario.peak_clients:
        return
    yield from _arrivals(scenario)
    messages, target = scenario.messages, scenario.target
    left_s = _longest_s(scenario)
    lasts = f"clients are there for {format_duration(round(left_s, 3))} at most"
    ready_s = target.settle if target.ready == "open" else 0.0
    if left_s <= ready_s:
        yield f"no client can be ready: {lasts}, and target.settle is {format_duration(ready_s)}."
    elif left_s - ready_s < SHORTEST_S:
        settle = f" and to stay open for target.settle, {format_duration(ready_s)}" if ready_s else ""
        yield f"no client may be ready: {lasts}, which has to do for connecting, the upgrade{settle}."
    if messages.slow_readers >= 1:
        yield "no message is sent: messages.slow_readers is 100%, and clients that stop reading do not send."
    elif not scenario.listens and left_s > ready_s and messages.every >= left_s - ready_s:
        yield (
            f"a client may send nothing: {lasts}, and one sends its first message within messages.every, "
            f"{format_duration(messages.every)}, after it is ready."
        )
    if all(stage.is_cooldown for stage in scenario.stages):
        yield "nothing is judged: thresholds leave out stages whose name begins with cooldown, and all do."


def _arrivals(scenario: Scenario) -> Iterator[str]:
    for stage in scenario.stages:
        if stage.arrive and not arrivals(stage):
            yield (
                f"nobody arrives in {stage.name}: it lasts {format_duration(stage.over)}, "
                f"and the first comes after {format_duration(round(1 / stage.arrive, 3))}."
            )


def _longest_s(scenario: Scenario) -> float:
    """Return for how long the client that is there longest is there, its settling included."""
    settle_s = scenario.target.settle if scenario.target.ready == "open" else 0.0
    longest = begin = 0.0
    since: float | None = None  # when the first client of the ramps began
    before = 0
    for stage in scenario.stages:
        clients = before if stage.clients is None else stage.clients
        if clients and since is None:
            since = begin
        if stage.arrive and stage.stay and arrivals(stage):  # a stay is counted from when the client is ready
            longest = max(longest, min(stage.stay + settle_s, scenario.duration_s - begin - 1 / stage.arrive))
        begin += stage.over
        if since is not None:
            longest = max(longest, begin - since)
        if not clients:
            since = None
        before = clients
    return longest
