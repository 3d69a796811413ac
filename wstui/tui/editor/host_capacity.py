"""What a load takes of this machine: local ports, open files, processors and memory, told before it is made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from wstui.execution.calibrate.cost_model import ESTIMATE, Costs, known
from wstui.execution.preflight import checklist
from wstui.execution.preflight.checklist import Check
from wstui.fleet.host_facts import cores, free_memory, spare_cores
from wstui.load.selfcheck import local_ports, raise_files_limit
from wstui.scenario.model import Scenario


@dataclass(frozen=True, slots=True)
class HostCapacity:
    """What this machine has: ports of one address, files of one process, processors, bytes of free memory.

    `costs` is what load takes of a processor.
    """

    ports: int
    files: int
    spare: int
    cores: int
    memory: int
    costs: Costs = ESTIMATE


@cache
def this_host() -> HostCapacity:
    """This machine, looked at once."""
    return HostCapacity(local_ports(), raise_files_limit(), spare_cores(), cores(), free_memory(), known())


def needs(scenarios: Sequence[Scenario], host: HostCapacity) -> list[Check]:
    """What the largest of some scenarios needs of a machine, and whether it has it."""
    if not scenarios:
        return []
    hardest = max(scenarios, key=lambda scenario: scenario.peak_clients)
    if hardest.fleet.is_remote:
        return []
    peak, sources = hardest.peak_clients, max(1, len(hardest.fleet.sources))
    workers = hardest.fleet.workers or host.spare
    return [
        checklist.ports(host.ports * sources, peak, sources),
        checklist.files(host.files, peak, workers),
        checklist.processors(hardest, workers, host.cores, 0.0, costs=host.costs),
        checklist.memory(host.memory, peak, workers),
    ]


def steepest(scenario: Scenario) -> float:
    """The most connects a second that the stages ask for; infinite where they ask for all at once."""
    sizes = [0, *(stage.clients for stage in scenario.stages if stage.clients is not None)]
    overs = [stage.over for stage in scenario.stages if stage.clients is not None]
    rates = [(b - a) / over if over else math.inf for (a, b), over in zip(pairwise(sizes), overs, strict=True) if b > a]
    return max([*rates, *(stage.arrive or 0.0 for stage in scenario.stages)], default=0.0)


def messages_a_second(scenario: Scenario) -> float | None:
    """Return what all clients send together at the peak; None if unknown beforehand, as in a closed loop."""
    if scenario.messages.exchange == "listen":
        return 0.0
    if scenario.breakpoint is not None and scenario.breakpoint.of == "messages":
        return float(scenario.breakpoint.largest)
    return scenario.peak_clients / scenario.shortest_every if scenario.shortest_every > 0 else None
