"""How the operator looks at a run: what the keys of the view change."""

from __future__ import annotations

import math
from dataclasses import dataclass

WINDOWS = (0.0, 60.0, 300.0, 900.0)
"""The spans of time that charts can show, in seconds; 0 is the whole run."""


@dataclass(slots=True)
class View:
    """`log` scales latency logarithmically, `window_s` is one of WINDOWS, `frozen` holds the picture while the run
    goes on, `maximised` is the number of the panel that fills the screen (0: none), `pattern` filters errors."""

    log: bool = True
    window_s: float = 0.0
    frozen: bool = False
    maximised: int = 0
    pattern: str = ""

    def next_window(self) -> str:
        """Go to the next span and name it."""
        self.window_s = WINDOWS[(WINDOWS.index(self.window_s) + 1) % len(WINDOWS)]
        return f"last {self.window_s / 60:.0f} min" if self.window_s else "whole run"

    def span(self, elapsed_s: float, planned_s: float) -> tuple[float, float]:
        """The times that charts show, from and to in seconds.

        The end moves in steps, so that a chart does not have to be sent anew every second.
        """
        if self.window_s:
            step = self.window_s / 12
            end = max(self.window_s, math.ceil(elapsed_s / step) * step)
            return end - self.window_s, end
        least = min(60.0, planned_s) if planned_s > 0 else 60.0
        step = 10.0
        while elapsed_s > step * 12:
            step *= 2
        return 0.0, max(least, math.ceil(elapsed_s / step) * step, 1.0)
