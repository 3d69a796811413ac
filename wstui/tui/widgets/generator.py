"""This generator: whether the box that makes the load keeps up with it."""

from __future__ import annotations

from wstui.execution.status import GeneratorStatus
from wstui.tui.widgets.bars import meter
from wstui.tui.widgets.figures import clean, clip, count, ms, pad, percent, short
from wstui.tui.widgets.limits import SIGNS
from wstui.tui.widgets.lines import Line, Lines, rule

NEAR = 0.8
FULL = 0.95
LAG_NEAR_MS = 20.0
LAG_BAD_MS = 100.0
LATE_NEAR = 0.005
LATE_BAD = 0.02
_BARS = {"near": "warn", "bad": "bad"}


class Generator(Lines):
    """The panel of this generator."""

    DEFAULT_CSS = "Generator { height: 6; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._generator = GeneratorStatus()
        self._rule = "rule"

    def show(self, generator: GeneratorStatus, rule_meaning: str = "rule") -> None:
        """Draw this state."""
        self._generator, self._rule = generator, rule_meaning
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """Head, CPU, files, ports, loop lag, late sends."""
        g = self._generator
        title: Line = [("this generator", "text")]
        lost = [shard for shard in g.shards if not shard.alive]
        if g.limited_by:
            title.append((f"  ✗ limit: {clean(', '.join(g.limited_by))}", "strong-bad"))
        elif lost:
            title.append((f"  ✗ {len(lost)} of {len(g.shards)} processes lost", "strong-bad"))
        elif g.shards:
            clients = "process" if len(g.shards) == 1 else "processes"
            title.append((f"  {len(g.shards)} {clients}", "muted"))
        lines = [rule(title, width, meaning=self._rule)]
        if not g.shards:
            return [*lines, [("starting", "muted")]]
        rows = [
            ("cpu", g.cpu, f"{percent(g.cpu)} %", _sign(g.cpu)),
            ("files", *_use(g.files, g.files_limit)),
            ("ports", *_use(g.ports, g.ports_limit)),
            ("loop lag", None, f"{ms(g.loop_lag_ms)} ms", _level(g.loop_lag_ms, LAG_NEAR_MS, LAG_BAD_MS)),
            ("late sends", None, f"{percent(g.late_share)} %", _level(g.late_share, LATE_NEAR, LATE_BAD)),
        ]
        for name, share, text, verdict in rows:
            figure = max(10, len(text) + 1)
            bar = width - 11 - figure - 3
            middle = meter(share, bar, _BARS.get(verdict, "ok")) if share is not None and bar >= 3 else [(" " * max(0, bar), "text")]
            glyph, mark = SIGNS[verdict]
            lines.append([(pad(name, 11), "muted"), *middle, (pad(text, figure, right=True), "text"), (f" {glyph} ", mark)])
        return lines


def _use(used: int, limit: int) -> tuple[float | None, str, str]:
    if limit <= 0:
        return None, count(used), ""
    share = used / limit
    return share, clip(f"{count(used)} of {short(limit)}", 20), _sign(share)


def _sign(share: float) -> str:
    return _level(share, NEAR, FULL)


def _level(value: float, near: float, bad: float) -> str:
    return "bad" if value >= bad else "near" if value >= near else "ok"
