"""What the target says of its own health. Claims, not measurements."""

from __future__ import annotations

from urllib.parse import urlsplit

from wstui.execution.status import TargetHealth
from wstui.tui.widgets.bars import gauge
from wstui.tui.widgets.figures import clean, clip, pad, width_of
from wstui.tui.widgets.limits import BARS, SIGNS
from wstui.tui.widgets.lines import Line
from wstui.tui.widgets.panel import Panel

_STATES = {
    "healthy": ("says ✓ healthy", "ok"),
    "degraded": ("says ▲ degraded", "warn"),
    "unhealthy": ("says ✗ unhealthy", "bad"),
    "not offered": ("not offered", "muted"),
}


class Target(Panel):
    """The panel of the target's claims."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._target: TargetHealth | None = None
        self._host = ""

    def show(self, target: TargetHealth | None, url: str, accent: str = "rule") -> None:
        """Draw these claims."""
        self._target = target
        try:
            self._host = clean(urlsplit(url).hostname or "")
        except ValueError:
            self._host = ""
        self.draw(accent)

    def high(self) -> int:
        """A row for each claim and for the note."""
        if self._target is None:
            return 1
        return max(1, len(self._target.claims) + bool(self._target.note and self._target.claims))

    def head(self, width: int) -> Line:
        """Host and state."""
        target = self._target
        if target is None:
            return [("target ", "text"), (clip(self._host, width - 9), "text")]
        word, meaning = _STATES.get(target.state, (clip(clean(target.state), 12), "muted"))
        room = width - width_of(word) - 11
        host = self._host if width_of(self._host) <= room else self._host.partition(".")[0]
        return [("target ", "text"), (clip(host, room), "text"), (f"  {word}", meaning)]

    def rows(self, width: int, height: int) -> list[Line]:
        """Name, bar, figure and mark of each claim."""
        target = self._target
        if target is None:
            return [[("not asked for its health", "muted")]]
        lines: list[Line] = []
        column = min(12, max((width_of(clean(c.name)) for c in target.claims), default=0)) + 1
        for claim in target.claims:
            text = clip(clean(claim.text), width - column - 5)
            wide = max(10, width_of(text) + 1)
            glyph, mark = SIGNS.get(claim.sign, SIGNS[""])
            lines.append(
                [
                    (pad(clean(claim.name), column), "muted"),
                    *gauge(claim.share, width - column - wide - 3, BARS.get(claim.sign, "ok")),
                    (pad(text, wide, right=True), "text"),
                    (f" {glyph} ", mark),
                ]
            )
        if target.note or not target.claims:
            lines.append([(clip(clean(target.note) or "it offers no health, metrics or stats", width), "muted")])
        return lines
