"""What a load takes of this machine: local ports, open files, processors and memory, told before it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

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
