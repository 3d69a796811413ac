"""What the target says of its own health. Claims, not measurements."""

from __future__ import annotations

from urllib.parse import urlsplit

from wstui.execution.status import TargetHealth
from wstui.tui.widgets.bars import meter
from wstui.tui.widgets.figures import clean, clip, pad, width_of
from wstui.tui.widgets.limits import SIGNS
from wstui.tui.widgets.lines import Line, Lines, rule

_STATES = {
    "healthy": ("✓ healthy", "ok"),
    "degraded": ("▲ degraded", "warn"),
    "unhealthy": ("✗ unhealthy", "bad"),
    "not offered": ("says nothing of itself", "muted"),
}
_BARS = {"near": "warn", "bad": "bad"}


class Target(Lines):
    """The panel of the target's claims."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._target: TargetHealth | None = None
        self._host = ""
        self._rule = "rule"

    def show(self, target: TargetHealth | None, url: str, rule_meaning: str = "rule") -> None:
        """Draw these claims."""
        before = self.get_content_height()
        self._target, self._rule = target, rule_meaning
        try:
            self._host = urlsplit(url).hostname or ""
        except ValueError:
            self._host = ""
        if self.get_content_height() != before:
            self.refresh(layout=True)
        self.redraw()

    def get_content_height(self, *_: object) -> int:
        """A head, and a row for each claim or for the note."""
        if self._target is None:
            return 2
        return 1 + max(1, len(self._target.claims) + bool(self._target.note and self._target.claims))

    def paint(self, width: int, height: int) -> list[Line]:
        """Head with host and state, then name, bar, figure and mark of each claim."""
        target = self._target
        title: Line = [("target ", "text"), (clip(clean(self._host), width // 2), "text")]
        if target is None:
            return [rule(title, width, meaning=self._rule), [("not asked for its health", "muted")]]
        word, meaning = _STATES.get(target.state, (clean(target.state), "muted"))
        title.append((f"  {word}", meaning))
        lines = [rule(title, width, meaning=self._rule)]
        column = min(12, max((width_of(clean(c.name)) for c in target.claims), default=0)) + 1
        for claim in target.claims:
            text = clip(clean(claim.text), width - column - 5)
            figure = max(10, width_of(text) + 1)
            bar = max(0, width - column - figure - 3)
            middle = meter(claim.share, bar, _BARS.get(claim.sign, "ok")) if claim.share is not None and bar >= 3 else [(" " * bar, "text")]
            glyph, mark = SIGNS.get(claim.sign, SIGNS[""])
            lines.append(
                [
                    (pad(clean(claim.name), column), "muted"),
                    *middle,
                    (pad(text, figure, right=True), "text"),
                    (f" {glyph} ", mark),
                ]
            )
        if target.note or not target.claims:
            lines.append([(clip(clean(target.note) or "no figures", width), "muted")])
        return lines
