"""Faults injected on purpose, for tests and demonstrations; all are off by default."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

SPELLINGS = (
    "delay=50ms, freeze=3s@10s, drop=1%, duplicate=1%, stray=1%, refuse=90%, close=5%/min, storm=50%/10s, "
    "leak=10MiB/min, lie"
)
_MIB = 1 << 20
_DAY_S = 86_400.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}


class FaultUnknown(ValueError):
    """A fault that can't be parsed; the message names it and shows how to write it."""


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of a server. Times are seconds, shares are 0…1."""

    delay: float = 0.0  # added to each reply
    freeze: float = 0.0  # how long the whole process blocks…
    freeze_at: float = 0.0  # …so many seconds after its start
    drop: float = 0.0  # share of deliveries that are not sent
    duplicate: float = 0.0  # share of deliveries sent twice
    stray: float = 0.0  # share of clients that get a message without a subscription
    leak: float = 0.0  # bytes a second that are allocated and never released
    refuse: float = 0.0  # share of clients closed with 1008 right after the upgrade
    close_per_minute: float = 0.0  # share of clients closed with 1011 within each minute
    storm: float = 0.0  # share of clients closed with 1012 at once…
    storm_every: float = 0.0  # …again after so many seconds
    lie: bool = False  # /metrics reports false counts
    seed: int = 0

    @property
    def active(self) -> dict[str, float | bool]:
        return {f.name: value for f in fields(self) if f.name != "seed" and (value := getattr(self, f.name))}

    @property
    def deliveries(self) -> bool:
        """Return whether deliveries are dropped or duplicated."""
        return self.drop > 0 or self.duplicate > 0


def parse_faults(texts: list[str], seed: int = 0) -> Faults:
    """Return the faults that `texts` spell, one each (see `SPELLINGS`). Raises: FaultUnknown."""
    found: dict[str, Any] = {}
    for text in texts:
        name, _, value = text.strip().partition("=")
        match name:
            case "delay":
                found["delay"] = _duration(text, value)
            case "freeze":
                length, _, at = value.partition("@")
                found |= {"freeze": _duration(text, length), "freeze_at": _duration(text, at or "0s")}
            case "drop" | "duplicate" | "stray" | "refuse":
                found[name] = _share(text, value)
            case "leak":
                found["leak"] = _leak(text, value)
            case "close":
                found["close_per_minute"] = _share(text, value.removesuffix("/min"))
            case "storm":
                part, _, period = value.partition("/")
                found |= {"storm": _share(text, part), "storm_every": _duration(text, period)}
            case "lie" if not value:
                found["lie"] = True
            case _:
                known, last = SPELLINGS.rsplit(", ", 1)
                raise FaultUnknown(f"fault {text[:40]!r} is unknown; write {known} or {last}")
    return Faults(seed=seed, **found)


def _duration(text: str, value: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|)", value)
    if match is None:
        raise FaultUnknown(f"fault {text[:40]!r}: {value[:20]!r} is not a duration such as 50ms, 3s or 1m")
    if (seconds := float(match[1]) * _UNITS[match[2]]) > _DAY_S:
        raise FaultUnknown(f"fault {text[:40]!r}: {value[:20]} is too long: a day at most")
    return seconds


def _leak(text: str, value: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)MiB/min", value)
    if match is None:
        raise FaultUnknown(f"fault {text[:40]!r}: {value[:20]!r} is not a rate such as 10MiB/min")
    if float(match[1]) > _MIB:
        raise FaultUnknown(f"fault {text[:40]!r}: {value[:20]} is too much: {_MIB}MiB/min at most")
    return float(match[1]) * _MIB / 60.0


def _share(text: str, value: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", value)
    share = float(match[1]) / (100.0 if match[2] else 1.0) if match else -1.0
    if not 0.0 <= share <= 1.0:
        raise FaultUnknown(f"fault {text[:40]!r}: {value[:20]!r} is not a share such as 5% or 0.05")
    return share
