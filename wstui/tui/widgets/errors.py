"""The errors, grouped by kind and message: count, rate, when first and last, and the latest sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message

from wstui.measure.failure import FailureGroup
from wstui.tui.keymap import key
from wstui.tui.widgets.figures import clean, clip, count, fitting, pad, rate, stamp, width_of
from wstui.tui.widgets.lines import Line, Lines, cells, rule

_NS = 1e9
_KIND = 12


def matches(group: FailureGroup, pattern: str) -> bool:
    """Whether a group shows under a filter: every word occurs in its kind, message or samples."""
    text = " ".join([group.kind, group.message, *(sample.detail for sample in group.samples)]).casefold()
    return all(word in text for word in pattern.casefold().split())


class Errors(Lines, can_focus=True):
    """The table of errors, with a cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("enter", "samples", "Samples", "errors.samples", "Latest samples of a group"),
        key("up,k", "move(-1)", "Up", "errors.up", "One group up"),
        key("down,j", "move(1)", "Down", "errors.down", "One group down"),
        key("pageup", "move(-8)", "Page up", "errors.page_up", "Eight groups up"),
        key("pagedown", "move(8)", "Page down", "errors.page_down", "Eight groups down"),
    ]

    class Chosen(Message):
        """A group whose samples are wanted."""

        def __init__(self, group: FailureGroup) -> None:
            super().__init__()
            self.group = group

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._groups: list[FailureGroup] = []
        self._total = 0
        self._hidden = 0
        self._rates: dict[tuple[str, str], float] = {}
        self._before: dict[tuple[str, str], tuple[float, int]] = {}
        self._cursor = 0
        self._top = 0
        self._pattern = ""
        self._rule = "rule"

    def show(
        self, groups: Sequence[FailureGroup], total: int, at_s: float, pattern: str, rule_meaning: str = "rule"
    ) -> None:
        """Draw these groups at this moment of the run."""
        chosen = self.chosen
        self._measure(groups, at_s)
        self._groups = sorted((g for g in groups if matches(g, pattern)), key=lambda g: (-g.count, g.first_ns))
        self._hidden = len(groups) - len(self._groups)
        self._total, self._pattern, self._rule = total, pattern, rule_meaning
        if chosen is not None:  # the cursor stays on its group when the order changes
            wanted = (chosen.kind, chosen.message)
            places = [i for i, g in enumerate(self._groups) if (g.kind, g.message) == wanted]
            self._cursor = places[0] if places else self._cursor
        self._cursor = max(0, min(self._cursor, len(self._groups) - 1))
        self.redraw()

    @property
    def chosen(self) -> FailureGroup | None:
        """The group under the cursor."""
        return self._groups[self._cursor] if self._cursor < len(self._groups) else None

    def _measure(self, groups: Sequence[FailureGroup], at_s: float) -> None:
        """Rates over the last two seconds or so: the groups carry only totals."""
        for group in groups:
            name = (group.kind, group.message)
            then, number = self._before.setdefault(name, (group.first_ns / _NS, 0))
            if group.count < number or at_s < then:  # the next run of a suite
                then, number = self._before[name] = (group.first_ns / _NS, 0)
            if at_s - then >= 2.0:
                self._rates[name] = (group.count - number) / (at_s - then)
                self._before[name] = (at_s, group.count)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self._cursor = max(0, min(self._cursor + by, len(self._groups) - 1))
        self.redraw()

    def action_samples(self) -> None:
        """Ask for the samples of the group under the cursor."""
        if self.chosen is not None:
            self.post_message(self.Chosen(self.chosen))

    def on_click(self, event: events.Click) -> None:
        """Choose the row clicked; a second click opens its samples."""
        row = self._top + event.y - 2
        if event.y >= 2 and row < len(self._groups):
            if row == self._cursor and event.chain > 1:
                self.action_samples()
            self._cursor = row
            self.redraw()

    def on_mouse_scroll_down(self) -> None:
        """One group down."""
        self.action_move(1)

    def on_mouse_scroll_up(self) -> None:
        """One group up."""
        self.action_move(-1)

    def on_focus(self) -> None:
        """Show the cursor."""
        self.redraw()

    def on_blur(self) -> None:
        """Hide the cursor."""
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        """Head, column names, groups."""
        groups = self._groups
        title: Line = [("errors", "text")]
        if self._total:
            title.append((f"  {count(self._total)}", "strong"))
            title.append((f" in {len(groups)} group{'' if len(groups) == 1 else 's'}", "text"))
        if self._pattern:
            title.append((f"  filter “{clip(clean(self._pattern), 24)}” hides {self._hidden}", "warn"))
        elif groups and self.has_focus:
            title.append(("  enter shows samples", "muted"))
        lines = [rule(title, width, meaning="accent" if self.has_focus else self._rule)]
        if not groups:
            text = "nothing matches the filter" if self._hidden else "none so far"
            return [*lines, [(f" {text}", "muted")]]
        rows = max(1, height - 2)
        self._top = max(0, min(self._top, len(groups) - rows))
        self._top = min(max(self._top, self._cursor - rows + 1), self._cursor)
        longest = max(width_of(clean(group.message)) for group in groups[self._top : self._top + rows])
        heads = ("count", "/s", "kind", "message", "first", "last", "latest sample")
        lines.append(_row(heads, width, longest, "@surface", True))
        lines += [
            self._group_row(group, width, longest, index == self._cursor and self.has_focus)
            for index, group in enumerate(groups[self._top : self._top + rows], self._top)
        ]
        more = len(groups) - self._top - rows
        if more > 0 or self._top > 0:
            text = f" {self._cursor + 1} of {len(groups)} "
            lines[0] = rule(title, width, meaning="accent" if self.has_focus else self._rule, right=[(text, "muted")])
        return lines

    def _group_row(self, group: FailureGroup, width: int, longest: int, selected: bool) -> Line:
        speed = self._rates.get((group.kind, group.message), 0.0)
        sample = group.samples[-1] if group.samples else None
        detail = f"client {sample.client} · {sample.detail}" if sample else ""
        return _row(
            (
                ("›" if selected else " ") + pad(fitting(group.count, 6), 6, right=True),
                rate(speed) if speed >= 0.05 else "·",
                clean(group.kind) + (" (own)" if group.local else ""),
                clean(group.message),
                stamp(group.first_ns / _NS),
                stamp(group.last_ns / _NS),
                clean(detail),
            ),
            width,
            longest,
            "@cursor" if selected else "",
            False,
        )


def _row(texts: tuple[str, str, str, str, str, str, str], width: int, longest: int, ground: str, head: bool) -> Line:
    """The columns that fit: where space is short the sample goes, then the rate. `longest` is the widest message."""
    number, speed, kind, message, first, last, sample = texts
    plain = f"muted{ground}" if head else f"text{ground}"
    quiet = f"muted{ground}"
    wide = width >= 100
    line: Line = [(pad(number, 8, right=True), plain)]
    if width >= 90:
        line.append((pad(speed, 7, right=True), quiet))
    line.append((f"  {pad(kind, _KIND)} ", quiet if head else f"bad{ground}"))
    tail: Line = [(pad(first, 7, right=True), quiet), (" " + pad(last, 7, right=True), plain)]
    room = width - cells(line) - cells(tail) - 2
    if wide:
        column = max(12, min(longest + 2, room * 3 // 5))
        line += [(pad(message, column) + " ", plain), *tail, (" " * 3, plain)]
        line.append((pad(sample, max(0, width - cells(line) - 1)), quiet))
    else:
        line += [(pad(message, max(4, room)), plain), *tail]
    line.append((" " * max(0, width - cells(line)), plain))
    return line
