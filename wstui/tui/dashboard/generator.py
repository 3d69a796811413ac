"""This generator: whether the host that makes the load keeps up with it."""

from __future__ import annotations

from wstui.execution.run.limits import lag_level, late_level, use_level
from wstui.execution.run.status import HostStatus
from wstui.measure.format import count, ms, percent, short
from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import clip, pad, width_of
from wstui.tui.dashboard.panel import Panel
from wstui.tui.dashboard.thresholds import BARS, SIGNS
from wstui.tui.kit.bars import gauge
from wstui.tui.kit.row_widget import Line


class Generator(Panel):
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


_MARKS = {"ok": "ok", "slow": "near", "stale": "near", "lost": "bad"}
_WORST_FIRST = ("lost", "stale", "slow", "ok")
_NAME_MOST, _NAME_NARROW = 24, 14
_WIDE = 90


class Hosts(Panel):
    """One line a machine: mark, workers, clients, CPU, loop lag, age of its last word."""

    def row_count(self) -> int:
        """One row a machine, as far as there is room."""
        height = self.app.size.height
        return min(len(self.status.generator.hosts), 2 if height < 20 else 3 if height < 32 else 8)

    def head(self, width: int) -> Line:
        """How many are well, and what waits for somebody to take it over."""
        own = self.status.generator
        well = sum(host.mark == "ok" for host in own.hosts)
        title: Line = [("hosts", "text"), (f"  {well} of {len(own.hosts)} well", "muted")]
        if own.unreplaced_workers:
            lost = f"  ✗ {count(own.left_behind_clients)} clients lost"
            title += [(lost, "strong-bad"), ("  R gives them to those left", "strong-warn")]
        return title

    def rows(self, width: int, height: int) -> list[Line]:
        """Those in trouble first; the last row tells of those that have none of their own."""
        hosts = sorted(self.status.generator.hosts, key=lambda host: _WORST_FIRST.index(host.mark))
        most = _NAME_MOST if width >= _WIDE else _NAME_NARROW
        column = min(most, max((width_of(sanitize(host.name)) for host in hosts), default=0))
        shown = hosts if len(hosts) <= height else hosts[: max(0, height - 1)]
        lines = [_line(host, column, width) for host in shown]
        if rest := hosts[len(shown) :]:
            marks = [f"{sum(host.mark == mark for host in rest)} {mark}" for mark in _WORST_FIRST]
            told = ", ".join(text for text in marks if not text.startswith("0 "))
            lines.append([(f"and {len(rest)} more: {told}", "muted")])
        return lines


def _line(host: HostStatus, column: int, width: int) -> Line:
    glyph, meaning = SIGNS[_MARKS[host.mark]]
    line: Line = [(f"{glyph} ", meaning), (pad(sanitize(host.name), column), "text"), (f" {host.mark:<5} ", meaning)]
    if host.mark == "lost" and host.why:
        return [*line, (f" {sanitize(host.why)}", "muted")]
    there = host.workers - host.workers_lost
    workers = f"{there}/{host.workers}" if host.workers_lost else f"{there}"
    wide = width >= _WIDE
    figures = [
        (workers, 4, "workers" if wide else "wrk", "bad" if host.workers_lost else "text"),
        (count(host.clients) if wide else short(host.clients), 10 if wide else 6, "clients", "text"),
        (percent(host.cpu), 4, "% cpu" if wide else "%", "text"),
        (ms(host.loop_lag_ms), 5, "ms lag", "text"),
        (f"{host.age_s:.1f}", 4, "s ago", meaning if host.mark in ("stale", "lost") else "text"),
    ]
    if width >= 100:
        figures.append((ms(host.round_trip_ms), 6, "ms away", meaning if host.mark == "slow" else "text"))
    for text, cells, unit, tone in figures:
        line += [(pad(text, cells, right=True), tone), (f" {unit} ", "muted")]
    return line
