"""Checks of each of several load hosts before they make load."""

from __future__ import annotations

import math
from dataclasses import replace

from wstui.execution.preflight import checklist
from wstui.execution.preflight.checklist import Check, CheckMark
from wstui.execution.preflight.kernel_settings import lacking
from wstui.fleet.fleet import WorkerFleet
from wstui.fleet.host_facts import Facts
from wstui.fleet.hosts.host_probe import HostProbe
from wstui.scenario.model import Scenario
from wstui.scenario.route import route_of

_STEPS = ("wstui", "python", "dask", "disk")


def of_host(probe: HostProbe, scenario: Scenario, workers: int, of: int) -> list[Check]:
    """Every check of one machine, which has `workers` of the `of` workers; its name leads each."""
    found: list[Check] = []
    facts, failure, tool = probe.facts, probe.failure, probe.remote.tool
    told = {}
    if facts is not None:
        told = {tool: "answers", "wstui": facts.version, "python": facts.python, "dask": facts.dask}
    for step in (tool, *_STEPS):
        if failure is not None and failure.step == step:
            found.append(Check(step, CheckMark.FAIL, failure.text, failure.fix))
            break
        if step in told:
            found.append(Check(step, CheckMark.PASS, told[step]))
    if facts is not None:
        found.append(_target(facts, scenario))
        found += of_facts(facts, scenario, workers, of)
    return [replace(check, name=f"{probe.name} {check.name}") for check in found]


def of_facts(facts: Facts, scenario: Scenario, workers: int, of: int) -> list[Check]:
    """Return the checks of one host's resources against its share of the peak."""
    sources = facts.sources
    each = math.ceil(scenario.peak_clients / max(1, of))
    own = each * workers
    where, _ = route_of(scenario).first_hop
    found = [checklist.addresses(facts.unusable)] if scenario.fleet.local_addresses else []
    return [
        *found,
        checklist.files(facts.files, each * workers, workers),
        *([checklist.ports(facts.ports * sources, own, sources, where)] if where else []),
        *(
            setting.check(fixed=facts.fixed, is_here=False)
            for setting in lacking(facts.settings, own, workers, facts.ports * sources if where else 0)
        ),
        checklist.processors(scenario, workers, facts.cores, facts.busy, of=of),
        checklist.memory(facts.memory, own, workers),
    ]


def host_warnings(fleet: WorkerFleet, scenario: Scenario) -> list[str]:
    """Return warnings about what the load hosts may lack; for this machine, the run itself tells."""
    return [
        f"{host.name}: {check.name}: {check.text}; {check.fix}"
        for host in fleet.hosts()
        if host.facts is not None
        for check in of_facts(host.facts, scenario, len(host.workers), fleet.size)
        if check.mark is not CheckMark.PASS
    ]


def _target(facts: Facts, scenario: Scenario) -> Check:
    if facts.unreachable:
        fix = "look at the network there, and at the firewall of the target"
        return Check("target", CheckMark.FAIL, f"can't be reached from there: {facts.unreachable}", fix)
    took = f"{facts.reach_ms:.1f} ms to connect" if facts.reach_ms is not None else "answers"
    return Check("target", CheckMark.PASS, took)
