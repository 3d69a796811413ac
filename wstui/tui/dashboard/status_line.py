"""The first row: what state the run is in, which preset loads which server, from where, and the time."""

from __future__ import annotations

from datetime import datetime

from wstui.execution.run.result import Result
from wstui.execution.run.result_sections import Verdict
from wstui.execution.run.state import State
from wstui.execution.run.status import Status
from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import clip, pad, width_of
from wstui.report.model.labels import Tone, verdict_sign
from wstui.tui.kit.row_widget import Line, RowWidget, cells, spread
from wstui.tui.services import SessionOutcome

BADGES = {
    State.STARTING: ("◌ STARTING", "badge-accent"),
    State.RUNNING: ("▶ RUNNING", "badge-ok"),
    State.PAUSED: ("‖ PAUSED", "badge-warn"),
    State.DRAINING: ("▽ DRAINING", "badge-warn"),
    State.COOLDOWN: ("◷ COOLDOWN", "badge-accent"),
    State.FINISHED: ("■ FINISHED", "badge-accent"),
    State.ABORTED: ("■ ABORTED", "badge-warn"),
}
"""Glyph and word of each state, and its meaning in the palette."""
_TONES = {Tone.GOOD: "badge-ok", Tone.NEAR: "badge-warn", Tone.BAD: "badge-bad", Tone.PLAIN: "badge-accent"}


def badge(status: Status) -> tuple[str, str]:
    """The state as glyph, word and colour; once there is a verdict, that."""
    if status.state.ended and not status.result.verdict.running:
        return verdict_badge(status.result.verdict)
    return BADGES[status.state]


def verdict_badge(verdict: Verdict) -> tuple[str, str]:
    """Glyph and word of a verdict, and its meaning in the palette."""
    told = verdict_sign(verdict)
    return f"{told.glyph} {told.word}", "badge-warn" if verdict.aborted else _TONES[told.tone]


def verdict_of(result: Result | None) -> tuple[str, str]:
    """Return how a run ended as glyph and word without a badge, and its meaning; "" where there was none."""
    if result is None:
        return "", "muted"
    text, meaning = verdict_badge(result.verdict)
    return text.lower(), meaning.removeprefix("badge-")


def outcome_badge(outcome: SessionOutcome) -> tuple[str, str]:
    """Return the badge of a run that has ended; an error if nothing was measured."""
    return ("✗ ERROR", "badge-bad") if outcome.result is None else verdict_badge(outcome.result.verdict)


class StatusLine(RowWidget):
    """Badge, preset → URL, host, time of day (UTC)."""

    DEFAULT_CSS = "StatusLine { height: 1; background: $panel; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._status: Status | None = None
        self._now: datetime | None = None
        self._mode = ""
        self._verdict: tuple[str, str] | None = None

    def show(self, status: Status, now: datetime, *, mode: str = "", verdict: tuple[str, str] | None = None) -> None:
        """Draw this picture; `mode` says how it is looked at, `verdict` replaces the badge."""
        self._status, self._now, self._mode, self._verdict = status, now, mode, verdict
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        status, now = self._status, self._now
        if status is None or now is None:
            return []
        word, meaning = self._verdict or badge(status)
        wide = width >= 100
        left: Line = [(f" {word} ", meaning)]
        if self._mode:
            left.append((f" {self._mode} ", "badge-accent"))
        name = status.scenario.name
        if status.suite is not None:
            left.append((f" run {status.suite.index + 1} of {len(status.suite.names)}", "muted"))
        name, url = sanitize(name), sanitize(status.url)
        if width_of(name) + width_of(url) > width - cells(left) - 24:
            name = clip(name, max(20, width // 4))
        left += [(f" {name}", "strong"), (" → ", "muted"), (url, "text")]
        right: Line = []
        if wide:
            right.append((f"{sanitize(status.host)}  ", "muted"))
        right.append((now.strftime("%H:%M:%SZ " if wide else "%H:%MZ "), "muted"))
        if cells(left) + cells(right) >= width and cells(right) > width // 3:
            right = []
        return [spread(left, right, width)]


_MORE = (
    ": these figures are not the server's limit",
    ": this is not the server's limit",
    ": not the server's limit",
    ": not the server",
)
"""What follows from it, in as many words as there is room for."""


class Banner(RowWidget):
    """One row, shown only when there is something to warn of."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._reasons: list[str] = []

    def show(self, status: Status) -> None:
        """Say what limits the generator; show nothing if nothing does."""
        self._reasons = [sanitize(reason) for reason in status.generator.limited_by]
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """Name as many causes as there is room for, the first ones first, and what follows from them."""
        heads = [
            f" ▲ GENERATOR-LIMITED: {', '.join(self._reasons[:number])}" for number in range(len(self._reasons), 0, -1)
        ] or [""]
        said = [f"{head}{more}" for head in heads for more in (*_MORE, "")]
        return [[(pad(next((text for text in said if width_of(text) <= width), heads[-1]), width), "badge-warn")]]
