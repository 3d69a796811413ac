"""Looks at everything that a run needs, before it: broker, target, token, clocks, and what this machine can do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import psutil

from wstui.execution.calibrate import cost_model
from wstui.execution.preflight import checklist
from wstui.execution.preflight.checklist import Check, CheckMark
from wstui.execution.preflight.first_message import FirstReply, one_reply
from wstui.execution.preflight.host_checks import of_host
from wstui.execution.preflight.kernel_settings import Setting, lacking
from wstui.execution.preflight.probe import Probe, Unreachable, probe
from wstui.execution.run.target.endpoint_poller import EndpointPoller
from wstui.fleet.host_facts import (
    cores,
    families,
    free_memory,
    kernel_settings,
    settings_fixed,
    spare_cores,
    unusable,
)
from wstui.fleet.hosts.host_probe import workers_on
from wstui.fleet.transport import FleetError
from wstui.fleet.transport_factory import probe_hosts
from wstui.load.connect_outcome import cause_of
from wstui.load.selfcheck import local_ports, raise_files_limit
from wstui.measure.sanitize import sanitize
from wstui.scenario.model import Scenario
from wstui.scenario.route import route_of
from wstui.scenario.secret_fields import secrets_of
from wstui.scenario.secrets import masker, secrets_in_url
from wstui.scenario.trust import script_problems

NATS_PORT = 4222
NATS_TIMEOUT_S = 3.0
BUSY_LOOK_S = 0.5
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)


async def preflight(scenarios: Sequence[Scenario], pauses_s: float = 0.0, nats_url: str = "") -> AsyncIterator[Check]:
    """Each check as soon as it is known, without secrets; see `_preflight` for the arguments."""
    mask = masker(tuple(secret for scenario in scenarios for secret in secrets_of(scenario)))
    async for check in _preflight(scenarios, pauses_s, nats_url):
        yield replace(check, text=mask(check.text), fix=mask(check.fix))


async def _preflight(scenarios: Sequence[Scenario], pauses_s: float = 0.0, nats_url: str = "") -> AsyncIterator[Check]:
    """Each check as soon as it is known.

    Args: scenarios: run one after the other, with `pauses_s` seconds between them in all; nats_url: also look
    whether this NATS server is there ("" for none).
    """
    planned_s = sum(scenario.duration_s for scenario in scenarios) + pauses_s
    if nats_url:
        yield await nats(nats_url)
    several = len(different := _different(scenarios)) > 1
    for scenario in different:
        async for check in _target(scenario, planned_s):
            if scenario.fleet.is_remote and check.mark is CheckMark.FAIL and check.name in ("client", "reply"):
                # The load comes from other machines: what can't be done from here may be possible from there.
                check = replace(check, mark=CheckMark.WARN, text=f"from this machine: {check.text}")
            name = f"{scenario.name} {check.name}" if several else check.name
            yield replace(check, name=name)
    if (hardest := _hardest(scenarios, remote=True)) is not None:
        async for check in _hosts(hardest):
            yield check
    if (hardest := _hardest(scenarios, remote=False)) is not None:
        for check in await asyncio.to_thread(_this_host, hardest):
            yield check


def _hardest(scenarios: Sequence[Scenario], *, remote: bool) -> Scenario | None:
    """Return the largest load that other machines make, or this one."""
    of_kind = [scenario for scenario in scenarios if scenario.fleet.is_remote == remote]
    return max(of_kind, key=lambda scenario: scenario.peak_clients, default=None)


async def _hosts(scenario: Scenario) -> AsyncIterator[Check]:
    """The machines that make the load."""
    try:
        probes = await probe_hosts(scenario)
    except FleetError as error:
        yield Check("hosts", CheckMark.FAIL, str(error))
        return
    workers = [workers_on(host, scenario.fleet.workers) for host in probes]
    for host, own in zip(probes, workers, strict=True):
        for check in of_host(host, scenario, own, sum(workers)):
            yield check


def _different(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """One scenario for each way to connect and to talk."""
    found: list[Scenario] = []
    for scenario in scenarios:
        if not any((s.target, s.auth, s.messages.exchange) == _way(scenario) for s in found):
            found.append(scenario)
    return found


def _way(scenario: Scenario) -> tuple[object, ...]:
    return scenario.target, scenario.auth, scenario.messages.exchange


async def nats(url: str) -> Check:
    """Return whether a NATS server answers: it says INFO first, to everybody."""
    start = "start it (`nats-server`), or correct NATS_URL"
    parts = urlsplit(url if "://" in url else f"nats://{url}")
    try:
        host, port = parts.hostname or "", parts.port or NATS_PORT
    except ValueError:
        return Check("nats", CheckMark.FAIL, "NATS_URL is not an address", "write nats://HOST:PORT")
    place = sanitize(f"{host}:{port}", 80)
    try:
        async with asyncio.timeout(NATS_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            with contextlib.closing(writer):
                line = await reader.readline()
    except TimeoutError:
        return Check("nats", CheckMark.FAIL, f"no answer from {place} within {NATS_TIMEOUT_S:g} s", start)
    except (OSError, ValueError) as error:
        return Check("nats", CheckMark.FAIL, f"{place} can't be reached: {cause_of(error).message}", start)
    with contextlib.suppress(ValueError):
        told = json.loads(line.removeprefix(b"INFO ")) if line.startswith(b"INFO ") else None
        if isinstance(told, dict):
            return Check(
                "nats", CheckMark.PASS, f"{place} is nats-server {sanitize(str(told.get('version', '?')), 20)}"
            )
    return Check("nats", CheckMark.FAIL, f"{place} answers, but is not a NATS server", "correct NATS_URL")


async def _target(scenario: Scenario, planned_s: float) -> AsyncIterator[Check]:
    if route := route_of(scenario).shown:
        yield Check("route", CheckMark.PASS, sanitize(route, 200))
    seen = Probe()
    failed = None
    try:
        await probe(scenario, seen)
    except Unreachable as error:
        failed = Check("client", CheckMark.FAIL, error.what, error.fix)
    for step in seen.steps:
        yield Check(
            step.name, CheckMark.PASS, f"{step.took_ms:.1f} ms{f', {sanitize(step.note, 80)}' if step.note else ''}"
        )
    if failed is not None:
        yield failed
    elif seen.warning:
        yield Check(
            "client", CheckMark.WARN, seen.warning, "look at who is admitted; the run counts the others as refused"
        )
    reply = None
    if failed is None and not seen.warning:
        if scenario.messages.exchange == "listen":
            yield Check("reply", CheckMark.PASS, "clients only listen")
        elif scenario.messages.is_one_way:
            yield Check("reply", CheckMark.PASS, "clients wait for no reply")
        elif problems := script_problems(scenario):
            yield Check("roles", CheckMark.WARN, f"not tried: {problems[0].value} was not run", problems[0].message)
        else:
            reply = await one_reply(scenario)
            yield _replied(scenario, reply)
    # Where nothing listens, nothing answers about its health either.
    if failed is None or scenario.target.health != "auto" or len(seen.steps) > 1:
        yield await _health(scenario)
    if (check := _token(scenario, planned_s)) is not None:
        yield check
    if reply is not None and reply.offset_ms is not None and reply.uncertainty_ms is not None:
        yield checklist.clock(reply.offset_ms, reply.uncertainty_ms, scenario.auth.kind in ("jwt", "mix"))


def _replied(scenario: Scenario, reply: FirstReply) -> Check:
    if scenario.roles:
        if reply.missing:
            return Check("roles", CheckMark.FAIL, reply.missing, "correct the step it names, or the server")
        took = "" if reply.round_trip_ms is None else f", {reply.round_trip_ms:.1f} ms a round trip"
        return Check("roles", CheckMark.PASS, f"one client of each: open, and a round{took}")
    if reply.missing:
        exchange = scenario.messages.exchange
        fix = f'is messages.exchange = "{exchange}" what the server answers? Others: echo, ping, listen, or [[roles]]'
        return Check("reply", CheckMark.FAIL, reply.missing, fix)
    return Check("reply", CheckMark.PASS, f"{reply.round_trip_ms:.1f} ms, {scenario.messages.exchange}")


async def _health(scenario: Scenario) -> Check:
    endpoints = EndpointPoller.of(scenario)
    if endpoints is None:
        return Check("health", CheckMark.PASS, "is not asked for")
    return checklist.health((await endpoints.ask(0)).shown)


def _token(scenario: Scenario, planned_s: float) -> Check | None:
    """The token's times. It is decoded and not verified: only the target has the right to do that."""
    auth = scenario.auth
    if auth.kind in ("jwt", "mix"):
        return checklist.signing(auth.secret.get_secret_value(), auth.ttl, planned_s)
    given = [auth.token.get_secret_value()] if auth.kind == "token" else []
    if given == [""]:
        return Check("token", CheckMark.WARN, "is empty: clients bring none", "set AUTH_TOKEN, if the target wants one")
    given += secrets_in_url(scenario.target.url)
    headers = scenario.target.headers
    given += [value.rpartition(" ")[2] for name, value in headers.items() if name.lower() == "authorization"]
    if not given:
        return None
    written = next((text for text in given if _JWT.fullmatch(text)), "")
    return checklist.token(_claims(written), time.time(), planned_s)


def _claims(token: str) -> dict[str, Any] | None:
    import jwt  # 70 ms

    try:
        return dict(jwt.decode(token, options={"verify_signature": False}))
    except (jwt.PyJWTError, ValueError, TypeError):
        return None


def lacking_here(scenarios: Sequence[Scenario]) -> list[Setting]:
    """Return the kernel's settings that are too small on this machine for the largest load, if it makes it."""
    if (hardest := _hardest(scenarios, remote=False)) is None:
        return []
    workers = hardest.fleet.workers or spare_cores()
    return list(lacking(kernel_settings(), hardest.peak_clients, workers, _ports(hardest)))


def _ports(scenario: Scenario) -> int:
    """Return the local ports that this machine has for a scenario's clients; 0 for a Unix socket."""
    host, _ = route_of(scenario).first_hop
    return local_ports() * max(1, len(scenario.fleet.sources)) if host else 0


def _this_host(hardest: Scenario) -> list[Check]:
    peak, sources = hardest.peak_clients, hardest.fleet.sources
    workers = hardest.fleet.workers or spare_cores()
    ports = _ports(hardest)
    busy = psutil.cpu_percent(BUSY_LOOK_S) / 100
    found = [checklist.addresses(unusable(sources, families(*route_of(hardest).first_hop)))] if sources else []
    room = [
        checklist.files(raise_files_limit(), peak, workers),
        *([checklist.ports(ports, peak, max(1, len(sources)), route_of(hardest).first_hop[0])] if ports else []),
        *(setting.check(fixed=settings_fixed()) for setting in lacking_here([hardest])),
        checklist.memory(free_memory(), peak, workers),
    ]
    if hardest.breakpoint is not None:
        room = [checklist.of_a_search(check) for check in room]
    return [*found, *room, checklist.processors(hardest, workers, cores(), busy, costs=cost_model.known())]
