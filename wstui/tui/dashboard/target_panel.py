"""What the target says of its own health. Claims, not measurements."""

from __future__ import annotations

from urllib.parse import urlsplit

from wstui.execution.run.status import TargetHealth
from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import clip, pad, width_of, wrap
from wstui.tui.dashboard.panel import Panel
from wstui.tui.dashboard.thresholds import BARS, SIGNS
from wstui.tui.kit.bars import gauge
from wstui.tui.kit.row_widget import Line

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
