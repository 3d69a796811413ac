"""Probes hosts over ssh before the load is started there."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from wstui.fleet import host_facts as here
from wstui.fleet.host_facts import Facts, HostQuery
from wstui.fleet.hosts.remote_main import read_facts
from wstui.fleet.hosts.ssh import CONNECT_S, HostError, SshConnection, command, remote_command
from wstui.fleet.transport import FleetError
from wstui.scenario.file_refs import located
from wstui.scenario.hosts import HostSpec, parse_host
from wstui.scenario.model import Scenario
from wstui.scenario.route import route_of
from wstui.scenario.trust import ssh_problem

LOOK_S = CONNECT_S + 10.0


@dataclass(frozen=True, slots=True)
class HostProbe:
    """A host's facts, or why they could not be gathered."""

    host: HostSpec
    facts: Facts | None = None
    trouble: HostError | None = None

    @property
    def name(self) -> str:
        return self.host.name


@dataclass(frozen=True, slots=True)
class SshOptions:
    """How hosts are reached: ssh configuration and remote Python; "" for the default."""

    config: str = ""
    python: str = ""

    @classmethod
    def of(cls, scenario: Scenario) -> SshOptions:
        """Return the options of a scenario. Raises FleetError for a configuration that only a preset names."""
        if problem := ssh_problem(scenario):
            raise FleetError(str(problem))
        return cls(located(scenario.fleet.ssh_config, scenario.origin.file), scenario.fleet.python)


def question_of(scenario: Scenario) -> HostQuery:
    """Return what to ask each host."""
    host, port = route_of(scenario).first_hop
    return HostQuery(host, port, list(scenario.fleet.local_addresses))


def hosts_of(scenario: Scenario) -> list[HostSpec]:
    """Return the hosts of a scenario."""
    return [parse_host(text) for text in scenario.fleet.hosts]


async def look_at_all(hosts: Sequence[HostSpec], way: SshOptions, question: HostQuery) -> list[HostProbe]:
    """Probe all hosts at once, so that a hanging one does not delay the others."""
    return list(await asyncio.gather(*(look_at(host, way, question) for host in hosts)))


async def look_at(host: HostSpec, way: SshOptions, question: HostQuery) -> HostProbe:
    """Probe one host. Raises FleetError only if this machine has no ssh."""
    line = command(host.destination, remote_command(way.python, "look"), config=way.config)
    connection = await SshConnection.open(line, host.destination, way.python)
    process = connection.process
    try:
        async with asyncio.timeout(LOOK_S):
            said, _ = await asyncio.gather(_converse(process, msgspec.json.encode(question)), process.wait())
            if (facts := read_facts(said)) is not None:
                return HostProbe(host, facts, differing(facts) or _lacking(facts))
            return HostProbe(host, trouble=await connection.ended())
    except TimeoutError:
        return HostProbe(host, trouble=HostError("ssh", f"did not answer within {LOOK_S:g} s", "check that host"))
    finally:
        await connection.close(0.0)


async def _converse(process: asyncio.subprocess.Process, question: bytes) -> bytes:
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(question + b"\n")
        process.stdin.close()
    except (ConnectionError, OSError):
        pass
    return await process.stdout.read()


def differing(facts: Facts) -> HostError | None:
    """Return the version that differs from ours, if any."""
    for step, found, wanted, fix in (
        ("wstui", facts.version, here.installed("wstui"), "pip install 'wstui[cluster]=={}'"),
        ("python", _minor(facts.python), _minor(platform.python_version()), "use Python {} on both"),
        ("dask", facts.dask, here.installed("distributed"), "pip install 'distributed=={}'"),
    ):
        if found != wanted:
            name = {"wstui": "wstui", "python": "Python", "dask": "Dask (distributed)"}[step]
            return HostError(step, f"has {name} {found or 'not installed'}, needs {wanted}", fix.format(wanted))
    return None


def _lacking(facts: Facts) -> HostError | None:
    """Return what our own Dask worker lacks there."""
    if not facts.cramped:
        return None
    return HostError("disk", f"has no place for temporary files: {facts.cramped}", "make room in /tmp, or set TMPDIR")


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def workers_on(look: HostProbe, each: int) -> int:
    """Return a host's number of workers; `each` is the scenario's number, 0: one per spare core."""
    spare = look.facts.spare if look.facts is not None else 1
    return look.host.workers or each or spare
