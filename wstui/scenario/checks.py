"""Check what must hold between the fields of a scenario, beyond each field by itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from wstui.scenario.errors import Conflict, Key, ScenarioError, nearest, quote
from wstui.scenario.file_refs import located
from wstui.scenario.hosts import duplicate_host, is_loopback
from wstui.scenario.identity_checks import identity_findings, identity_warnings
from wstui.scenario.load_profile import arrivals
from wstui.scenario.lowering import Lowered, logins_of
from wstui.scenario.model import Scenario
from wstui.scenario.role_checks import login_name_findings, role_findings, role_warnings
from wstui.scenario.role_inputs import figures_of
from wstui.scenario.target_checks import target_findings, target_warnings
from wstui.scenario.threshold import step_of
from wstui.scenario.units import format_duration

MOST_A_CLIENT = 500
"""Messages a second that one client may be asked to send on schedule."""
_NEEDS_REPLIES = ("response", "roundtrip", "messages.timed_out", "messages.sent_per_second", "generator.late_sends")


_NEEDS: tuple[tuple[str, str, Callable[[Scenario], bool]], ...] = (
    ("auth.", 'auth.kind = "mix"', lambda scenario: scenario.auth.kind == "mix"),
    ("subscribe.", "messages.subscribe", lambda scenario: bool(scenario.messages.subscribe)),
    ("slow_readers.", "messages.slow_readers", lambda scenario: scenario.messages.slow_readers > 0),
    ("reconnect.", 'target.reconnect other than "none"', lambda scenario: scenario.target.reconnect != "none"),
    ("messages.broken", "[[roles]]", lambda scenario: bool(scenario.roles)),
    ("sequence.", "sequence in a role", lambda scenario: any(role.sequence for role in scenario.roles)),
    ("login.", "[[login]]", lambda scenario: bool(logins_of(scenario))),
    ("target.", 'target.health other than "off"', lambda scenario: scenario.target.health != "off"),
)
"""Families of metrics, what a scenario needs to measure them, and whether it has it."""


def check(scenario: Scenario) -> Scenario:
    """Return the scenario if it can be run, else raise `ScenarioError` with every conflict."""
    found = [finding.problem(scenario.origin.file) for finding in findings(scenario)]
    if found:
        raise ScenarioError(found)
    return scenario


def findings(scenario: Scenario) -> Iterator[Conflict]:
    """Yield every conflict between fields, and with the files of this machine."""
    yield from _stage_findings(scenario) if scenario.breakpoint is None else _search_findings(scenario)
    yield from _threshold_findings(scenario)
    yield from identity_findings(scenario)
    yield from login_name_findings(logins_of(scenario))
    yield from role_findings(scenario)
    if scenario.messages.subscribe_each > len(scenario.messages.subscribe):
        message = f"is more than messages.subscribe names, which is {len(scenario.messages.subscribe)}"
        each = str(scenario.messages.subscribe_each)
        yield Conflict(("messages", "subscribe_each"), message, each, rests_on=(("messages", "subscribe"),))
    yield from target_findings(scenario)
    yield from fleet_findings(scenario)


def warnings(scenario: Scenario) -> list[str]:
    """Return sentences about settings that are probably a mistake; the scenario still runs."""
    advice = list(scenario.origin.warnings)
    messages = scenario.messages
    if messages.exchange == "listen":
        if "every" in messages.model_fields_set:
            advice.append('messages.every has no effect: clients of exchange "listen" send nothing.')
        if any(stage.every is not None for stage in scenario.stages):
            advice.append('stages.every has no effect: clients of exchange "listen" send nothing.')
        advice += [
            f'{threshold.metric} is never measured: clients of exchange "listen" send nothing.'
            for threshold in scenario.thresholds
            if threshold.metric.startswith(_NEEDS_REPLIES)
        ]
    advice += plan_warnings(scenario)
    advice += _search_warnings(scenario)
    advice += identity_warnings(scenario)
    advice += role_warnings(scenario)
    advice += target_warnings(scenario)
    advice += fleet_warnings(scenario)
    if messages.arrivals != "jitter" and "jitter" in messages.model_fields_set:
        advice.append(f'messages.jitter has no effect: messages.arrivals is "{messages.arrivals}".')
    if messages.arrivals != "fixed" and messages.every == 0:
        advice.append('messages.arrivals has no effect: with every = "0s" the reply brings on the next message.')
    advice += [
        f"{threshold.metric} is never measured: it takes {what}."
        for threshold in scenario.thresholds
        for family, what, is_there in _NEEDS
        if threshold.metric.startswith(family) and not is_there(scenario)
    ]
    for threshold in scenario.thresholds if scenario.breakpoint is None else []:
        span = sum(s.over for s in scenario.stages if s.name == threshold.stage or not threshold.stage)
        if threshold.after and threshold.after >= span:
            advice.append(
                f"{threshold.metric} {threshold.limit} is never judged: it waits {format_duration(threshold.after)}"
                f" of {format_duration(span)}."
            )
    return advice


def _search_warnings(scenario: Scenario) -> Iterator[str]:
    search, messages = scenario.breakpoint, scenario.messages
    if search is None:
        return
    if not scenario.thresholds:
        yield "without a threshold, a load holds once it is reached, however slow the replies are."
    if search.of == "messages" and "every" in messages.model_fields_set:
        yield 'messages.every has no effect: breakpoint.of = "messages" sets how often clients send.'
    for threshold in scenario.thresholds:
        if threshold.after or threshold.abort_on_fail:
            yield f"after and abort_on_fail of {threshold.metric} have no effect: each step is judged by itself."
        if threshold.metric.startswith(("fanout.", "delivery.")) and search.settle < messages.fanout_window:
            yield (
                f"{threshold.metric} is known {format_duration(messages.fanout_window)} after a broadcast "
                "(messages.fanout_window): let breakpoint.settle be as long, or a step is judged by the one before it."
            )


def _search_findings(scenario: Scenario) -> Iterator[Conflict]:
    search = scenario.breakpoint
    assert search is not None
    if scenario.stages:
        yield Conflict(
            ("stages",), "cannot be combined with [breakpoint], which sets the load itself: keep one of them"
        )
    if search.start is not None and search.start > search.largest:
        yield Conflict(("breakpoint", "start"), f"is above breakpoint.most, {search.most}", str(search.start))
    if search.of == "messages" and scenario.messages.exchange == "listen":
        yield Conflict(
            ("breakpoint", "of"),
            'cannot be "messages": clients of exchange "listen" send nothing',
            rests_on=(("messages", "exchange"),),
        )
    if search.of == "messages" and search.largest > search.clients * MOST_A_CLIENT:
        least = -(-search.largest // MOST_A_CLIENT)
        yield Conflict(
            ("breakpoint", "clients"),
            f"are too few for {search.largest} messages/s: at {MOST_A_CLIENT}/s each it takes {least}",
            str(search.clients),
            rests_on=(("breakpoint", "most"), ("breakpoint", "of")),
        )


def _stage_findings(scenario: Scenario) -> Iterator[Conflict]:
    stages = scenario.stages
    if not stages:
        yield Conflict(("stages",), "is missing: write [[stages]] with name, over and clients", rests_on=(("load",),))
        return
    if stages[0].clients is None and stages[0].arrive is None:
        yield Conflict(("stages", 0, "clients"), "is missing: no client is connected before the first stage")
    elif not scenario.peak_clients:
        yield Conflict(("stages",), "ask for no client at all: give at least one stage clients above 0")
    for index, stage in enumerate(stages):
        if (stage.arrive is None) != (stage.stay is None):
            missing, given = ("stay", "arrive") if stage.stay is None else ("arrive", "stay")
            example = 'stay = "20s"' if missing == "stay" else 'arrive = "50/s"'
            yield Conflict(("stages", index, missing), f"is missing beside {given}: write {example}")
    if not scenario.duration_s:
        yield Conflict(("stages",), "last 0s in all")
    names = [stage.name for stage in stages]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Conflict(("stages", index, "name"), "names two stages", quote(name))


def _threshold_findings(scenario: Scenario) -> Iterator[Conflict]:
    names = [stage.name for stage in scenario.stages]
    rests_on: tuple[Key, ...] = (("load",), *(("stages", index, "name") for index in range(len(names))))
    for index, threshold in enumerate(scenario.thresholds):
        if threshold.stage and threshold.stage not in names:
            near = nearest(threshold.stage, names)
            message = (
                "is not a stage" if near else f"is not a stage: there are {', '.join(map(quote, names)) or 'none'}"
            )
            key = ("thresholds", index, "stage")
            yield Conflict(key, message, quote(threshold.stage), near, rests_on)
        if step := step_of(threshold.metric):
            yield from _step_findings(scenario, ("thresholds", index, "metric"), threshold.metric, step)


def _step_findings(scenario: Scenario, key: Key, metric: str, step: str) -> Iterator[Conflict]:
    kind = metric.partition(".")[0]
    asked = logins_of(scenario)
    logins = ("login", *(login.name for login in asked)) if asked or kind == "login" else ()
    figures = [("login", name) for name in logins if name]
    figures += figures_of(Lowered(scenario).roles or scenario.roles, scenario.origin.file)
    names = [name for found, name in figures if kind == found or (kind == "step" and found != "login")]
    if step in names:
        return
    near = nearest(step, names)
    if not near and any(role.script for role in scenario.roles):
        return  # a script may name its steps while it runs
    there = "" if near else f": there are {', '.join(map(quote, names[:10]))}" if names else ": give a step a name"
    proposal = metric.replace(f".{step}.", f".{near}.", 1) if near else ""
    what = "request of a login" if kind == "login" else f"{kind} of a role"
    yield Conflict(key, f"names no {what}{there}", quote(metric), proposal, rests_on=(("roles",),))


SHORTEST_S = 0.5
"""A client may need this long just to connect."""


def plan_warnings(scenario: Scenario) -> Iterator[str]:
    """Yield warnings where the plan cannot make the load it seems to ask for."""
    if scenario.breakpoint is not None or not scenario.peak_clients:
        return
    yield from _arrivals(scenario)
    messages, target = scenario.messages, scenario.target
    left_s = _longest_s(scenario)
    lasts = f"clients are there for {format_duration(round(left_s, 3))} at most"
    ready_s = target.settle if target.ready == "open" else 0.0
    if left_s <= ready_s:
        yield f"no client can be ready: {lasts}, and target.settle is {format_duration(ready_s)}."
    elif left_s - ready_s < SHORTEST_S:
        settle = f" and to stay open for target.settle, {format_duration(ready_s)}" if ready_s else ""
        yield f"no client may be ready: {lasts}, which has to do for connecting, the upgrade{settle}."
    if messages.slow_readers >= 1:
        yield "no message is sent: messages.slow_readers is 100%, and clients that stop reading do not send."
    elif not scenario.listens and left_s > ready_s and messages.every >= left_s - ready_s:
        yield (
            f"a client may send nothing: {lasts}, and one sends its first message within messages.every, "
            f"{format_duration(messages.every)}, after it is ready."
        )
    if all(stage.is_cooldown for stage in scenario.stages):
        yield "nothing is judged: thresholds leave out stages whose name begins with cooldown, and all do."


def _arrivals(scenario: Scenario) -> Iterator[str]:
    for stage in scenario.stages:
        if stage.arrive and not arrivals(stage):
            yield (
                f"no client arrives in {stage.name}: it lasts {format_duration(stage.over)}, "
                f"and the first comes after {format_duration(round(1 / stage.arrive, 3))}."
            )


def _longest_s(scenario: Scenario) -> float:
    """Return the longest time that one client is connected, its settling included."""
    settle_s = scenario.target.settle if scenario.target.ready == "open" else 0.0
    longest = begin = 0.0
    since: float | None = None  # when the first client of the ramps began
    before = 0
    for stage in scenario.stages:
        clients = before if stage.clients is None else stage.clients
        if clients and since is None:
            since = begin
        if stage.arrive and stage.stay and arrivals(stage):  # a stay begins when the client is ready
            longest = max(longest, min(stage.stay + settle_s, scenario.duration_s - begin - 1 / stage.arrive))
        begin += stage.over
        if since is not None:
            longest = max(longest, begin - since)
        if not clients:
            since = None
        before = clients
    return longest


def fleet_findings(scenario: Scenario) -> Iterator[Conflict]:
    """Yield conflicts of the hosts and their settings."""
    fleet = scenario.fleet
    if name := duplicate_host(fleet.hosts):
        yield Conflict(("fleet", "hosts"), f'name {name} twice: write "{name}:2" for two workers')
    if fleet.hosts and fleet.scheduler:
        message = "cannot be joined beside fleet.hosts: the load is made by these, or by the workers of that cluster"
        yield Conflict(("fleet", "scheduler"), message, quote(fleet.scheduler), rests_on=(("fleet", "hosts"),))
    path = located(fleet.ssh_config, scenario.origin.file)
    if path and not os.path.isfile(path):  # noqa: PTH113 - NUL is False
        yield Conflict(("fleet", "ssh_config"), "is not a file", quote(path))


def fleet_warnings(scenario: Scenario) -> Iterator[str]:
    """Yield warnings about the hosts."""
    fleet = scenario.fleet
    host = urlsplit(scenario.target.url).hostname or ""
    if fleet.is_remote and is_loopback(host):
        yield f"target.url names {host}: each machine that makes load will look for the server on itself."
    if not fleet.hosts:
        for name in ("ssh_config", "python"):
            if getattr(fleet, name):
                yield f"fleet.{name} has no effect without fleet.hosts."
