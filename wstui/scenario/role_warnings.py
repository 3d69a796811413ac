"""Warnings about the roles of a scenario: allowed, and probably not meant."""

from __future__ import annotations

from collections.abc import Iterator

from wstui.scenario.conversation.conditions import alternatives_of
from wstui.scenario.conversation.delay import parse_delay
from wstui.scenario.conversation.role import Step
from wstui.scenario.errors import dotted
from wstui.scenario.model import Scenario
from wstui.scenario.role_inputs import messages_of, steps_of
from wstui.scenario.threshold import STEP_COUNTS, parse_metric, step_of
from wstui.scenario.units import format_duration


def role_warnings(scenario: Scenario) -> Iterator[str]:
    """Return the warnings about roles."""
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
