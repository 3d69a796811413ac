"""Runs the cases, several side by side, and holds what came of them against what is right."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.execution.running import Finished, finish
from tests.forked_workers import forked
from tests.truth.authority import trusting
from tests.truth.case import STATUS, Case, Row
from tests.truth.case_server import Target
from wstui.cli.exit_codes import status_of
from wstui.execution.run.result import Result
from wstui.execution.run.run import Run
from wstui.report.analysis.diagnosis import findings
from wstui.report.formats.console import summary
from wstui.report.model.labels import verdict_sign
from wstui.scenario.model import Scenario

AT_ONCE = 12
"""They mostly wait."""
NOISE = ("generator", "latency", "operator", "slow ramp")
"""What a busy machine may add to any run: no case of a server's is judged by it."""


def scenario_of(case: Case, server: Target) -> Scenario:
    """The base that every case is a change of."""
    slow_but_sure = {"connect_timeout": 20.0, "close_timeout": 2.0, "settle": 0.05, "ready": "open", "health": "off"}
    path = re.sub(r"\W+", "-", case.name.lower()).strip("-")
    own = trusting() if case.trusts else {}
    if "proxy" in case.target:
        own["proxy"] = case.target["proxy"].format(port=server.port)
    given: dict[str, Any] = {
        "name": case.name,
        "target": {
            "url": case.url.format(port=server.port, socket=server.socket, path=path),
            **slow_but_sure,
            **case.target,
            **own,
        },
        "stages": [{"name": "ramp", "over": 0.1, "clients": case.clients}, {"name": "hold", "over": case.hold}],
        "messages": ({} if "roles" in case.scenario else {"exchange": "echo"})
        | {"every": 0.1, "timeout": 20.0, **case.messages},
        "fleet": {"workers": 1},
        **case.scenario,
    }
    return Scenario.model_validate(given)


async def rows(cases: Sequence[tuple[str, Case]], at_once: int = AT_ONCE) -> AsyncIterator[Row]:
    """The row of each case of a group, in their order."""
    turn = asyncio.Semaphore(at_once)

    async def one(group: str, case: Case) -> Row:
        async with turn:
            return await row_of(group, case)

    with forked():
        running = [asyncio.create_task(one(*case)) for case in cases]
        try:
            for task in running:
                yield await task
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def row_of(group: str, case: Case) -> Row:
    """Run one case."""
    row = Row(case.name, group)
    try:
        async with Target(case) as server:
            asked = scenario_of(case, server)
            if case.meanwhile is not None:
                run = Run(asked)
                beside = asyncio.create_task(case.meanwhile(server, run))
                finished = await finish(run, complete=False)
                await beside
            else:
                finished = await finish(asked, complete=False, settled=case.settled)
    except Exception as error:
        row.wrong.append(f"{type(error).__name__}: {error}".splitlines()[0])
        return row
    return _judge(row, case, finished, server)


def _judge(row: Row, case: Case, finished: Finished, server: Target) -> Row:
    wanted, result = case.right, finished.result
    about_us = wanted.verdict in ("LIMITED", "LOST") or wanted.finding in NOISE
    if not about_us:
        result = _unhurried(result)
    causes = findings(result)
    found = next((each.cause for each in causes if about_us or each.cause not in NOISE), "")
    named = frozenset(f"{group.kind} {group.outcome}".strip() for group in result.failures)
    row.verdict, row.status = verdict_sign(result.verdict).word, status_of(result)
    row.failures, row.finding = ", ".join(sorted(named)), found
    for what, is_so, right in (
        ("verdict", row.verdict, wanted.verdict),
        ("status", row.status, STATUS[wanted.verdict]),
        ("failures", named, wanted.failures),
        ("finding", found, wanted.finding),
    ):
        if is_so != right:
            row.wrong.append(f"{what} {_listed(is_so)}, not {_listed(right)}")
    _compare(row, case, finished, server)
    told = [result.verdict.reason, *(f"{f.text} {f.evidence} {f.next_step}" for f in causes)]
    told += [
        f"{group.message} {detail}" for group in result.failures for detail in [s.detail for s in group.samples] or [""]
    ]
    row.wrong += [f"nowhere is said {words!r}: {told[:3]}" for words in case.says if not any(words in t for t in told)]
    everything = result.to_json() + summary(result) + "".join(told)
    row.wrong += [f"{secret!r} is in clear" for secret in case.hides if secret in everything]
    counters = finished.counters
    row.wrong += [f"{name} is 0" for name in case.more if not getattr(counters, name)]
    row.wrong += [f"{name} is {getattr(counters, name)}" for name in case.zero if getattr(counters, name)]
    return row


def _listed(value: Any) -> str:
    return ", ".join(sorted(value)) or "none" if isinstance(value, frozenset) else str(value) or "none"


def _compare(row: Row, case: Case, finished: Finished, server: Target) -> None:
    """Our counts against the server's log: connections, messages it got, messages it sent."""
    if case.unbalanced:
        return
    c = finished.counters
    pings = case.messages.get("exchange") == "ping"
    got = server.messages["ping"] + server.messages["echo"] + (server.messages["control ping"] if pings else 0)
    ours, log = (c.attempted, c.sent, c.received), (server.accepted, got, server.said)
    row.ours, row.servers = "/".join(map(str, ours)), "/".join(map(str, log))
    names = ("attempts", "messages sent", "messages received")
    for name, own, theirs in zip(names, ours, log, strict=True):
        if (name == "attempts" and case.uncounted) or (name == "messages received" and pings):
            continue
        # A server that ends the connection does not read what is under way, nor is all read that it sent.
        is_right = own >= theirs if name == "messages sent" else own <= theirs
        if own != theirs and not (case.lossy and name != "attempts" and is_right):
            row.wrong.append(f"{name}: ours {own}, the server's {theirs}")


def _unhurried(result: Result) -> Result:
    """The same without what this machine had no time for."""
    local = [group for group in result.failures if group.local]
    verdict = msgspec.structs.replace(result.verdict, generator_limited=bool(local))
    generator = msgspec.structs.replace(result.generator, limited_by=[])
    return msgspec.structs.replace(result, verdict=verdict, generator=generator)


def folder() -> Path:
    """Where this package is."""
    return Path(__file__).parent
