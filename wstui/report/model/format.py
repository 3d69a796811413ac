"""How figures are written for people: a number with its unit, "n/a" where nothing was measured."""

from __future__ import annotations

import math

from wstui.scenario.units import grouped

NOTHING = "n/a"


def significant(value: float | None, digits: int = 4) -> str:
    """At least `digits` significant digits, never an exponent: 0.0412, 1.234, 48.2, 12 345; "n/a" for None."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:.{min(decimals, 6)}f}" if decimals else grouped(value)


def milliseconds(value: float | None) -> str:
    """A duration in milliseconds with its unit: "41.2 µs", "1.23 ms", "2.5 s"."""
    if value is None or not math.isfinite(value):
        return NOTHING
    size = abs(value)
    if 0 < size < 0.1:
        return f"{significant(value * 1000, 3)} µs"
    if size >= 10_000:
        return f"{significant(value / 1000, 3)} s"
    return f"{significant(value, 3)} ms"


def signed_ms(value: float | None) -> str:
    """A difference of times with its sign: "+1.23 ms", "-41.2 µs"."""
    return milliseconds(value) if value is None or value < 0 else f"+{milliseconds(value)}"


def count(value: float | None) -> str:
    """A whole number with its thousands set apart: "48 213"."""
    return NOTHING if value is None else grouped(value)


def rate(value: float | None) -> str:
    """A rate: "1 204/s", "17.5/s"."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{significant(value, 3)}/s"


def percent(share: float | None) -> str:
    """A share (0…1) in percent; only an exact 1 is shown as 100 %, only an exact 0 as 0 %."""
    if share is None or not math.isfinite(share):
        return NOTHING
    if share in (0, 1):
        return f"{share * 100:.0f}%"
    text = f"{share * 100:.2f}"
    if text == "100.00" and share < 1:
        text = "99.99"
    if text == "0.00":
        return "<0.01%" if share > 0 else "0%"
    return f"{text.rstrip('0').rstrip('.')}%"


def clock(seconds: float | None) -> str:
    """A time since the start: "0:07", "12:34", "1:02:03"."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    whole = max(int(seconds), 0)
    hours, rest = divmod(whole, 3600)
    minutes, seconds_left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds_left:02}" if hours else f"{minutes}:{seconds_left:02}"


def duration(seconds: float | None) -> str:
    """How long something took: "0.4 s", "40 s", "2 min 5 s", "1 h 2 min"."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def size(octets: float) -> str:
    """An amount of data: "98.0 kB", "1.2 MB" (powers of 1000)."""
    for unit in ("B", "kB", "MB", "GB"):
        if octets < 1000:
            return f"{significant(octets, 3)} {unit}" if unit != "B" else f"{octets:.0f} B"
        octets /= 1000
    return f"{significant(octets, 3)} TB"


def growth(per_hour: float | None, uncertainty: float | None, steady_s: float | None) -> str:
    """How fast memory grows, how surely, and from how long a look: "8.5 ± 1.2 MiB/h, seen for 2 min"."""
    if per_hour is None:
        return NOTHING
    confirmed_low = "" if uncertainty is None else f" ± {significant(uncertainty, 2)}"
    seen = "" if steady_s is None else f", seen for {duration(steady_s)}"
    return f"{significant(per_hour, 3)}{confirmed_low} MiB/h{seen}"


def limit_figure(value: float | None, unit: str) -> str:
    """A threshold's figure in the unit of its limit ("ms", "%", "/s", "MiB/h" or none)."""
    if unit == "ms":
        return milliseconds(value)
    if unit == "%":
        return percent(None if value is None else value / 100)
    if unit == "/s":
        return rate(value)
    if unit == "MiB/h":
        return NOTHING if value is None else f"{significant(value)} MiB/h"
    return significant(value) if value is None or value != round(value) else count(value)
