"""This generator: whether the host that makes the load keeps up with it."""

from __future__ import annotations

from wstui.execution.run.limits import lag_level, late_level, use_level
from wstui.measure.format import count, ms, percent, short
from wstui.report.model.cell_text import clip, pad
from wstui.tui.dashboard.panel import Panel
from wstui.tui.dashboard.thresholds import BARS, SIGNS
from wstui.tui.kit.bars import gauge
from wstui.tui.kit.row_widget import Line


class Generator(Panel):
    """The panel of this generator."""

    def row_count(self) -> int:
        return 5

    def head(self, width: int) -> Line:
        """What limits it, which workers are lost, or how many there are."""
        g = self.status.generator
        title: Line = [("this generator", "text")]
        lost = sum(not worker.alive for worker in g.workers)
        if g.limited_by:
            title.append(("  ✗ the limit", "strong-bad"))  # the banner says why
        elif lost:
            title.append((f"  ✗ {lost} of {len(g.workers)} lost", "strong-bad"))
        elif g.workers:
            title.append((f"  {len(g.workers)} worker{'' if len(g.workers) == 1 else 's'}", "muted"))
        return title

    def rows(self, width: int, height: int) -> list[Line]:
        """CPU, files, ports, loop lag, late sends."""
        g = self.status.generator
        if not g.workers:
            return [[("starting", "muted")]]
        lines: list[Line] = []
        for name, share, text, verdict in (
            ("cpu", g.cpu, f"{percent(g.cpu)} %", use_level(g.cpu)),
            ("files", *_use(g.files, g.files_limit)),
            ("ports", *_use(g.ports, g.ports_limit)),
            ("loop lag", None, f"{ms(g.loop_lag_ms)} ms", lag_level(g.loop_lag_ms)),
            ("late sends", None, f"{percent(g.late_share)} %", late_level(g.late_sends, g.late_share)),
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
    return share, clip(f"{count(used)} of {short(limit)}", 20), use_level(share)
