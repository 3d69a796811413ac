"""How much is logged: what the flag says, or else LOG_LEVEL."""

from __future__ import annotations

import os
from collections.abc import Callable

from wstui.measure.sanitize import visible

LEVELS = ("debug", "info", "warning", "error")
_ALSO = {"warn": "warning"}


def wanted_level(given: str | None, warn: Callable[[str], None]) -> str:
    """One of LEVELS, "" where none is asked for.

    A LOG_LEVEL that is none of them may be meant for another program: `warn` is told, and nothing is asked for.
    """
    text = given or os.environ.get("LOG_LEVEL", "").strip()
    level = _ALSO.get(text.lower(), text.lower())
    if not level or level in LEVELS:
        return level
    warn(f"LOG_LEVEL={visible(text, 40)} is not a level, so it is passed over: write {', '.join(LEVELS[:-1])} or error")
    return ""
