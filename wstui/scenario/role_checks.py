"""Checks of the roles of a scenario, one by one and together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wstui.scenario.conversation.delay import parse_delay
from wstui.scenario.conversation.role import Role, Step
from wstui.scenario.errors import BadValue, Conflict, quote
from wstui.scenario.identity_checks import checked_feed
from wstui.scenario.lowering import Lowered
from wstui.scenario.model import Scenario
from wstui.scenario.name_checks import role_name_findings
from wstui.scenario.payload_checks import PayloadChecks
from wstui.scenario.role_inputs import captured_at_login, captured_in, script_of
from wstui.scenario.script import lacking
from wstui.scenario.step_checks import StepChecks

MOST_BYTES_OF_ALL = 16 << 20


def role_findings(scenario: Scenario) -> Iterator[Conflict]:
    """Every conflict in and between the roles; nothing when the scenario has none."""
    if not scenario.roles:
        if scenario.messages.exchange == "roles":
            yield Conflict(("roles",), 'are missing: messages.exchange is "roles", so write [[roles]]')
        return
    yield from _exclusive_findings(scenario)
    yield from _share_findings(scenario)
    feed, feed_is_known, conflict = checked_feed(scenario)
    if conflict:
        yield conflict
    total = 0
    lowered = Lowered(scenario)
    yield from lowered.conflicts
    yield from _endless_findings(scenario, lowered.roles)
    for index, role in enumerate(lowered.roles):
        if role.name in [other.name for other in scenario.roles[:index]]:
            yield Conflict(("roles", index, "name"), "names two roles: rename one", quote(role.name))
        at_login = captured_at_login(scenario.login)
        payloads = PayloadChecks(scenario.origin.file, captured_in(role, at_login), feed, feed_is_known)
        if role.script:
            try:
                message = lacking(script_of(role, scenario.origin.file), role.script, role.name)
            except BadValue as error:
                message = error.message
            if message:
                yield Conflict(("roles", index, "script"), message, quote(role.script))
        added = lowered.added if role.connect else 0
        yield from StepChecks(role, ("roles", index), payloads, added, at_login, scenario.peak_clients).findings()
        total += payloads.bytes
    if total > MOST_BYTES_OF_ALL:
        yield Conflict(("roles",), f"send more than {MOST_BYTES_OF_ALL >> 20} MiB together: a worker keeps all of it")
    yield from role_name_findings(lowered.roles, lowered.added, scenario.origin.file)


def _exclusive_findings(scenario: Scenario) -> Iterator[Conflict]:
    messages, target = scenario.messages, scenario.target
    if messages.exchange != "roles":
        message = "has no place beside [[roles]], which say what clients send: leave it out"
        yield Conflict(("messages", "exchange"), message, quote(messages.exchange))
    if messages.subscribe:
        yield Conflict(("messages", "subscribe"), "has no place beside [[roles]]: write a step that subscribes")
    if target.ready == "welcome":
        message = 'has no place beside [[roles]]: write open = [{ expect = { type = "…" } }]'
        yield Conflict(("target", "ready"), message, quote("welcome"))


def _endless_findings(scenario: Scenario, roles: Sequence[Role]) -> Iterator[Conflict]:
    waits = [stage.every for stage in scenario.stages if stage.every is not None]
    if scenario.messages.every == 0 or 0 in waits:
        for index, role in enumerate(roles):
            if role.loop and not any(map(_waits, role.loop)):
                message = 'waits for nothing, and with every = "0s" would never end: add expect or think to a step'
                yield Conflict(("roles", index, "loop"), message, rests_on=(("messages", "every"), ("stages",)))


def _share_findings(scenario: Scenario) -> Iterator[Conflict]:
    fixed = sum(role.clients or 0 for role in scenario.roles)
    peak = scenario.peak_clients
    weights = [role.weight if role.weight is not None else 1.0 for role in scenario.roles if role.clients is None]
    for index, role in enumerate(scenario.roles):
        if role.clients is not None and role.weight is not None:
            yield Conflict(("roles", index, "weight"), "and clients are both given: keep one")
        if role.clients == 0:
            yield Conflict(("roles", index, "clients"), "is 0, so no client has this role: leave the role out", "0")
    if weights and not sum(weights):
        yield Conflict(("roles",), "have weight 0 everywhere: give at least one of them a weight above 0")
    elif not weights and fixed and peak > fixed:
        message = f"are {fixed} clients in all, and the load asks for {peak}: give one of them a weight"
        yield Conflict(("roles",), message, rests_on=(("stages",), ("load",), ("breakpoint",)))
    if peak and fixed > peak:
        message = f"ask for {fixed} clients in all, and the load never has more than {peak}: lower clients"
        yield Conflict(("roles",), message, rests_on=(("stages",), ("load",), ("breakpoint",)))


def _waits(step: Step) -> bool:
    """Return whether a step lets time pass, however it goes."""
    if step.choose:
        return all(any(map(_waits, choice.steps)) for choice in step.choose)
    if step.think is not None:
        delay = parse_delay(step.think)
        return delay.low > 0 or delay.mean > 0 or bool(delay.variable)
    return (
        step.http is not None
        or step.expect is not None
        or step.meet is not None
        or step.close
        or any(map(_waits, step.steps))
    )
