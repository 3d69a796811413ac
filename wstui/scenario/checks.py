"""What must hold between the fields of a scenario, beyond each field by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wstui.scenario.errors import Key, ScenarioError, nearest, quote
from wstui.scenario.fleet_checks import fleet_findings, fleet_warnings
from wstui.scenario.handshake_checks import handshake_findings, handshake_warnings
from wstui.scenario.message_checks import template_findings, template_warnings
from wstui.scenario.model import Scenario
from wstui.scenario.plan_checks import plan_warnings
from wstui.scenario.problem import Conflict
from wstui.scenario.role_checks import role_findings, role_warnings
from wstui.scenario.route_checks import route_findings, route_warnings
from wstui.scenario.tls_checks import tls_findings
from wstui.scenario.units import format_duration

MOST_A_CLIENT = 500
"""Messages a second that one client may be asked to send on schedule."""
_NEEDS_REPLIES = ("response", "roundtrip", "messages.timed_out", "messages.sent_per_second", "generator.late_sends")


_NEEDS: tuple[tuple[str, str, Callable[[Scenario], bool]], ...] = (
    ("auth.", 'auth.kind = "mix"', lambda scenario: scenario.auth.kind == "mix"),
    ("subscribe.", "messages.subscribe", lambda scenario: bool(scenario.messages.subscribe)),
    ("slow_readers.", "messages.slow_readers", lambda scenario: scenario.messages.slow_readers > 0),
    ("reconnect.", 'target.reconnect other than "none"', lambda scenario: scenario.target.reconnect != "none"),
    ("messages.broken", "expect in a template", lambda scenario: any(t.expect for t in scenario.messages.templates)),
    ("target.", 'target.health other than "off"', lambda scenario: scenario.target.health != "off"),
)
"""Families of metrics, what a scenario needs to measure them, and whether it has it."""


def check(scenario: Scenario) -> Scenario:
    """The scenario, when it can be run; `ScenarioError` names every conflict. A run begins with this."""
    found = [finding.problem(scenario.origin.file) for finding in findings(scenario)]
    if found:
        raise ScenarioError(found)
    return scenario


def findings(scenario: Scenario) -> Iterator[Conflict]:
    """Every conflict between the fields of a scenario, and with the files of this machine."""
    yield from _stage_findings(scenario) if scenario.breakpoint is None else _search_findings(scenario)
    yield from _threshold_findings(scenario)
    yield from template_findings(scenario)
    yield from role_findings(scenario)
    if scenario.messages.subscribe_each > len(scenario.messages.subscribe):
        message = f"is more than messages.subscribe names, which is {len(scenario.messages.subscribe)}"
        each = str(scenario.messages.subscribe_each)
        yield Conflict(("messages", "subscribe_each"), message, each, rests_on=(("messages", "subscribe"),))
    yield from handshake_findings(scenario)
    yield from route_findings(scenario)
    yield from tls_findings(scenario)
    yield from fleet_findings(scenario)


def warnings(scenario: Scenario) -> list[str]:
    """What probably is not meant, in sentences; the scenario runs all the same."""
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
    advice += template_warnings(messages)
    advice += role_warnings(scenario)
    advice += route_warnings(scenario)
    advice += fleet_warnings(scenario)
    advice += handshake_warnings(scenario)
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
    for threshold in scenario.thresholds:
        if scenario.breakpoint is not None:
            break
        span = sum(s.over for s in scenario.stages if s.name == threshold.stage or not threshold.stage)
        if threshold.after and threshold.after >= span:
            advice.append(
                f"{threshold.metric} {threshold.limit} is never judged: it waits {format_duration(threshold.after)}"
                f" of {format_duration(span)}."
            )
    if not scenario.target.url.lower().startswith("wss:"):
        advice += [
            f"target.{name} has no effect: {scenario.target.url.partition(':')[0]}: is not encrypted."
            for name in ("ca_file", "cert_file", "insecure")
            if getattr(scenario.target, name)
        ]
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
        yield Conflict(("stages",), "have no place beside [breakpoint], which sets the load itself: keep one of them")
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
        if stage.every == 0 and any(template.reply == "none" for template in scenario.messages.templates):
            message = 'cannot be "0s" beside a template with reply = "none": there the reply brings on the next message'
            yield Conflict(("stages", index, "every"), message)
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
