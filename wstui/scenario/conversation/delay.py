"""How long a client thinks, or how often it repeats: fixed, drawn from a range, or drawn from a distribution."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wstui.scenario.errors import BadValue
from wstui.scenario.units import LONGEST_S, parse_duration

EXAMPLES = 'write "2s", "1s..4s", "exponential 3s" or "{{variable}}s"'


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds from `low` to `high`, evenly drawn; with `mean` exponentially drawn around it instead.

    With a `variable` it is what a client has captured, in units of `low` seconds.
    """

    low: float
    high: float
    mean: float = 0.0
    variable: str = ""


def parse_delay(text: str) -> Delay:
    """The delay that a text describes; `BadValue` says what to write."""
    written = text.strip()
    if match := re.fullmatch(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}\s*(s|ms|us|m|h)?", written):
        unit = parse_duration(f"1{match[2] or 's'}")
        return Delay(unit, unit, variable=match[1])
    if match := re.fullmatch(r"(?:exponential|exp)\s+(\S+)", written):
        mean = _seconds(match[1])
        if not mean:
            raise BadValue("has a mean of 0: write the mean delay, such as 3s", "exponential 3s")
        return Delay(0.0, 0.0, mean)
    low, dots, high = written.partition("..")
    if not dots:
        return Delay(fixed := _seconds(written), fixed)
    delay = Delay(_seconds(low), _seconds(high))
    if delay.low > delay.high:
        raise BadValue("has its ends the wrong way round", f"{high.strip()}..{low.strip()}")
    return delay


def _seconds(text: str) -> float:
    text = text.strip()
    if text.startswith("-"):
        raise BadValue(f"is negative: {EXAMPLES}")
    try:
        seconds = parse_duration(text)
    except BadValue as error:
        raise BadValue(f"is not a delay: {EXAMPLES}", error.nearest) from None
    if seconds > LONGEST_S:
        raise BadValue("is longer than a year")
    return seconds
