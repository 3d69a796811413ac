"""What arrives by itself: stamps that measure delivery, numbers that should be without gaps, broadcasts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from wstui.recording.inference.inferred_scenario import Guess
from wstui.recording.inference.inferred_step import matcher
from wstui.recording.inference.inferred_value import stamp_unit
from wstui.recording.inference.message import ObservedMessage, Path
from wstui.recording.inference.traffic import SortedTraffic
from wstui.recording.inference.values import dotted_path

_FEWEST = 3
_AT_ONCE_S = 1.0
_MOST_LOOKED_AT = 500
Rule = tuple[dict[str, Any], Guess]


def deliveries(traffic: SortedTraffic) -> Iterator[Rule]:
    """Yield a rule for each kind of push with a stamp near the time of its receipt, or with one of our own."""
    sent_stamps = {
        value
        for client in traffic.clients
        for message in client
        if message.sent
        for value in message.fields.values()
        if type(value) is int and value > 10**9
    }
    for kind, pushes in _by_kind(traffic):
        for path in pushes[0].fields:
            found = [(message.at, message.fields.get(path)) for message in pushes]
            if not dotted_path(path):
                continue
            unit = stamp_unit(found)
            if unit is None and all(type(value) is int and value in sent_stamps for _, value in found):
                unit = "stamp" if len({value for _, value in found}) > 1 else None
            if unit is not None:
                why = f"{'.'.join(path)} of {len(pushes)} {kind} was sent by a client of the recording"
                if unit != "stamp":
                    why = f"{'.'.join(path)} of {len(pushes)} {kind} was within minutes of their receipt"
                rule = {"name": pushes[0].label, "of": matcher(pushes, traffic, (), {}), "stamp": dotted_path(path)}
                yield rule | ({"unit": unit}), Guess(why, "sure")
                break


def sequences(traffic: SortedTraffic) -> Iterator[Rule]:
    """Yield a rule for each kind of push with a number that counts up, by itself or for each value of a key."""
    for kind, pushes in _by_kind(traffic):
        for path in pushes[0].fields:
            values = [message.fields.get(path) for message in pushes]
            if not dotted_path(path) or not all(type(value) is int and abs(value) < 1 << 53 for value in values):
                continue
            if stamp_unit([(message.at, message.fields[path]) for message in pushes]):
                continue
            keys: list[Path] = [p for p in pushes[0].fields if isinstance(pushes[0].fields[p], str) and dotted_path(p)]
            per = next((per for per in ((), *keys) if _counts_up(pushes, path, per)), None)
            if per is None:
                continue
            rule = {"of": matcher(pushes, traffic, (), {}), "number": dotted_path(path)}
            why = f"{'.'.join(path)} of {len(pushes)} {kind} counts up by 1"
            yield rule | ({"per": dotted_path(per)} if per else {}), Guess(why, "sure" if len(pushes) > 5 else "likely")
            break


def broadcasts(traffic: SortedTraffic) -> Guess | None:
    """Return why broadcasts should be followed: several recorded clients received the same bytes."""
    if len(traffic.clients) < 2:
        return None
    receivers: defaultdict[str | bytes, set[int]] = defaultdict(set)
    first: dict[str | bytes, float] = {}
    for pushes in traffic.pushes().values():
        for message in pushes[:_MOST_LOOKED_AT]:
            if message.at - first.setdefault(message.data, message.at) < _AT_ONCE_S:
                receivers[message.data].add(message.client)
    shared = Counter(len(clients) for clients in receivers.values())
    several = sum(count for number, count in shared.items() if number > 1)
    if several < _FEWEST or several < 0.5 * len(receivers):
        return None
    why = f"{several} of {len(receivers)} pushes reached up to {max(shared)} of {len(traffic.clients)} clients"
    return Guess(f"{why} as the same bytes", "sure")


def _by_kind(traffic: SortedTraffic) -> Iterator[tuple[str, Sequence[ObservedMessage]]]:
    asked = {rule.on.kind for rule in traffic.answers.values()}
    for kind, pushes in traffic.pushes().items():
        if kind not in asked and len(pushes) >= _FEWEST and pushes[0].form == "json":
            yield pushes[0].label, pushes[:_MOST_LOOKED_AT]


def _counts_up(pushes: Sequence[ObservedMessage], path: Path, per: Path) -> bool:
    last: dict[tuple[int, str], int] = {}
    ones = steps = 0
    for message in pushes:
        key = message.client, str(message.fields.get(per)) if per else ""
        number = message.fields[path]
        assert isinstance(number, int)
        if key in last:
            steps += 1
            ones += number - last[key] == 1
        last[key] = number
    return steps >= _FEWEST - 1 and ones >= 0.8 * steps and (not per or len(last) < len(pushes) / 2)
