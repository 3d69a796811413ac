"""A widget painted row by row, which sends only the rows that changed to the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.theme import Theme
from textual.widget import Widget

from wstui.report.model.cell_text import clip, width_of
from wstui.tui.theme import Palette

Part = tuple[str, str]
"""A text and its meaning (see `theme.Palette`)."""
Line = list[Part]
"""One row, left to right."""


def cells(line: Iterable[Part]) -> int:
    return sum(width_of(text) for text, _ in line)


def cut(line: Line, width: int) -> Line:
    """The row, cut to at most `width` cells."""
    out: Line = []
    left = width
    for text, meaning in line:
        if left <= 0:
            break
        wide = width_of(text)
        if wide > left:
            text = clip(text, left)
            wide = width_of(text)
        out.append((text, meaning))
        left -= wide
    return out


def spread(left: Line, right: Line, width: int, fill: Part = (" ", "text")) -> Line:
    """Two ends of a row with `fill` between them; the left one is cut when both do not fit."""
    wide = cells(right)
    if wide >= width:
        return cut(right, width)
    left = cut(left, width - wide - (1 if right else 0))
    gap = width - wide - cells(left)
    return [*left, (fill[0] * gap, fill[1]), *right]


def rule(title: Line, width: int, *, meaning: str = "rule", right: Line | None = None) -> Line:
    """The head of a panel: its title set into a thin line."""
    head: Line = [("─", meaning), *title]
    tail: Line = [*right, ("─", meaning)] if right and cells(head) + cells(right) + 3 <= width else []
    return spread(head, tail, width, ("─", meaning))


class RowWidget(Widget):
    """Base of all painted widgets: subclasses say in `paint` what each row reads.

    `redraw` paints and compares, so calling it four times a second costs the terminal nothing while nothing
    changes. Texts in rows must have been through `sanitize` when they come from outside.
    """

    DEFAULT_CSS = "RowWidget { height: auto; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: list[Line] = []
        self._painted_for: Size | None = None
        self._strips: dict[int, Strip] = {}
        self._palette: Palette | None = None

    def paint(self, width: int, height: int) -> list[Line]:
        """The rows for a content area of this size; fewer rows leave the rest blank."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Paint again and refresh the rows that differ."""
        width, height = self.size
        if not width or not height:
            return
        lines = self.paint(width, height)[:height]
        before, self._painted_for = self._lines, self.size
        if lines == before:
            return
        changed = [
            y
            for y in range(max(len(lines), len(before)))
            if y >= len(lines) or y >= len(before) or lines[y] != before[y]
        ]
        self._lines = lines
        for y in changed:
            self._strips.pop(y, None)
        self.refresh(*(Region(0, y, width, 1) for y in changed))

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._theme_changed)

    def on_unmount(self) -> None:
        """Let go of the signal: it would hold this for as long as the app runs, with all that was painted."""
        self.app.theme_changed_signal.unsubscribe(self)

    def watch_has_focus(self, has_focus: bool) -> None:
        """Paint with or without the focus: `has_focus` changes only now."""
        super().watch_has_focus(has_focus)
        self.redraw()

    def on_resize(self) -> None:
        """Paint for the new size, unless a row of that size has been asked for before this was told."""
        if self._painted_for != self.size:
            self._paint_all()
            self.refresh()

    def _paint_all(self) -> None:
        width, height = self._painted_for = self.size
        self._lines = self.paint(width, height)[:height] if width and height else []
        self._strips.clear()

    def _theme_changed(self, _theme: Theme) -> None:
        self._palette = None
        self._strips.clear()
        self.refresh()

    @property
    def palette(self) -> Palette:
        """The meanings in the colours of the current theme."""
        if self._palette is None:
            theme = self.app.current_theme
            self._palette = Palette(
                self.app.theme_variables,
                ansi=self.app.native_ansi_color,
                dark=theme.dark,
                shades=getattr(self.app, "shades", ()),
            )
        return self._palette

    def render_line(self, y: int) -> Strip:
        """One row as Textual wants it; whatever is drawn first is drawn whole."""
        if self._painted_for != self.size:
            self._paint_all()
        strip = self._strips.get(y)
        if strip is not None:
            return strip
        width = self.size.width
        background = self.background_colors[1]
        style = self.palette.style
        line = cut(self._lines[y], width) if y < len(self._lines) else []
        segments = [Segment(text, style(meaning, background)) for text, meaning in line if text]
        strip = Strip(segments).adjust_cell_length(width, style("text", background))
        self._strips[y] = strip
        return strip


class TallWidget(RowWidget):
    """As tall as the rows that it has for a width."""

    def rows(self, width: int) -> list[Line]:
        raise NotImplementedError

    def changed(self) -> None:
        """Lay out and paint again."""
        self.refresh(layout=True)
        self.redraw()

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self.rows(width))

    def paint(self, width: int, height: int) -> list[Line]:
        return self.rows(width)
