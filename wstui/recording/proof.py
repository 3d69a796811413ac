"""Proves a guessed scenario: one client, then five; what fails is loosened or marked."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from wstui.execution.preflight.first_message import TrialResult, run_trial
from wstui.execution.preflight.probe import Unreachable, probe
from wstui.recording.inference.inferred_scenario import Guess, InferredScenario
from wstui.scenario.conversation.delay import parse_delay
from wstui.scenario.errors import Key
from wstui.scenario.file import loads
from wstui.scenario.model import Scenario
from wstui.scenario.role_inputs import PHASES
from wstui.scenario.units import format_duration

CLIENTS = (1, 5)
_ROUNDS = 2
_LONGEST_THINK_S = 0.3
_TIMEOUT = "3s"
_MOST_TRIES = 12


@dataclass(slots=True)
class Proof:
    """What held, line by line; `failed` when a guess did not hold, `unreachable` when no client got through."""

    lines: list[str] = field(default_factory=list)
    failed: bool = False
    unreachable: str = ""


async def prove(draft: InferredScenario, file: str, say: Callable[[str], None]) -> Proof:
    """Run the scenario with one client of each role, then with five, and note in the draft what held.

    `file` is where it is saved: its feed lies beside it.
    """
    proof = Proof()

    def tell(line: str) -> None:
        proof.lines.append(line)
        say(line)

    if draft.missing:
        proof.unreachable = f"set {', '.join(draft.missing)} first"
        return proof
    try:
        await probe(scenario_of(draft, file))
    except Unreachable as error:
        proof.unreachable = str(error)
        return proof
    for clients in CLIENTS:
        for _ in range(_MOST_TRIES):
            seen = await run_trial(scenario_of(draft, file), clients, _ROUNDS, to_the_end=True)
            broken = [(key, step) for key, step in steps_of(draft) if not _holds(seen, draft, key, step)]
            loosened = [line for key, step in broken[:1] if (line := _loosen(draft, key, step))]
            if not loosened:
                break
            for line in loosened:
                tell(f"{clients} client{'s' * (clients > 1)}: {line}")
            proof.failed = True
        total = clients * len(draft.tables["roles"])
        tell(f"{clients} client{'s' * (clients > 1)} of each role: {seen.ready} of {total} ready")
        for key, step in steps_of(draft):
            tell(f"  {_judge(seen, draft, key, step)}")
        proof.failed |= seen.ready < total or any(not _holds(seen, draft, *place) for place in steps_of(draft))
        for why in seen.failures if proof.failed else ():
            tell(f"  {why}")
        if not seen.ready:
            break
    return proof


def scenario_of(draft: InferredScenario, file: str) -> Scenario:
    """The draft as it is proven: with the recorded secrets, short think times, heartbeats and timeout."""
    quick = InferredScenario(copy.deepcopy(draft.tables))
    quick.tables["messages"]["timeout"] = _TIMEOUT
    for _, step in steps_of(quick, named=False):
        for name in ("think", "every"):
            if name in step and max(_lengths(step[name])) > _LONGEST_THINK_S:
                step[name] = format_duration(_LONGEST_THINK_S)
    made = loads(quick.text(), file, {**os.environ, **draft.secrets})
    assert isinstance(made, Scenario)
    return made


def _lengths(text: str) -> tuple[float, float, float]:
    delay = parse_delay(text)
    return delay.low, delay.high, delay.mean


def steps_of(draft: InferredScenario, *, named: bool = True) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Yield the steps and heartbeats of all roles with their places; named ones have figures."""
    for number, role in enumerate(draft.tables["roles"]):
        for phase in (*PHASES, "heartbeats"):
            for key, step in _inner(role.get(phase, []), ("roles", number, phase)):
                if not named or "name" in step:
                    yield key, step


def _inner(steps: list[dict[str, Any]], place: Key) -> Iterator[tuple[Key, dict[str, Any]]]:
    for index, step in enumerate(steps):
        yield (*place, index), step
        for number, way in enumerate(step.get("choose", [])):
            yield from _inner(way["steps"], (*place, index, "choose", number, "steps"))


def _name(draft: InferredScenario, key: Key, step: dict[str, Any]) -> tuple[str, str]:
    return draft.tables["roles"][key[1]]["name"], step["name"]


def _counts(seen: TrialResult, draft: InferredScenario, key: Key, step: dict[str, Any]) -> Any:
    return seen.steps.get(_name(draft, key, step))


def _holds(seen: TrialResult, draft: InferredScenario, key: Key, step: dict[str, Any]) -> bool:
    counts = _counts(seen, draft, key, step)
    if counts is None:
        return True
    # A heartbeat may have little time for its reply; one that is late on a busy machine came all the same.
    late = counts.late if key[2] == "heartbeats" else 0
    return not (counts.lost > late or counts.failed)


def _judge(seen: TrialResult, draft: InferredScenario, key: Key, step: dict[str, Any]) -> str:
    """Say whether a step held, and note it beside its guess."""
    counts = _counts(seen, draft, key, step)
    if counts is None or not counts.begun:
        return f"{step['name']}: not reached"
    waits = "answered" if _name(draft, key, step) in seen.waiting else "sent"
    holds = _holds(seen, draft, key, step)
    place: Key = (*key, "expect")
    if place not in draft.guesses and not holds:  # the reply is one that the protocol itself waits for
        place = (*key, "name")
        draft.guesses.setdefault(place, Guess("no reply came, or one that refuses", "unsure"))
    guess = draft.guesses.get(place)
    if guess is not None:
        guess.held = holds if guess.held is not False else False
    return f"{step['name']}: {'held' if holds else 'FAILED'}, {counts.done} of {counts.begun} {waits}"


def _loosen(draft: InferredScenario, key: Key, step: dict[str, Any]) -> str:
    """Ask less of a reply that did not come: its kind alone, then nothing. "" if nothing is left to loosen."""
    expect = step.get("expect")
    if not isinstance(expect, dict):
        return ""
    name, place = step["name"], (*key, "expect")
    kept = {path: value for path, value in expect.items() if "{{" not in str(value)}
    if kept and len(kept) < len(expect):
        step["expect"] = kept
        why = "what came back in the recording did not in the proof: only the kind is expected"
        draft.guesses[place] = Guess(why, "unsure", held=False)
        return f"{name}: no reply with {', '.join(set(expect) - set(kept))}; loosened to its kind"
    if "capture" in step or key[2] == "open" or not {"json", "send", "hex"} & set(step):
        guess = draft.guesses.setdefault(place, Guess("no such reply came", "unsure"))
        guess.held, guess.sure = False, "unsure"
        return ""
    del step["expect"]
    draft.guesses.pop(place, None)
    draft.guesses[*key, "name"] = Guess("no reply came in the proof: it is not waited for", "unsure", held=False)
    return f"{name}: no reply came; it is not waited for any more"
