"""What was last looked at, from one start of the terminal UI to the next."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import platformdirs
from textual.screen import Screen


class LastView(msgspec.Struct, frozen=True, omit_defaults=True):
    """`screen` is "presets", "editor", "runs", "result", "replay" or "run"; `runs` are numbers of the store.

    A run that went on when its screen was left is that of process `pid`.
    """

    screen: str = "presets"
    preset: str = ""
    runs: list[int] = []
    pid: int = 0


def state_file() -> Path:
    return platformdirs.user_state_path("wstui", appauthor=False) / "last-view.json"


def view_of(screens: Sequence[Screen[Any]]) -> LastView:
    """Return what a stack of screens shows: each screen names its own part with `last_view`."""
    known: dict[str, Any] = {}
    for screen in screens:
        known |= getattr(screen, "last_view", dict)()
    return LastView(**known)


def remember(view: LastView, path: Path) -> None:
    """Keep a view; without a place for it, it is forgotten."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(msgspec.json.encode(view))
        fresh.replace(path)


def last_view(path: Path) -> LastView:
    """Return the view that was kept, or that of the presets."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=LastView)
    except (OSError, msgspec.MsgspecError):
        return LastView()
