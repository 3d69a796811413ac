"""Probes hosts before the load is started there."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from wstui.fleet import host_facts as here
from wstui.fleet.host_facts import Facts, HostQuery
from wstui.fleet.hosts.remote_main import read_facts
from wstui.fleet.hosts.road import CONNECT_S, HostError, Road, RoadProcess, a_few_at_once
from wstui.scenario.hosts import HostSpec, parse_host
from wstui.scenario.model import Scenario
from wstui.scenario.route import route_of

LOOK_S = CONNECT_S + 10.0


@dataclass(frozen=True, slots=True)
class HostProbe:
    """A host's facts, or why they could not be gathered."""

    road: Road
    facts: Facts | None = None
    trouble: HostError | None = None

    @property
    def name(self) -> str:
        return self.road.host.name

    @property
    def problem(self) -> str:
        """Return the host with its trouble, as a sentence; "" if it has none."""
        if self.trouble is None:
            return ""
        is_sentence = self.trouble.text.startswith((self.road.tool, "its command"))
        return f"{self.name}{':' if is_sentence else ''} {self.trouble}"


def question_of(scenario: Scenario) -> HostQuery:
    host, port = route_of(scenario).first_hop
    return HostQuery(host, port, list(scenario.fleet.local_addresses))


def hosts_of(scenario: Scenario) -> list[HostSpec]:
    return [parse_host(text) for text in scenario.fleet.hosts]


async def look_at_all(roads: Sequence[Road], question: HostQuery) -> list[HostProbe]:
    """Probe many hosts at once, so that a hanging one does not delay the others."""
    return await a_few_at_once(lambda road: look_at(road, question), roads)


async def look_at(road: Road, question: HostQuery) -> HostProbe:
    """Probe one host. Raises FleetError only if this machine lacks the road's tool."""
    connection = await RoadProcess.open(road, road.command("look"))
    process = connection.process
    try:
        async with asyncio.timeout(LOOK_S):
            said, _ = await asyncio.gather(_converse(process, msgspec.json.encode(question)), process.wait())
            if (facts := read_facts(said)) is not None:
                return HostProbe(road, facts, differing(facts) or _lacking(facts))
            connection.printed(said)
            return HostProbe(road, trouble=await connection.ended())
    except TimeoutError:
        trouble = HostError(road.tool, f"did not answer within {LOOK_S:g} s", "check that host")
        return HostProbe(road, trouble=trouble)
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
    return look.road.host.workers or each or spare
