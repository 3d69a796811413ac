"""Checks of the roles of a scenario, one by one and together, and warnings about what is probably not meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wstui.scenario.conversation.conditions import alternatives_of
from wstui.scenario.conversation.delay import parse_delay
from wstui.scenario.conversation.http import Login
from wstui.scenario.conversation.role import Role, Step
from wstui.scenario.errors import BadValue, Conflict, Key, dotted, quote
from wstui.scenario.identity_checks import checked_feed
from wstui.scenario.lowering import Lowered
from wstui.scenario.model import Scenario
from wstui.scenario.payload_checks import PayloadChecks
from wstui.scenario.role_inputs import (
    captured_at_login,
    captured_in,
    messages_of,
    script_of,
    steps_of,
    steps_of_script,
    stream_rows,
)
from wstui.scenario.script import lacking
from wstui.scenario.step_checks import StepChecks
from wstui.scenario.threshold import LOGIN, STEP_COUNTS, parse_metric, step_of
from wstui.scenario.units import format_duration

Row = tuple[str, str, Key]
"""Kind and name of a row of figures, and where it is named."""


def login_name_findings(logins: Sequence[Login]) -> Iterator[Conflict]:
    """Yield the requests of a login whose row could not be told from another."""
    names: dict[str, int] = {}
    for index, login in enumerate(logins):
        key: Key = (LOGIN, index, "name")
        if login.name == LOGIN:
            yield Conflict(key, 'is the row of all requests together: rename it, such as "session"', quote(LOGIN))
        elif login.name in names:
            yield Conflict(key, f"names login[{names[login.name]}] as well: rename one", quote(login.name))
        if login.name:
            names.setdefault(login.name, index)


def role_name_findings(roles: Sequence[Role], added: int, file: str) -> Iterator[Conflict]:
    """Yield the rows of roles that have the name of another of the same role, or of another kind in any role.

    The first `added` steps of each role's `open` are those of the target's protocol.
    """
    kinds: dict[str, tuple[str, Key]] = {}
    for index, role in enumerate(roles):
        names: dict[str, Key] = {}
        for kind, name, place in _rows(role, index, added if role.connect else 0, file):
            key = (*place, "name")
            first, where = kinds.setdefault(name, (kind, place))
            if name in names:
                yield Conflict(key, f"names {dotted(names[name])} as well: rename one", quote(name))
            elif first != kind:
                message = f"names {dotted(where)}, a {first}, as well, and this is a {kind}: rename one"
                yield Conflict(key, message, quote(name))
            names.setdefault(name, place)


def _rows(role: Role, index: int, added: int, file: str) -> Iterator[Row]:
    place: Key = ("roles", index)
    for key, step in steps_of(role):
        if step.name:
            number = int(key[1]) - (added if key[0] == "open" else 0)
            yield "step", step.name, ("target", "options") if number < 0 else (*place, key[0], number, *key[2:])
    for number, beat in enumerate(role.heartbeats):
        if beat.name:
            yield "heartbeat", beat.name, (*place, "heartbeats", number)
    for number, delivery in enumerate(role.delivery):
        yield "delivery", delivery.name, (*place, "delivery", number)
    for number, stream in enumerate(role.streams):
        yield from (("stream", name, (*place, "streams", number)) for name in stream_rows(stream))
    if role.script:
        yield from (("step", name, (*place, "script")) for name in steps_of_script(role, file))


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


def role_warnings(scenario: Scenario) -> Iterator[str]:
    every = scenario.shortest_every
    for index, role in enumerate(scenario.roles):
        place = dotted(("roles", index))
        if every and role.loop and (least := sum(map(_least_s, role.loop))) >= every:
            yield (
                f"{place}: a round thinks for at least {format_duration(least)}, and one is due every "
                f"{format_duration(every)}: rounds fall behind their schedule, and response times count that."
            )
        for key, step in steps_of(role):
            if step.expect is not None and step.sources and not _tells_rounds_apart(step) and key[0] == "loop":
                yield (
                    f"{dotted(('roles', index, *key))}.expect is the same in each round: a late reply will be taken "
                    'for the reply of the next round. If the server repeats a number, expect it: seq = "{{seq}}".'
                )
    yield from _unreached(scenario)
    yield from _unmeasured(scenario)
    messages = [message for role in scenario.roles for _, message in messages_of(role)]
    sends_stamps = any("{{stamp" in str(message.json) + message.send for message in messages)
    for index, role in enumerate(scenario.roles):
        for number, delivery in enumerate(role.delivery):
            if delivery.unit == "stamp" and not sends_stamps:
                yield f"roles[{index}].delivery[{number}] is never measured: no step sends {{{{stamp}}}}."
    if (
        scenario.roles
        and "every" in scenario.messages.model_fields_set
        and not any(role.loop or role.script for role in scenario.roles)
    ):
        yield "messages.every has no effect: no role has a loop."


def _unreached(scenario: Scenario) -> Iterator[str]:
    """Yield the steps behind one that closes the connection."""
    for index, role in enumerate(scenario.roles):
        found = dict(steps_of(role))
        for key in found:
            before = found.get((*key[:-1], int(key[-1]) - 1))
            if before is not None and before.close:
                yield f"{dotted(('roles', index, *key))} is never reached: the step before closes the connection."


def _unmeasured(scenario: Scenario) -> Iterator[str]:
    """Yield thresholds on the time of steps that wait for nothing."""
    named = [step for role in scenario.roles for _, step in steps_of(role) if step.name]
    waiting = {step.name for step in named if step.expect is not None or not step.sources}
    silent = {step.name for step in named} - waiting
    for threshold in scenario.thresholds:
        metric = parse_metric(threshold.metric)
        if step_of(threshold.metric) in silent and metric.statistic not in STEP_COUNTS:
            yield f"{threshold.metric} is never measured: the step expects nothing."


def _least_s(step: Step) -> float:
    """Return how long a step takes at least, by its thinking alone."""
    if step.think is not None:
        return parse_delay(step.think).low
    if step.choose:
        return min(sum(map(_least_s, choice.steps)) for choice in step.choose)
    return (step.repeat or 0) * sum(map(_least_s, step.steps))


def _tells_rounds_apart(step: Step) -> bool:
    texts = [str(c.value) for conditions in alternatives_of(step.expect) for c in conditions]
    return any("{{" in text for text in texts)
