"""What load costs this machine: what `wstui calibrate` found here last, or an estimate where it was never run."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

TRIP, CONNECT = "CPU a round trip", "connects a second of CPU"
"""How the figures begin that say it, whatever the number of clients."""
_MARGIN = 2.0
"""A run talks less densely than a calibration, and each message costs more then."""


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU in µs of a message with its answer, and of a connection; whether this machine was measured."""

    message_us: float = 20.0
    connect_us: float = 150.0
    measured: bool = False


ESTIMATE = Costs()


def place() -> Path:
    """Where the figures of the last calibration lie."""
    return platformdirs.user_data_path("wstui", appauthor=False) / "calibration.json"


def known(path: Path | None = None) -> Costs:
    """What is known of this machine; the estimate where there is nothing that can be used."""
    try:
        figures = json.loads((path or place()).read_text("utf-8"))["figures"]
        trip, connects = _medians(figures, TRIP), _medians(figures, CONNECT)
        costs = Costs(_MARGIN * max(trip), _MARGIN * 1e6 / min(connects), measured=True)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
        return ESTIMATE
    return costs if 0 < costs.message_us < 1e6 and 0 < costs.connect_us < 1e7 else ESTIMATE


def keep(document: str, path: Path | None = None) -> None:
    """Keep a calibration for later runs, where that is possible."""
    file = path or place()
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_suffix(".new")
        beside.write_text(document, "utf-8")
        beside.replace(file)


def _medians(figures: Iterable[Any], name: str) -> list[float]:
    return [float(figure["median"]) for figure in figures if str(figure["name"]).startswith(name)]
