"""Durations ("250ms"), sizes ("1MiB"), rates and shares as people write them, and back, without losing a bit.

Durations are seconds as float, sizes bytes as int. Decimal arithmetic between text and float keeps
`parse_duration(format_duration(x)) == x` true for every duration that a scenario can hold.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

from wstui.scenario.errors import BadValue

LONGEST_S = 366 * 86400.0
_SECONDS = {
    "h": Decimal(3600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("0.001"),
    "us": Decimal("0.000001"),
}
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>\d+(?:\.\d+)?){unit}(?![a-z]))?" for unit in _SECONDS), re.ASCII)
_DURATION_WORDS = (
    (r"milliseconds?|msecs?|millis", "ms"),
    (r"microseconds?|usecs?|µs|μs", "us"),
    (r"seconds?|secs?", "s"),
    (r"minutes?|mins?", "m"),
    (r"hours?|hrs?", "h"),
)

_A_SECOND = {"s": Decimal(1), "min": Decimal(60), "h": Decimal(3600)}
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|min|h)", re.ASCII)
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%", re.ASCII)
_COMMAS = re.compile(r"\d[\d,]*,\d+(?:\.\d+)?", re.ASCII)
_BETWEEN_WORDS = re.compile(r"(?<![0-9]) | (?![0-9]{3}(?![0-9]))")
_BYTES = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1, "": 1}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(GiB|MiB|KiB|B|)", re.ASCII)


def first_digits(digits: str) -> int:
    """Return the number of the first 30 digits: int() reads 4300 at most."""
    bare = digits.lstrip("+-")
    return int(bare.lstrip("0")[:30] or "0") * (-1 if digits.startswith("-") else 1)


def with_points(text: str) -> str:
    """Return the text with its decimal commas as points ("1,5s") and without commas between thousands ("12,000,000").

    "1,500" may be either and stays as it is.
    """
    return _COMMAS.sub(_pointed, text)


def _pointed(match: re.Match[str]) -> str:
    number = match[0]
    if re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+(\.\d+)?", number):
        is_certain = "." in number or number.count(",") > 1 or number.endswith(",000")
        return number.replace(",", "") if is_certain else number
    return number.replace(",", ".") if re.fullmatch(r"\d+,\d+", number) else number


def words(text: str) -> list[str]:
    """Return the words of a text, between which a line may end: a grouped number is one word."""
    return _BETWEEN_WORDS.split(text)


def plain_number(number: Decimal) -> str:
    """Return a decimal without exponent and without trailing zeros: "0.5", "1000"."""
    return f"{number.normalize():f}"


def shortest_decimal(number: float) -> Decimal:
    """Return the shortest decimal that reads back as the same float."""
    return Decimal(repr(float(number)))


def parse_duration(text: str) -> float:
    """Return seconds of "250ms", "30s", "2m", "1h" or a sum such as "1h30m"; `BadValue` says what to write."""
    written = text.strip()
    match = _DURATION.fullmatch(_lengthen(written))
    if not written or match is None:
        raise BadValue(*_duration_advice(written))
    total = Decimal(0)
    for unit, number in match.groupdict().items():
        if number is not None:
            total += Decimal(number) * _SECONDS[unit]
    seconds = float(total)
    if not math.isfinite(seconds):
        raise BadValue("is longer than any run")
    return seconds


def format_duration(seconds: float) -> str:
    """Return the text of a duration, as short as it reads well: "0s", "250ms", "90.5s" is "1m30.5s"."""
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"a duration is a finite number of seconds from 0 on, not {seconds!r}")
    exact = shortest_decimal(seconds)
    if exact == 0:
        return "0s"
    if exact < 1:
        unit = "ms" if exact >= _SECONDS["ms"] else "us"
        return plain_number(exact / _SECONDS[unit]) + unit
    parts = []
    if exact < 10**12:  # beyond that, minutes no longer help
        for unit in ("h", "m"):
            whole, exact = divmod(exact, _SECONDS[unit])
            if whole:
                parts.append(f"{whole:f}{unit}")
    if exact or not parts:
        parts.append(f"{plain_number(exact)}s")
    return "".join(parts)


def parse_size(text: str) -> int:
    """Return bytes of "64", "64B", "1KiB", "1.5MiB" or "1GiB"; `BadValue` says what to write."""
    written = text.strip()
    match = _SIZE.fullmatch(written)
    if match is None:
        raise BadValue('is not a size: write "64", "1KiB" or "1MiB"', _size_advice(written))
    size = Decimal(match[1]) * _BYTES[match[2]]
    if size != size.to_integral_value():
        raise BadValue("is not a whole number of bytes")
    return int(size)


def format_size(size: int) -> str:
    """Return the text of a size in the largest unit that divides it: "64", "1KiB", "1MiB"."""
    if size:
        for unit in ("GiB", "MiB", "KiB"):
            if size % _BYTES[unit] == 0:
                return f"{size // _BYTES[unit]}{unit}"
    return str(size)


def parse_rate(text: str) -> float:
    """Return the rate per second of "50/s", "90/min" or "10/h"; `BadValue` says what to write."""
    match = _RATE.fullmatch(text.strip())
    if match is None:
        plain = with_points(text.strip().lower())
        loose = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:/|per)?\s*([a-z]*)", plain, re.ASCII)
        unit = next((unit for unit in _A_SECOND if loose and (loose[2] or "s").startswith(unit[0])), "")
        raise BadValue('is not a rate: write "50/s" or "90/min"', f"{loose[1]}/{unit}" if loose and unit else "")
    rate = float(Decimal(match[1]) / _A_SECOND[match[2]])
    if not math.isfinite(rate):
        raise BadValue("is more than anything can do")
    return rate


def format_rate(rate: float) -> str:
    """Return the text of a rate: "50/s"."""
    return f"{plain_number(shortest_decimal(rate))}/s"


def parse_share(text: str) -> float:
    """Return the fraction of "10%" (1 = 100 %); `BadValue` says what to write."""
    match = _SHARE.fullmatch(text.strip())
    if match is None:
        number = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%?", with_points(text.strip()), re.ASCII)
        raise BadValue('is not a share: write "10%"', f"{number[1]}%" if number else "")
    return float(Decimal(match[1]) / 100)


def format_share(share: float) -> str:
    """Return the text of a share: "10%"."""
    return f"{plain_number(shortest_decimal(share) * 100)}%"


def _lengthen(written: str) -> str:
    return written.replace("µs", "us").replace("μs", "us")


def _duration_advice(written: str) -> tuple[str, str]:
    if re.fullmatch(r"\d+(\.\d+)?", written, re.ASCII):
        number = written if len(written) < 20 else "5"
        return f'is a number without a unit: write "{number}s" or "{number}ms"', ""
    if written.startswith("-"):
        return "is negative", ""
    plain = re.sub(r"\s|and|(?<=[a-z]),", "", with_points(written.lower()))
    for word, unit in _DURATION_WORDS:
        plain = re.sub(rf"(?<=\d)(?:{word})(?![a-z])", unit, plain)
    nearest = plain if plain and _DURATION.fullmatch(plain) else ""
    return 'is not a duration: write "250ms", "30s", "2m" or "1h30m"', nearest


def _size_advice(written: str) -> str:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b|bytes?)?", with_points(written.lower()), re.ASCII)
    if match is None:
        return ""
    return match[1] + {"": "", "k": "KiB", "m": "MiB", "g": "GiB"}[match[2]]
