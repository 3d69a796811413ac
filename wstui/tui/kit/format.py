"""Numbers as an operator reads them: short, of steady width, and "n/a" where nothing was measured."""

from __future__ import annotations

import math
import re
import unicodedata
from pathlib import Path

from rich.cells import cell_len, chop_cells

from wstui.scenario.units import grouped, words

NONE = "n/a"
_SUFFIXES = ("", "k", "M", "G", "T", "P", "E")
_PLAIN = re.compile(r"[ -~]*\Z")
# Direction marks can reorder a whole row, joiners make widths a guess: both are dropped with the other format marks.
_DROPPED = {"Cf", "Cs", "Co", "Cn"}
_MARKS = {"Mn", "Me", "Mc"}
_MARKS_IN_A_ROW = 2


def clean(text: str) -> str:
    """Text from outside made safe for one row of a terminal: no control character, direction mark or tower of accents.

    Control characters appear as their Unicode pictures (␛ for escape), what has no width is dropped.
    """
    if _PLAIN.match(text):
        return text
    out: list[str] = []
    marks = 0
    for char in text:
        code = ord(char)
        if code < 32:
            out.append(chr(0x2400 + code))
        elif code == 127:
            out.append("\u2421")
        elif 128 <= code < 160:
            out.append("\ufffd")
        else:
            category = unicodedata.category(char)
            if category in _MARKS:
                marks += 1
                if marks > _MARKS_IN_A_ROW:
                    continue
            else:
                marks = 0
            if category in ("Zl", "Zp"):
                out.append(" ")
            elif category not in _DROPPED:
                out.append(char)
    return "".join(out)


def width_of(text: str) -> int:
    """The cells that a cleaned text takes on a terminal."""
    return len(text) if text.isascii() else cell_len(text)


def clip(text: str, width: int) -> str:
    """The text cut to at most `width` cells, with "…" where something was cut off."""
    if width_of(text) <= width:
        return text
    if width <= 0:
        return ""
    if text.isascii():
        return text[: width - 1] + "…"
    head = chop_cells(text, width - 1)[0] if width > 1 else ""
    return head + "…"


def pad(text: str, width: int, *, right: bool = False) -> str:
    """The text in exactly `width` cells, aligned left or right."""
    text = clip(text, width)
    blank = " " * (width - width_of(text))
    return blank + text if right else text + blank


def wrap(text: str, width: int) -> list[str]:
    """A cleaned text in rows of at most `width` cells; words are kept whole where they fit."""
    rows: list[str] = []
    row = ""
    for word in words(text):
        joined = f"{row} {word}" if row else word
        if row and width_of(joined) > width:
            rows.append(row)
            row = word
        else:
            row = joined
    rows.append(row)
    return [clip(row, max(1, width)) for row in rows]


def tilde(path: Path) -> str:
    """A path as people write it: what lies at home begins with "~"."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)


def count(value: int | None) -> str:
    """A whole number in groups of three: 11 987."""
    return NONE if value is None else grouped(value)


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


def duration(seconds: float) -> str:
    """A setting of time: 250 ms, 5 s, 2 min."""
    if seconds < 1:
        return f"{seconds * 1000:g} ms"
    if seconds < 120:
        return f"{seconds:g} s"
    return clock(seconds)
