"""The lines of the checklist, and its verdict."""

from __future__ import annotations

from wstui.execution.preflight.checklist import Check, CheckMark
from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import clip, pad, wrap
from wstui.tui.kit.compact_view import as_rows
from wstui.tui.kit.row_widget import Line, TallWidget, rule

SIGNS = {CheckMark.PASS: ("✓", "ok"), CheckMark.WARN: ("▲", "warn"), CheckMark.FAIL: ("✗", "bad")}
"""Glyph and meaning of how a check ended."""
_TURNING = "◐◓◑◒"
_NEXT = {
    "": "the name of the target", "nats": "the name of the target", "resolve": "a connection", "connect": "the upgrade",
    "tls": "the upgrade", "upgrade": "the welcome", "welcome": "the first reply", "settle": "the first reply",
    "reply": "the health endpoints", "health": "the clocks, then this machine", "client": "the health endpoints",
}  # fmt: skip
"""The next thing that is checked after each check, for a person who waits."""


class Checks(TallWidget):
    """A row for each check with its fix below it, then what came of all of them."""

    DEFAULT_CSS = "Checks { height: auto; }"

    def __init__(self, name: str, place: str) -> None:
        super().__init__()
        self._title, self._place = name, place
        self._checks: list[Check] = []
        self._busy = False
        self._turn = 0

    def begin(self) -> None:
        self._checks = []
        self._busy = True
        self.changed()

    def add(self, check: Check) -> None:
        self._checks.append(check)
        self.changed()

    def end(self) -> None:
        self._busy = False
        self.changed()

    def turn(self) -> None:
        """Show that something is going on."""
        if self._busy:
            self._turn = (self._turn + 1) % len(_TURNING)
            self.redraw()

    def rows(self, width: int) -> list[Line]:
        title: Line = [
            (sanitize(self._title), "strong"),
            (f"  {clip(sanitize(self._place), max(0, width - 24))}", "muted"),
        ]
        lines: list[Line] = [rule(title, width, meaning="accent"), []]
        names = max([11, *(len(check.name) for check in self._checks)])
        names = min(names, max(11, width // 3))
        for check in self._checks:
            glyph, meaning = SIGNS[check.mark]
            quiet = check.mark is CheckMark.PASS
            for index, part in enumerate(wrap(sanitize(check.text), width - names - 6)):
                head: Line = [("   ", "text"), (pad("", names + 1), "text")]
                if not index:
                    head = [
                        (f" {glyph} ", meaning),
                        (pad(sanitize(check.name), names + 1), "text" if meaning == "ok" else meaning),
                    ]
                lines.append([*head, (part, "muted" if quiet else "text")])
            for index, part in enumerate(wrap(sanitize(check.fix), width - names - 8) if check.fix else ()):
                lines.append([(" " * (names + 4), "text"), ("→ " if not index else "  ", meaning), (part, "text")])
        lines += [[], self._verdict()]
        return lines

    def compact(self, width: int) -> list[Line]:
        """Return the totals, and the checks that did not pass."""
        lines: list[Line] = [[("checklist  ", "muted"), (sanitize(self._title), "strong")], self._verdict()]
        for check in self._checks:
            if check.mark is not CheckMark.PASS:
                glyph, meaning = SIGNS[check.mark]
                lines += as_rows(f"{glyph} {sanitize(check.name)}: {sanitize(check.text)}", width, meaning)
        return lines

    def _verdict(self) -> Line:
        if self._busy:
            last = self._checks[-1].name.split()[-1] if self._checks else ""
            return [
                (f" {_TURNING[self._turn]} ", "accent"),
                (f"looking at {_NEXT.get(last, 'this machine')} …", "muted"),
            ]
        failed = sum(check.mark is CheckMark.FAIL for check in self._checks)
        warned = sum(check.mark is CheckMark.WARN for check in self._checks)
        said = f"{len(self._checks)} checks"
        if failed:
            more = f", {warned} warned" if warned else ""
            return [(" ✗ ", "strong-bad"), (f"{said}, {failed} failed{more}: fix these first", "strong")]
        if warned:
            return [
                (" ▲ ", "strong-warn"),
                (f"{said}, {warned} warned: ", "strong"),
                ("enter runs it all the same", "text"),
            ]
        return [(" ✓ ", "strong-ok"), (f"{said}, all passed: ", "strong"), ("enter runs it", "text")]
