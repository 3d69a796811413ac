"""This generator: whether the host that makes the load keeps up with it."""

from __future__ import annotations

from wstui.execution.run.generator_limits import LATE_SHARE
from wstui.execution.run.status import GeneratorStatus
from wstui.tui.dashboard.thresholds import BARS, SIGNS
from wstui.tui.kit.bars import gauge
from wstui.tui.kit.format import clip, count, ms, pad, percent, short
from wstui.tui.kit.panel import Panel
from wstui.tui.kit.row_widget import Line

NEAR = 0.8
FULL = 0.95
LAG_NEAR_MS = 20.0
LAG_BAD_MS = 100.0


class Generator(Panel):
    """The panel of this generator."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._generator = GeneratorStatus()

    def show(self, generator: GeneratorStatus, accent: str = "rule") -> None:
        """Draw this state."""
        self._generator = generator
        self.draw(accent)

    def high(self) -> int:
        """Five figures."""
        return 5

    def head(self, width: int) -> Line:
        """What limits it, which processes are lost, or how many there are."""
        g = self._generator
        title: Line = [("this generator", "text")]
        lost = sum(not worker.alive for worker in g.workers)
        if g.limited_by:
            title.append(("  ✗ the limit", "strong-bad"))  # the banner says why
        elif lost:
            title.append((f"  ✗ {lost} of {len(g.workers)} lost", "strong-bad"))
        elif g.workers:
            title.append((f"  {len(g.workers)} {'process' if len(g.workers) == 1 else 'processes'}", "muted"))
        return title

    def rows(self, width: int, height: int) -> list[Line]:
        """CPU, files, ports, loop lag, late sends."""
        g = self._generator
        if not g.workers:
            return [[("starting", "muted")]]
        lines: list[Line] = []
        for name, share, text, verdict in (
            ("cpu", g.cpu, f"{percent(g.cpu)} %", _sign(g.cpu)),
            ("files", *_use(g.files, g.files_limit)),
            ("ports", *_use(g.ports, g.ports_limit)),
            ("loop lag", None, f"{ms(g.loop_lag_ms)} ms", _level(g.loop_lag_ms, LAG_NEAR_MS, LAG_BAD_MS)),
            ("late sends", None, f"{percent(g.late_share)} %", _level(g.late_share, LATE_SHARE / 2, LATE_SHARE)),
        ):
            wide = max(10, len(text) + 1)
            glyph, mark = SIGNS[verdict]
            lines.append(
                [
                    (pad(name, 11), "muted"),
                    *gauge(share, width - 11 - wide - 3, BARS.get(verdict, "ok")),
                    (pad(text, wide, right=True), "text"),
                    (f" {glyph} ", mark),
                ]
            )
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
