"""What must hold of the machines that make the load."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from wstui.scenario.errors import quote
from wstui.scenario.file_refs import located
from wstui.scenario.hosts import is_loopback, twice
from wstui.scenario.model import Scenario
from wstui.scenario.problem import Conflict


def fleet_findings(scenario: Scenario) -> Iterator[Conflict]:
    """What is wrong with the hosts, and what belongs to them."""
    fleet = scenario.fleet
    if name := twice(fleet.hosts):
        yield Conflict(("fleet", "hosts"), f'name {name} twice: write "{name}:2" for two workers')
    if fleet.hosts and fleet.scheduler:
        message = "cannot be joined beside fleet.hosts: the load is made by these, or by the workers of that cluster"
        yield Conflict(("fleet", "scheduler"), message, quote(fleet.scheduler), rests_on=(("fleet", "hosts"),))
    path = located(fleet.ssh_config, scenario.origin.file)
    if path and not os.path.isfile(path):  # noqa: PTH113 - NUL is False
        yield Conflict(("fleet", "ssh_config"), "is not a file", quote(path))


def fleet_warnings(scenario: Scenario) -> Iterator[str]:
    """What probably is not meant."""
    fleet = scenario.fleet
    host = urlsplit(scenario.target.url).hostname or ""
    if fleet.is_remote and is_loopback(host):
        yield f"target.url names {host}: each machine that makes load will look for the server on itself."
    if not fleet.hosts:
        for name in ("ssh_config", "python"):
            if getattr(fleet, name):
                yield f"fleet.{name} has no effect without fleet.hosts."
