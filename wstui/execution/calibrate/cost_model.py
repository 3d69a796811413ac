"""CPU costs of load on this machine: as `wstui calibrate` last measured, or an estimate."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

TRIP, CONNECT = "CPU a round trip", "connects a second of CPU"
"""First words of the figures that are used, for any number of clients."""
_MARGIN = 2.0
"""A run sends less densely than a calibration, so each message costs more."""


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU in µs of a message with its answer and of a connection; whether they were measured here."""

    message_us: float = 20.0
    connect_us: float = 150.0
    measured: bool = False


ESTIMATE = Costs()


def _file() -> Path:
    """Return where the last calibration is stored."""
    return platformdirs.user_data_path("wstui", appauthor=False) / "calibration.json"


def known(path: Path | None = None) -> Costs:
    """Return the measured costs of this machine, else the estimate."""
    try:
        figures = json.loads((path or _file()).read_text("utf-8"))["figures"]
        trip, connects = _medians(figures, TRIP), _medians(figures, CONNECT)
        costs = Costs(_MARGIN * max(trip), _MARGIN * 1e6 / min(connects), measured=True)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
        return ESTIMATE
    return costs if 0 < costs.message_us < 1e6 and 0 < costs.connect_us < 1e7 else ESTIMATE


def save(document: str, path: Path | None = None) -> None:
    """Save a calibration for later runs, if possible."""
    file = path or _file()
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_suffix(".new")
        beside.write_text(document, "utf-8")
        beside.replace(file)


def _medians(figures: Iterable[Any], name: str) -> list[float]:
    return [float(figure["median"]) for figure in figures if str(figure["name"]).startswith(name)]
