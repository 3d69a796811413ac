"""What stands for a value, by how it looks from message to message: a counter, a time, a number, a random text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from wstui.recording.inference.inferred_scenario import Guess, Sure, escaped
from wstui.recording.inference.message import ObservedMessage, Path, Scalar

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HEX = re.compile(r"(?=.*\d)[0-9a-f]{8,}")
_LETTERS = re.compile(r"[A-Za-z0-9]{6,}")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*")
_UNITS = {"ns": 1e9, "us": 1e6, "ms": 1e3, "s": 1.0}
_NEAR_S = 120.0
IDS = 10**9
"""How {{id}} counts: a client's number times this, and the number of its message."""


@dataclass(slots=True)
class Capture:
    """A variable, and the kind of received message and the path that it comes from."""

    name: str
    kind: str
    path: Path
    source: ObservedMessage


@dataclass(slots=True)
class InferredValue:
    """What stands for a value. A stable one is the same in the message and in its reply."""

    text: str
    guess: Guess
    stable: bool = False
    capture: Capture | None = None


def varying(
    found: Sequence[tuple[ObservedMessage, Scalar]], by_client: Sequence[Sequence[Scalar]], *, keyed: bool
) -> InferredValue | None:
    """Return what stands for a value that differs from message to message, None if it stays as it is.

    `by_client` has the same values in the order of each client; `keyed`: the value comes back in the reply.
    """
    values = [value for _, value in found]
    total = f"in {len(values)} messages"
    if (time := time_of(found)) is not None:
        return time
    numbers = all(type(value) is int for value in values)
    texts = [str(value) for value in values]
    decimal = all(text.isascii() and text.isdigit() and len(text) < 19 for text in texts)
    if numbers or decimal:
        counted = [[int(str(value)) for value in own] for own in by_client]
        if all(b > a for own in counted for a, b in itertools.pairwise(own)):
            ones = sum(b - a == 1 for own in counted for a, b in itertools.pairwise(own))
            # {{seq}} counts heartbeats and answers too, so a few numbers may be left out.
            near = sum(b - a <= 4 for own in counted for a, b in itertools.pairwise(own))
            steps = sum(len(own) - 1 for own in counted)
            is_id = all(number >= IDS and number % IDS < 10**6 for own in counted for number in own)
            name = "id" if is_id or (keyed and near < 0.8 * steps) else "seq"
            if near >= 0.8 * steps or keyed or is_id:
                text = f"{{{{{name}}}}}" if numbers else f"{{{{{name} text}}}}"
                return InferredValue(
                    text, Guess(f"counts up {total}", "sure" if ones == steps else "likely"), stable=True
                )
        low, high = min(map(min, counted)), max(map(max, counted))
        if keyed:
            text = "{{id}}" if numbers else "{{id text}}"
            return InferredValue(text, Guess(f"differs {total} and comes back", "likely"), stable=True)
        if abs(low) < 10**18 and abs(high) < 10**18 and numbers:
            return InferredValue(f"{{{{random int {low} {high}}}}}", Guess(f"from {low} to {high} {total}", "likely"))
    if all(isinstance(value, int | float) for value in values):
        least, most = min(float(str(v)) for v in values), max(float(str(v)) for v in values)
        if max(abs(least), abs(most)) < 1e12:
            why = f"from {least:g} to {most:g} {total}"
            return InferredValue(f"{{{{random float {least:.6f} {most:.6f}}}}}", Guess(why, "likely"))
        return None
    return _text(texts, total) if all(isinstance(value, str) for value in values) else None


def _text(texts: Sequence[str], total: str) -> InferredValue | None:
    lengths = {len(text) for text in texts}
    (length,) = lengths if len(lengths) == 1 else (int(median(map(len, texts))),)
    distinct = list(dict.fromkeys(texts))
    forms: list[tuple[Callable[[str], object], str, Sure]] = [
        (UUID.fullmatch, "{{random uuid}}", "sure"),
        (lambda text: len(lengths) == 1 and _HEX.fullmatch(text), f"{{{{random hex {min(length, 4096)}}}}}", "sure"),
    ]
    for fits, placeholder, sure in forms:
        if all(fits(text) for text in texts):
            return InferredValue(placeholder, Guess(f"differs {total}", sure), stable=True)
    if len(distinct) <= min(8, len(texts) // 2) and all(re.fullmatch(r"[\w.:/-]+", text) for text in distinct):
        return InferredValue(
            f"{{{{random choice {' '.join(distinct)}}}}}",
            Guess(f"{len(distinct)} values {total}", "likely"),
            stable=True,
        )
    if prefix := _numbered_in_time(texts):
        return InferredValue(prefix, Guess(f"counts up {total}", "likely"), stable=True)
    is_made_up = len(lengths) == 1 and all(_LETTERS.fullmatch(text) for text in texts)
    why = f"differs {total}, {length} characters each" if is_made_up else f"free text {total}, {length} characters"
    return InferredValue(
        f"{{{{random text {max(1, min(length, 4096))}}}}}",
        Guess(why, "likely" if is_made_up else "unsure"),
        stable=True,
    )


def _numbered_in_time(texts: Sequence[str]) -> str:
    """A text with one number that counts up: "message {{seq}}"."""
    parts = [re.fullmatch(r"(\D*)(\d{1,15})(\D*)", text) for text in texts]
    if not all(parts) or len({(m[1], m[3]) for m in parts if m}) != 1:
        return ""
    numbers = [int(m[2]) for m in parts if m]
    rising = sum(b - a == 1 for a, b in itertools.pairwise(numbers))
    first = parts[0]
    return f"{escaped(first[1])}{{{{seq}}}}{escaped(first[3])}" if first and rising >= 0.5 * len(numbers) else ""


def numbered(texts: Sequence[str]) -> str:
    """Constants of clients that only differ by a number of their own: "player-{{client}}"."""
    parts = [re.fullmatch(r"(.*?)(\d{1,6})(\D*)", text, re.DOTALL) for text in texts]
    if len(texts) < 2 or not all(parts) or len({(m[1], m[3]) for m in parts if m}) != 1:
        return ""
    numbers = sorted(int(m[2]) for m in parts if m)
    first = parts[0]
    dense = numbers[0] <= 1 and numbers[-1] - numbers[0] == len(numbers) - 1
    return f"{escaped(first[1])}{{{{client}}}}{escaped(first[3])}" if first and dense else ""


def time_of(found: Sequence[tuple[ObservedMessage, Scalar]]) -> InferredValue | None:
    """A value that is the time of its message, on the wall clock or on a clock of the sender's own."""
    values = [value for _, value in found]
    if (unit := stamp_unit([(message.at, value) for message, value in found])) is not None:
        return InferredValue(f"{{{{timestamp {unit}}}}}", Guess("is the time of the message", "sure"), stable=False)
    if len(found) > 2 and all(type(value) is int and value > 10**9 for value in values):
        pairs = [(m, int(str(v))) for m, v in found]
        same_clock = all(
            abs((b - a) / 1e9 - (n.at - m.at)) < 0.02 + 0.02 * abs(n.at - m.at)
            for (m, a), (n, b) in itertools.pairwise(pairs)
        )
        if same_clock and pairs[-1][1] != pairs[0][1]:
            return InferredValue("{{stamp}}", Guess("counts nanoseconds of a monotonic clock", "likely"))
    return None


def stamp_unit(found: Sequence[tuple[float, Scalar]]) -> str | None:
    """Return the unit of stamps near their times of receipt: s, ms, us, ns or iso; None if they are none."""
    values = [value for _, value in found]
    if all(isinstance(value, str) and _ISO.fullmatch(value) for value in values):
        try:
            return "iso" if all(abs(_iso(str(value)) - at) < _NEAR_S for at, value in found) else None
        except (ValueError, OverflowError):
            return None
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return None
    for unit, factor in _UNITS.items():
        if all(abs(float(str(value)) / factor - at) < _NEAR_S for at, value in found):
            return unit
    return None


def _iso(text: str) -> float:
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
