"""Probes hosts before the load is started there."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from wstui.fleet import host_facts as here
from wstui.fleet.host_facts import Facts, HostQuery
from wstui.fleet.hosts.remote_command import CONNECT_S, HostError, RemoteCommand, RemoteProcess, gather_bounded
from wstui.fleet.hosts.remote_main import read_facts
from wstui.scenario.hosts import HostSpec, parse_host
from wstui.scenario.model import Scenario
from wstui.scenario.route import route_of

PROBE_S = CONNECT_S + 10.0


@dataclass(frozen=True, slots=True)
class HostProbe:
    """A host's facts, or why they could not be gathered."""

    remote: RemoteCommand
    facts: Facts | None = None
    failure: HostError | None = None

    @property
    def name(self) -> str:
        return self.remote.host.name

    @property
    def problem(self) -> str:
        """Return the host with its failure, as a sentence; "" if it has none."""
        if self.failure is None:
            return ""
        is_sentence = self.failure.text.startswith((self.remote.tool, "its command"))
        return f"{self.name}{':' if is_sentence else ''} {self.failure}"


def query_of(scenario: Scenario) -> HostQuery:
    host, port = route_of(scenario).first_hop
    return HostQuery(host, port, list(scenario.fleet.local_addresses))


def hosts_of(scenario: Scenario) -> list[HostSpec]:
    return [parse_host(text) for text in scenario.fleet.hosts]


async def probe_all(remotes: Sequence[RemoteCommand], query: HostQuery) -> list[HostProbe]:
    """Probe many hosts at once, so that a hanging one does not delay the others."""
    return await gather_bounded(lambda remote: probe_host(remote, query), remotes)


async def probe_host(remote: RemoteCommand, query: HostQuery) -> HostProbe:
    """Probe one host. Raises FleetError only if this machine lacks the tool."""
    connection = await RemoteProcess.open(remote, remote.command("probe"))
    process = connection.process
    try:
        async with asyncio.timeout(PROBE_S):
            said, _ = await asyncio.gather(_converse(process, msgspec.json.encode(query)), process.wait())
            if (facts := read_facts(said)) is not None:
                return HostProbe(remote, facts, differing(facts) or _lacking(facts))
            connection.printed(said)
            return HostProbe(remote, failure=await connection.ended())
    except TimeoutError:
        failure = HostError(remote.tool, f"did not answer within {PROBE_S:g} s", "check that host")
        return HostProbe(remote, failure=failure)
    finally:
        await connection.close(0.0)


async def _converse(process: asyncio.subprocess.Process, query: bytes) -> bytes:
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(query + b"\n")
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


def workers_on(probe: HostProbe, each: int) -> int:
    """Return a host's number of workers; `each` is the scenario's number, 0: one per spare core."""
    spare = probe.facts.spare if probe.facts is not None else 1
    return probe.remote.host.workers or each or spare
