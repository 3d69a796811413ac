"""A role: the phases of its clients with their steps, and what they do by themselves."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, median, pstdev
from typing import Any

from wstui.recording.inference.inferred_scenario import Guess
from wstui.recording.inference.inferred_step import Guesses, matcher, payload, status_of, why_reply
from wstui.recording.inference.inferred_value import InferredValue
from wstui.recording.inference.message import ObservedMessage, Path
from wstui.recording.inference.round_pattern import ParsedClient, RoundPattern, find_rounds, parse
from wstui.recording.inference.traffic import SortedTraffic
from wstui.recording.inference.values import Values, dotted_path
from wstui.scenario.units import format_duration

_THINK_S = 0.1
_STEADY = 0.15
_FAST_THINK = 0.02
Table = dict[str, Any]
Place = tuple[str | int, ...]


@dataclass(slots=True)
class _Step:
    """One step: its messages over all rounds and clients, and its tables once made."""

    messages: list[ObservedMessage]
    table: Table
    guesses: Guesses
    kind: str = ""
    at: str | None = ""
    """The path of its reply below which captures look; None if it can't have any."""
    gap: tuple[str, Guess] | None = None


@dataclass(slots=True)
class RoleBuilder:
    """Builds the tables of one role from the clients that have it."""

    traffic: SortedTraffic
    members: Sequence[int]
    values: Values
    name: str
    table: Table = field(default_factory=dict)
    guesses: Guesses = field(default_factory=dict)
    every: tuple[str, Guess | None] | None = None
    _names: Counter[str] = field(default_factory=Counter)

    def build(self) -> None:
        steps = {client: self.traffic.steps(client) for client in self.members}
        primary = max(self.members, key=lambda client: len(steps[client]))
        rounds = find_rounds(steps[primary])
        parsed = [parse(rounds, steps[client]) for client in self.members]
        self.table["name"] = self.name
        opening = [
            self._step([p.open[index] for p in parsed if index < len(p.open)], setup=True)
            for index in range(len(rounds.open))
        ]
        loop = self._loop(rounds, parsed)
        leaving = [
            self._step([p.leave[index] for p in parsed if index < len(p.leave)]) for index in range(len(rounds.leave))
        ]
        self._gaps(rounds, parsed, opening, loop)
        hello = self._hello(steps)
        waits = self._attach_captures(hello, opening, loop)
        phases = {"open": [*hello, *waits, *opening], "loop": loop, "leave": leaving}
        why = {
            "open": f"{_messages(len(rounds.open))} before what repeats",
            "loop": f"{rounds.count} rounds of {_messages(len(rounds.loop))}",
            "leave": "after what repeats, before the close",
        }
        self._rules()
        for phase, made in phases.items():
            if rounds.drawn and phase == "loop":
                self._choose(rounds, parsed, made)
                continue
            self._put(phase, made)
            if made:
                sure = "sure" if rounds.count > 3 else "likely" if rounds.count > 1 else "unsure"
                first = next((s for s in self.table[phase] if "think" not in s), self.table[phase][0])
                self.guesses.setdefault((phase, self.table[phase].index(first)), Guess(f"{phase}: {why[phase]}", sure))  # type: ignore[arg-type]

    # -- steps ---------------------------------------------------------------------------------------------------

    def _loop(self, rounds: RoundPattern, parsed: Sequence[ParsedClient]) -> list[_Step]:
        if rounds.drawn:
            every = [message for p in parsed for one in p.rounds for message in one]
            return [self._step([m for m in every if m.kind == kind] or self.traffic.sent[kind]) for kind in rounds.loop]
        return [self._step([one[index] for p in parsed for one in p.rounds]) for index in range(len(rounds.loop))]

    def _step(self, messages: list[ObservedMessage], *, setup: bool = False) -> _Step:
        first = messages[0]
        reply = self.traffic.replies.get(first.kind)
        keyed = {sent for sent, _ in reply.pairs} if reply is not None and reply.keyed else set()
        sent, guesses, found = payload(messages, self.values, keyed, setup=setup)
        table: Table = {"name": self._unique(first.label), **sent}
        replies = [r for message in messages if (r := self.traffic.reply_of.get(id(message))) is not None]
        spoken = first.spoken
        if spoken is not None and not spoken.free:
            if replies and spoken.at and (well := status_of(replies, spoken.at)):
                table["expect"] = well
                guesses["expect",] = Guess(
                    f"all {len(replies)} replies said so", "sure" if len(replies) > 2 else "likely"
                )
        elif reply is not None and replies:
            table["expect"] = matcher(replies, self.traffic, reply.pairs, found)
            guesses["expect",] = why_reply(reply, first.label, replies[0].label)
        made = _Step(messages, table, guesses, replies[0].kind if replies else "")
        made.at = spoken.at if spoken is not None else ""
        return made

    def _unique(self, label: str) -> str:
        self._names[label] += 1
        return label if self._names[label] == 1 else f"{label}-{self._names[label]}"

    def _put(self, phase: str, steps: Sequence[_Step]) -> None:
        tables: list[Table] = []
        for step in steps:
            if step.gap is not None:
                self.guesses[phase, len(tables), "think"] = step.gap[1]
                tables.append({"think": step.gap[0]})
            for key, guess in step.guesses.items():
                self.guesses[phase, len(tables), *key] = guess
            tables.append(step.table)
        if tables:
            self.table[phase] = tables

    def _choose(self, rounds: RoundPattern, parsed: Sequence[ParsedClient], steps: Sequence[_Step]) -> None:
        counts = Counter(message.kind for p in parsed for one in p.rounds for message in one)
        ways = []
        for kind, step in zip(rounds.loop, steps, strict=True):
            ways.append({"weight": max(1, counts[kind]), "steps": [step.table]})
            for key, guess in step.guesses.items():
                self.guesses["loop", 0, "choose", len(ways) - 1, "steps", 0, *key] = guess
        total = sum(counts.values())
        why = f"{total} messages of {len(ways)} kinds in no order; weights as often as they came"
        self.guesses["loop", 0, "choose"] = Guess(why, "unsure")
        self.table["loop"] = [{"choose": ways}]
        if steps[0].gap is not None:
            self.guesses["loop", 1, "think"] = steps[0].gap[1]
            self.table["loop"].append({"think": steps[0].gap[0]})

    # -- time ----------------------------------------------------------------------------------------------------

    def _gaps(
        self, rounds: RoundPattern, parsed: Sequence[ParsedClient], opening: Sequence[_Step], loop: Sequence[_Step]
    ) -> None:
        """Set think times from the gaps before messages, and the interval of rounds where it is steady."""
        for index, step in enumerate(opening):
            gaps = [self._after(p.open[index - 1], p.open[index]) for p in parsed if 0 < index < len(p.open)]
            step.gap = _think(gaps, _THINK_S)
        if rounds.drawn:
            gaps = [self._after(a[-1], b[0]) for p in parsed for a, b in zip(p.rounds, p.rounds[1:], strict=False)]
            self._pace(parsed, gaps, loop[0])
            return
        for index, step in enumerate(loop):
            gaps = [self._after(one[index - 1], one[index]) for p in parsed for one in p.rounds if index]
            step.gap = _think(gaps, _FAST_THINK)
        if loop:
            gaps = [self._after(a[-1], b[0]) for p in parsed for a, b in zip(p.rounds, p.rounds[1:], strict=False)]
            self._pace(parsed, gaps, loop[0])

    def _pace(self, parsed: Sequence[ParsedClient], gaps: Sequence[float], first: _Step) -> None:
        """Rounds at a steady interval have a schedule; others begin after a pause."""
        starts = [[one[0].at for one in p.rounds] for p in parsed]
        periods = [b - a for times in starts for a, b in itertools.pairwise(times)]
        if not periods:
            self.every = ("5s", Guess("one round was recorded: its interval is a default", "unsure"))
            return
        middle = median(periods)
        near = sum(abs(period - middle) <= _STEADY * middle for period in periods) / len(periods)
        if middle > 0.001 and (near > 0.8 or not _think(gaps, 0.001)):
            sure = "sure" if near > 0.8 and len(periods) > 3 else "likely"
            why = f"{near * 100:.0f} % of {len(periods) + 1} rounds began {_duration(middle)} after the one before"
            self.every = (_duration(middle), Guess(why, sure))  # type: ignore[arg-type]
            return
        pause = _think(gaps, 0.001)
        self.every = ("0s", Guess("rounds follow no interval: each begins after the pause of the client", "likely"))
        first.gap = pause or ("1s", Guess("no pause was recorded", "unsure"))

    def _after(self, before: ObservedMessage, message: ObservedMessage) -> float:
        """Seconds that a client let pass before a message: since the reply to the one before, if it waited for it."""
        reply = self.traffic.reply_of.get(id(before))
        since = reply.at if reply is not None and reply.at <= message.at else before.at
        return max(0.0, message.at - since)

    # -- what comes first, captures ------------------------------------------------------------------------------

    def _hello(self, steps: dict[int, list[ObservedMessage]]) -> list[_Step]:
        """Return what the server says before the client does, once in each connection."""
        if self.traffic.has_opening:
            return []
        firsts: list[list[ObservedMessage]] = []
        for client in self.members:
            start = steps[client][0].at if steps[client] else float("inf")
            messages = self.traffic.clients[client]
            firsts.append([m for m in messages[:1] if not m.sent and m.at <= start])
        kinds = {one[0].kind for one in firsts if one}
        if len(kinds) != 1 or not all(firsts):
            return []
        (kind,) = kinds
        once = sum(m.kind == kind and m.client in steps for m in self.traffic.received[kind]) <= len(firsts)
        asked = {rule.on.kind for rule in self.traffic.answers.values()}
        if not once or kind in asked:
            return []
        came = [one[0] for one in firsts]
        guess = Guess(f"{came[0].label} came first, once in each connection", "sure" if len(came) > 1 else "likely")
        table = {"name": self._unique(came[0].label), "expect": matcher(came, self.traffic, (), {})}
        return [_Step([], table, {("expect",): guess}, kind)]

    def _attach_captures(self, hello: list[_Step], opening: list[_Step], loop: list[_Step]) -> list[_Step]:
        """Put each captured variable at the step whose reply it comes from, or at a step that waits for it."""
        waits: list[_Step] = []
        for capture in self.values.captures.values():
            steps = [
                s for s in (*hello, *opening, *waits, *loop) if s.kind == capture.kind and _below(capture.path, s.at)
            ]
            owners = steps[:1] + [step for step in steps[1:] if step in loop]
            if not owners:
                label = self._unique(capture.source.label)
                table = {"name": label, "expect": matcher([capture.source], self.traffic, (), {})}
                guess = Guess(f"{label} holds what is sent later", "unsure")
                owner = _Step([], table, {("expect",): guess}, capture.kind)
                waits.append(owner)
                owners = [owner]
            for owner in owners:
                owner.table.setdefault("capture", {})[capture.name] = dotted_path(_below(capture.path, owner.at))
                owner.guesses["capture",] = Guess("values of it were sent later", "likely")
        return waits

    # -- rules ---------------------------------------------------------------------------------------------------

    def _rules(self) -> None:
        mine = set(self.members)
        beats: list[Table] = []
        for beat in self.traffic.beats.values():
            messages = [message for message in beat.messages if message.client in mine]
            if not messages:
                continue
            step = self._step(messages)
            every = _duration(beat.period)
            why = f"{len(beat.messages)} of {messages[0].label}, {every} apart, give or take {beat.spread * 100:.0f} %"
            for key, guess in step.guesses.items():
                self.guesses["heartbeats", len(beats), *key] = guess
            self.guesses["heartbeats", len(beats), "every"] = Guess(why, "sure" if beat.spread < 0.1 else "likely")
            step.table.pop("capture", None)
            beats.append({"name": step.table.pop("name"), "every": every, **step.table})
        answers: list[Table] = []
        for rule in self.traffic.answers.values():
            if not any(message.client in mine for message in self.traffic.received[rule.on.kind]):
                continue
            found = {
                sent: InferredValue(f"{{{{message.{'.'.join(came)}}}}}", Guess("", "sure"))
                for came, sent in rule.pairs
                if dotted_path(came)
            }
            sent = self._answer(rule.message, found)
            why = f"{rule.message.label} followed {rule.on.label} at once, {rule.hits} of {rule.of} times"
            self.guesses["answer", len(answers)] = Guess(why, "sure" if rule.hits > 2 else "likely")
            answers.append({"on": matcher([rule.on], self.traffic, (), {}), **sent})
        self.table |= {name: tables for name, tables in (("heartbeats", beats), ("answer", answers)) if tables}

    def _answer(self, message: ObservedMessage, found: dict[Path, InferredValue]) -> Table:
        class _Copied(Values):
            def of(
                self, messages: Sequence[ObservedMessage], path: Path, *, keyed: bool = False, setup: bool = False
            ) -> InferredValue | None:
                return found.get(path)

        return payload([message], _Copied(self.values.draft, self.values.clients), (), setup=False)[0]


def _messages(number: int) -> str:
    return f"{number} message{'s' * (number != 1)}"


def _below(path: Path, at: str | None) -> Path:
    """Return a path as it is looked for at the place `at` of a reply; () if it can't be."""
    if at is None:
        return ()
    before = tuple(filter(None, at.split(".")))
    return path[len(before) :] if path[: len(before)] == before else ()


def _think(gaps: Sequence[float], least: float) -> tuple[str, Guess] | None:
    """Return a think time from the gaps of several rounds: fixed, a range, or exponential."""
    if not gaps or median(gaps) < least:
        return None
    ordered = sorted(gaps)
    n, mean = len(ordered), fmean(ordered)
    total = f"{n} gap{'s' * (n > 1)}"
    if n == 1:
        return _duration(mean), Guess("one gap", "unsure")
    deviation = pstdev(ordered)
    if n >= 20 and 0.8 < deviation / mean < 1.25 and ordered[n // 20] < 0.25 * mean:
        return f"exponential {_duration(mean)}", Guess(f"{total} with a mean of {_duration(mean)}", "likely")
    low, high = (ordered[n // 20], ordered[-1 - n // 20]) if n >= 20 else (ordered[0], ordered[-1])
    if high - low < 0.2 * mean:
        return _duration(mean), Guess(f"{total}, nearly the same", "likely")
    return f"{_duration(low)}..{_duration(high)}", Guess(f"{total}, {mean:.2g} s on average", "likely")


def _duration(seconds: float) -> str:
    """A duration with two or three digits, as a person would write it."""
    digits = 3 if seconds >= 10 else 2
    return format_duration(float(f"{max(seconds, 0.001):.{digits}g}"))
