"""The side panels: connections by state, fan-out, the latency histogram, and the event log."""

from __future__ import annotations

from urllib.parse import urlsplit

from wstui.execution.run.status import TargetHealth
from wstui.measure.format import count, fitting, ms, percent, short, stamp
from wstui.measure.sanitize import sanitize
from wstui.measure.snapshot import Counters
from wstui.measure.timeline import MARKS
from wstui.report.model.cell_text import bar, clip, pad, width_of, wrap
from wstui.report.model.labels import limit_ms
from wstui.tui.dashboard.panel import Panel
from wstui.tui.dashboard.thresholds import BARS, SIGNS
from wstui.tui.dashboard.tile_models import latency_limit
from wstui.tui.kit.bars import gauge, parts
from wstui.tui.kit.row_widget import Line

_MEANINGS = {
    "warning": "warn",
    "broken": "bad",
    "kept": "ok",
    "worker": "bad",
    "generator": "warn",
    "health": "warn",
    "pause": "warn",
    "operator": "accent",
    "note": "strong",
    "span": "strong",
    "span_end": "strong",
    "start": "ok",
    "resume": "ok",
}


class ConnectionsPanel(Panel):
    def row_count(self) -> int:
        return 6

    def head(self, width: int) -> Line:
        return [("connections", "text"), (f"  {fitting(self.status.counters.attempted, 12)} attempts", "muted")]

    def rows(self, width: int, height: int) -> list[Line]:
        c = self.status.counters
        refused = c.refused + c.timed_out + c.failed
        shares = [(c.open, "█", "ok"), (c.opening, "▒", "accent"), (c.closing, "░", "muted"), (refused, "▚", "bad")]
        lines = [parts(shares, width - 1)]
        for name, value, glyph in (
            ("open", c.open, ""),
            ("opening, closing" if c.closing else "opening", c.opening + c.closing, ""),
            (_losses(c), refused, "▲" if refused else ""),
            ("dropped by the server", c.dropped, "▲" if c.dropped else ""),
            ("reconnected", c.reconnects, ""),
        ):
            text = fitting(value, 12)
            lines.append(
                [
                    (pad(name, width - 3 - len(text)), "muted"),
                    (text, "text" if value else "muted"),
                    (f" {glyph or ' '} ", "strong-warn"),
                ]
            )
        return lines


def _losses(counters: Counters) -> str:
    """Return what became of the attempts that failed, in the words of the result."""
    counts = {"refused": counters.refused, "timed out": counters.timed_out, "failed": counters.failed}
    return ", ".join(word for word, number in counts.items() if number) or "failed"


class FanOutPanel(Panel):
    def row_count(self) -> int:
        """Four figures, and the clocks where they are known."""
        fanout = self.status.result.fanout
        return 1 if fanout is None else 4 + (fanout.delivery_ms.offset_ms is not None)

    def head(self, width: int) -> Line:
        title: Line = [("fan-out", "text")]
        if (fanout := self.status.result.fanout) is not None:
            title.append((f"  {count(fanout.messages)} broadcasts", "muted"))
        return title

    def rows(self, width: int, height: int) -> list[Line]:
        f = self.status.result.fanout
        if f is None:
            return [[("no broadcast seen yet", "muted")]]
        whole = f.completeness is not None and f.completeness >= 1
        sign = "" if f.completeness is None else "ok" if whole else "near"
        spread, delivery = f.spread_ms, f.delivery_ms
        apart = "spread on a host" if f.spread_within == "host" else "spread"
        lines = [
            _figure("reached", f"{percent(f.completeness)} %", width, sign),
            _figure("twice or more", count(f.duplicates), width, "near" if f.duplicates else "ok"),
            _figure(f"{apart} p50 · p99", f"{ms(spread.p50)} · {ms(spread.p99)} ms", width),
            _figure("delivery p50 · p99", f"{ms(delivery.p50)} · {ms(delivery.p99)} ms", width),
        ]
        if delivery.offset_ms is not None:
            offset = f"{short(delivery.offset_ms)} ± {short(delivery.uncertainty_ms)} ms"
            lines.append(_figure("clocks apart by", offset, width))
        return lines


def _figure(name: str, text: str, width: int, sign: str = "") -> Line:
    glyph, meaning = SIGNS[sign]
    return [(pad(name, width - 3 - len(text)), "muted"), (text, "text"), (f" {glyph} ", meaning)]


class Spread(Panel):
    """The panel of the spread: a bar for each class of response time."""

    @property
    def _limit(self) -> float | None:
        limit = latency_limit(self.status)
        return limit_ms(limit[1]) if limit else None

    def row_count(self) -> int:
        return max(1, len(self.status.spread))

    def head(self, width: int) -> Line:
        name, whole = "latency spread ms", "  whole run"
        limit = "" if self._limit is None else f"  ▲ over {short(self._limit)}"
        return [(name, "text"), (f"{whole if len(name + whole + limit) + 3 <= width else ''}{limit}", "muted")]

    def rows(self, width: int, height: int) -> list[Line]:
        """Bound, bar and share of each class."""
        spread, limit = self.status.spread, self._limit
        if not spread:
            return [[("no replies yet", "muted")]]
        lines: list[Line] = []
        top = max(share for _, share in spread) or 1.0
        below = 0.0
        for bound, share in spread:
            over = limit is not None and below >= limit
            name = f"> {short(below)}" if bound is None else f"≤ {short(bound)}"
            room = max(0, width - 8 - 11)
            drawn = bar(share / top, room)
            lines.append(
                [
                    (pad(name, 7, right=True) + " ", "muted"),
                    (drawn, "p99" if over else "fill"),
                    (" " * (room - len(drawn)), "text"),
                    (f"{share * 100:>7.2f} %", "text" if share else "muted"),
                    (" ▲" if over and share else "  ", "strong-warn"),
                ]
            )
            if bound is not None:
                below = bound
        return lines


class Events(Panel):
    """The panel of marks; as high as its place."""

    def row_count(self) -> int:
        """As many rows as there is room for."""
        return 1

    def head(self, width: int) -> Line:
        return [("events", "text")]

    def rows(self, width: int, height: int) -> list[Line]:
        """The events that fit, the newest last; what is too long for a row goes on in the next one."""
        if not self.status.marks:
            return [[("nothing yet", "muted")]]
        lines: list[Line] = []
        for mark in self.status.marks[-max(1, height) :]:
            moment = f"{stamp(mark.at_s)} "
            first, *more = wrap(sanitize(mark.text), max(1, width - len(moment) - 3)) or [""]
            sign = (f"{MARKS.get(mark.kind, '·')} ", _MEANINGS.get(mark.kind, "muted"))
            lines.append([(moment, "muted"), sign, (first, "text")])
            lines += [[(" " * (len(moment) + 2), "muted"), (text, "text")] for text in more]
        return lines[-max(1, height) :]


_NOTE_ROWS = 2
_STATES = {
    "healthy": ("says ✓ healthy", "ok"),
    "degraded": ("says ▲ degraded", "warn"),
    "unhealthy": ("says ✗ unhealthy", "bad"),
    "unknown": ("says ? unknown", "warn"),
    "not offered": ("not offered", "muted"),
}


def target_trouble(target: TargetHealth | None) -> Line:
    """In a word that the target says it is not well, or says what the clients do not see; nothing where all is well."""
    if target is None or target.state == "not offered":
        return []
    signs = {claim.sign for claim in target.claims}
    bad = target.state == "unhealthy" or "bad" in signs
    if not bad and target.state == "healthy" and "near" not in signs:
        return []
    glyph, meaning = SIGNS["bad" if bad else "near"]
    return [(" target ", "muted"), (f"{glyph} ", meaning)]


class TargetPanel(Panel):
    """The panel of the target's claims."""

    @property
    def _host(self) -> str:
        try:
            return sanitize(urlsplit(self.status.url).hostname or "")
        except ValueError:
            return ""

    def row_count(self) -> int:
        """A row for each claim and for the note."""
        target = self.status.target
        if target is None:
            return 1
        note = len(self._note(self.size.width - 1)) if target.claims else 1
        return max(1, len(target.claims) + note)

    def _note(self, width: int) -> list[str]:
        note = sanitize(self.status.target.note) if self.status.target is not None else ""
        return wrap(note, max(12, width))[:_NOTE_ROWS] if note else []

    def head(self, width: int) -> Line:
        target = self.status.target
        if target is None:
            return [("target ", "text"), (clip(self._host, width - 9), "text")]
        word, meaning = _STATES.get(target.state, (clip(sanitize(target.state), 12), "muted"))
        room = width - width_of(word) - 11
        host = self._host if width_of(self._host) <= room else self._host.partition(".")[0]
        return [("target ", "text"), (clip(host, room), "text"), (f"  {word}", meaning)]

    def rows(self, width: int, height: int) -> list[Line]:
        """Name, bar, figure and mark of each claim."""
        target = self.status.target
        if target is None:
            return [[("not asked for its health", "muted")]]
        lines: list[Line] = []
        column = min(12, max((width_of(sanitize(c.name)) for c in target.claims), default=0)) + 1
        for claim in target.claims:
            text = clip(sanitize(claim.text), width - column - 5)
            wide = max(10, width_of(text) + 1)
            glyph, mark = SIGNS.get(claim.sign, SIGNS[""])
            lines.append(
                [
                    (pad(sanitize(claim.name), column), "muted"),
                    *gauge(claim.share, width - column - wide - 3, BARS.get(claim.sign, "ok")),
                    (pad(text, wide, right=True), "text"),
                    (f" {glyph} ", mark),
                ]
            )
        told = self._note(width) or ([] if target.claims else ["it offers no health, metrics or stats"])
        return lines + [[(clip(part, width), "muted")] for part in told]
