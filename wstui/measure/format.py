"""How figures are written for people, in reports and on screens; "n/a" for what was not measured.

Screens want a figure of few cells and draw its unit themselves: `short`, `rate`, `ms`, `percent`. Text carries the
unit along: `per_second`, `milliseconds`, `percentage`.
"""

from __future__ import annotations

import math
import re
from datetime import datetime

from wstui.measure.sanitize import sanitize

NONE = "n/a"
_SUFFIXES = ("", "k", "M", "G", "T", "P", "E")


def grouped(number: float) -> str:
    """Return a number rounded to a whole one with spaces between thousands: "12 126", "-3 250", "940"."""
    return f"{number:,.0f}".replace(",", " ")


def count(value: float | None) -> str:
    """A whole number in groups of three: "11 987"."""
    return NONE if value is None else grouped(value)


def significant(value: float | None, digits: int = 4) -> str:
    """At least `digits` significant digits, never an exponent: 0.0412, 1.234, 48.2, 12 345; "n/a" for None."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:.{min(decimals, 6)}f}" if decimals else grouped(value)


def short(value: float | None) -> str:
    """A number in at most four digits: 0.25, 3.1, 411, 9 870, 48.2k, 1.25M."""
    if value is None or not math.isfinite(value):
        return NONE
    sign = "-" if value < 0 else ""
    value = abs(value)
    if value < 9999.5:
        if value == 0 or value >= 99.95:
            return sign + count(round(value))
        if value >= 9.995:
            return f"{sign}{value:.1f}".removesuffix(".0")
        return f"{sign}{value:.2f}".rstrip("0").rstrip(".")
    exponent = 0
    while value >= 999.5 and exponent < len(_SUFFIXES) - 1:
        value /= 1000
        exponent += 1
    if value >= 999.5:
        return f"{sign}{value * 1000.0**exponent:.0e}".replace("e+", "e")
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{sign}{value:.{digits}f}{_SUFFIXES[exponent]}"


def fitting(value: int | None, width: int) -> str:
    """A whole number in full where it fits into `width` cells, else shortened."""
    full = count(value)
    return full if len(full) <= width else short(value)


def rate(value: float | None) -> str:
    """Something per second, in steady digits: 0.3, 24, 411, 1 204, 24.1k."""
    if value is None or not math.isfinite(value):
        return NONE
    if value < 9.95:
        return "0" if value < 0.05 else f"{value:.1f}"
    return count(round(value)) if value < 9999.5 else short(value)


def per_second(value: float | None) -> str:
    """A rate: "1 204/s", "17.5/s"."""
    if value is None or not math.isfinite(value):
        return NONE
    return f"{significant(value, 3)}/s"


def ms(value: float | None) -> str:
    """Milliseconds in two or three digits: 0.043, 0.46, 1.82, 12.3, 118, 4 520."""
    if value is None or not math.isfinite(value):
        return NONE
    if value >= 99.95:
        return count(round(value)) if value < 99_999.5 else short(value)
    if value >= 9.995:
        return f"{value:.1f}"
    if value >= 0.0995:
        return f"{value:.2f}"
    return f"{value:.3f}"


def milliseconds(value: float | None) -> str:
    """A duration in milliseconds with its unit: "41.2 µs", "1.23 ms", "2.5 s"."""
    if value is None or not math.isfinite(value):
        return NONE
    size = abs(value)
    if 0 < size < 0.1:
        return f"{significant(value * 1000, 3)} µs"
    if size >= 10_000:
        return f"{significant(value / 1000, 3)} s"
    return f"{significant(value, 3)} ms"


def signed_ms(value: float | None) -> str:
    """A difference of times with its sign: "+1.23 ms", "-41.2 µs"."""
    return milliseconds(value) if value is None or value < 0 else f"+{milliseconds(value)}"


def percent(share: float | None) -> str:
    """A share of 0…1 as a percentage: 0.03, 1.8, 61, 99.98, 100; almost nothing is never 0, almost all never 100."""
    if share is None or not math.isfinite(share):
        return NONE
    value = share * 100
    if value == 0:
        return "0"
    if value < 0.005:
        return "<0.01"
    if value < 0.995:
        return f"{value:.2f}"
    if value < 9.95:
        return f"{value:.1f}"
    if 99 < value < 100:
        return f"{value:.2f}" if value < 99.995 else ">99.99"
    return count(round(value)) if value < 9999.5 else short(value)


def percentage(share: float | None) -> str:
    """A share of 0…1 with its unit: "99.85 %"; only an exact 1 is 100 %, only an exact 0 is 0 %."""
    if share is None or not math.isfinite(share):
        return NONE
    if share in (0, 1):
        return f"{share * 100:.0f} %"
    text = f"{share * 100:.2f}"
    if text == "100.00" and share < 1:
        text = "99.99"
    if text == "0.00":
        return "<0.01 %" if share > 0 else "0 %"
    return f"{text.rstrip('0').rstrip('.')} %"


def size(value: float | None) -> str:
    """Bytes: 812 B, 6.2 MB."""
    if value is None or not math.isfinite(value):
        return NONE
    exponent = 0
    while value >= 999.5 and exponent < len(_SUFFIXES) - 1:
        value /= 1000
        exponent += 1
    text = f"{value:.0f}" if exponent == 0 or value >= 99.5 else f"{value:.1f}"
    return f"{text} {_SUFFIXES[exponent]}B"


def clock(seconds: float | None) -> str:
    """A span of time: 2:12, 1:04:09."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, seconds_ = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds_:02}" if hours else f"{minutes}:{seconds_:02}"


def stamp(seconds: float) -> str:
    """A moment of the run, in steady width: 02:41, 1:04:09."""
    text = clock(seconds)
    return text if len(text) > 4 else f"0{text}"


def duration(seconds: float | None) -> str:
    """Return how long something takes: "250 ms", "40 s", "2 min 5 s", "1 h 2 min"."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    if 0 < seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def growth(per_hour: float | None, uncertainty: float | None, steady_s: float | None) -> str:
    """Return how fast memory grows, how surely, and from how long a look: "8.5 ± 1.2 MiB/h, seen for 2 min"."""
    if per_hour is None:
        return NONE
    margin = "" if uncertainty is None else f" ± {significant(uncertainty, 2)}"
    seen = "" if steady_s is None else f", seen for {duration(steady_s)}"
    return f"{significant(per_hour, 3)}{margin} MiB/h{seen}"


def limit_words(limit: str) -> str:
    """Return a limit as people write it: "< 250 ms", "≤ 100"."""
    signs = sanitize(limit).replace("<=", "≤").replace(">=", "≥")
    parts = re.sub(r"(?<![\d.])\d{5,}", lambda match: grouped(int(match[0])), signs)
    return re.sub(r"(?<=\d)(?=[A-Za-zµ%/])", " ", parts)


def limit_figure(value: float | None, unit: str, bound: float | None = None) -> str:
    """A threshold's figure in the unit of its limit ("ms", "%", "/s", "MiB/h" or none).

    It has more digits where it would look like the `bound` that it is not equal to.
    """
    text = _in_unit(value, unit)
    if value is None or bound is None or value == bound or text != _in_unit(bound, unit):
        return text
    exact = next(text for text in (f"{value:.{digits}g}" for digits in (4, 6, 9, 17)) if float(text) != bound)
    return exact + (unit if unit == "/s" else f" {unit}" if unit else "")


def _in_unit(value: float | None, unit: str) -> str:
    if unit == "ms":
        return milliseconds(value)
    if unit == "%":
        return percentage(None if value is None else value / 100)
    if unit == "/s":
        return per_second(value)
    if unit == "MiB/h":
        return NONE if value is None else f"{significant(value)} MiB/h"
    return significant(value) if value is None or value != round(value) else count(value)


def moment(started: str) -> str:
    """Return a stored moment (ISO 8601) as people say it: 23 Nov 14:27."""
    try:
        return datetime.fromisoformat(started).astimezone().strftime("%-d %b %H:%M")
    except ValueError:
        return started
