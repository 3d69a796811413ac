"""The manual: the topics beside the page, and words found in all of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import ClassVar

from rich.console import Console
from rich.markdown import Markdown
from rich.style import Style
from rich.theme import Theme
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import Screen
from textual.widgets import Input

from wstui.manual.pages import TOPICS, Manual, Place
from wstui.report.model.cell_text import clip
from wstui.tui.bindings import key
from wstui.tui.kit.compact_view import CompactView
from wstui.tui.kit.key_row import KeyRow
from wstui.tui.kit.list_table import ListTable
from wstui.tui.kit.page import Page
from wstui.tui.kit.row_widget import Line, spread
from wstui.tui.kit.title_bar import TitleBar

_THEME = Theme(
    {
        **{f"markdown.h{level}": "bold" for level in range(1, 8)},
        "markdown.code": "cyan",
        "markdown.code_block": "cyan",
        "markdown.table.header": "bold",
        "markdown.table.border": "dim",
        "markdown.item.bullet": "cyan",
        "markdown.hr": "dim",
        "markdown.link": "none",
        "markdown.link_url": "dim",
    }
)
_HEADLESS = re.compile(r"(?<=\n\n)\|(?:-{3,}\|)+$", re.MULTILINE)
"""The line below the heads of a table that has none: the pages leave them out, and Markdown needs them."""


def markdown_rows(text: str, width: int) -> list[Line]:
    """Return a page in rows of at most `width` cells."""
    text = _HEADLESS.sub(lambda rule: f"{'| ' * (rule[0].count('|') - 1)}|\n{rule[0]}", text)
    console = Console(width=max(width, 20), theme=_THEME, color_system="truecolor", force_terminal=True)
    rows = console.render_lines(Markdown(text, hyperlinks=False), pad=False)
    return [[(segment.text, _meaning(segment.style)) for segment in row if segment.text] for row in rows]


def _meaning(style: Style | None) -> str:
    if style is None:
        return "text"
    if style.bold and not style.bgcolor:
        return "strong"
    return "muted" if style.dim else "accent" if style.color and not style.color.is_default else "text"


def highlighted(line: Line, words: list[str]) -> Line:
    """Return a row with the words on the ground of the cursor."""
    if not words:
        return line
    found = re.compile(f"({'|'.join(map(re.escape, words))})", re.IGNORECASE)
    return [
        (part, f"{meaning}@cursor" if place % 2 else meaning)
        for text, meaning in line
        for place, part in enumerate(found.split(text))
        if part
    ]


_NAMES = max(map(len, TOPICS)) + 1


class Topics(ListTable[Place]):
    """The topics, or the places where words were found."""

    words = ""

    def head(self, width: int) -> Line:
        """Say what is listed."""
        return [(f' {len(self.items)} found: "{self.words}" ' if self.words else " topics ", "strong")]

    def names(self, width: int) -> Line:
        return [(f" {'TOPIC':<{_NAMES}}{'WHERE' if self.words else 'ABOUT'}", "muted")]

    def row(self, item: Place, width: int, *, selected: bool) -> Line:
        """Show the topic, and the heading or summary."""
        ground = "@cursor" if selected else ""
        topic = (f" {item.topic:<{_NAMES}}", f"strong{ground}")
        return spread(
            [topic, (clip(item.heading, max(0, width - _NAMES - 1)), f"text{ground}")],
            [],
            width,
            (" ", f"text{ground}"),
        )

    def empty(self) -> str:
        """Say that nothing was found."""
        return f'no page has "{self.words}"'

    def key_of(self, item: Place) -> Place:
        """Tell places apart."""
        return item


class ManualScreen(Screen[None]):
    """Reads the manual; leaves everything below as it was."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        key("slash", "find", "Find", "manual.find", "Find words in all pages", shown=True, display="/"),
        key("left", "topics", "Topics", "manual.topics", "Back to the list of topics", shown=True),
        key("right", "read", "Read", "manual.read", "Read the page", shown=True),
        key("escape", "back", "Back", "manual.back", "One step back: words, list, screen", shown=True),
        key("q", "app.leave", "Quit", "manual.quit", "Quit, asks during a run", shown=True),
        key("up,k", "scroll(-1)", "Up", "manual.up", "One row up"),
        key("down,j", "scroll(1)", "Down", "manual.down", "One row down"),
        key("pageup", "page(-1)", "Page up", "manual.page_up", "A page up"),
        key("pagedown,space", "page(1)", "Page down", "manual.page_down", "A page down"),
        key("home,g", "scroll(-100000)", "Top", "manual.first", "Top of the page"),
        key("end,G", "scroll(100000)", "End", "manual.last", "End of the page"),
    ]

    def __init__(self, manual: Manual, clock: Callable[[], datetime], topic: str) -> None:
        super().__init__()
        self._manual, self._clock = manual, clock
        self._shown = Place(topic, "", "")
        self._from_list = False
        self._rows = lru_cache(4)(self._laid_out)
        self.topics = Topics(id="manual-topics")
        self._input = Input(id="manual-words", placeholder="words to find in all pages", compact=True)
        self._page = Page([self._section])
        self._scroll = VerticalScroll(self._page, id="manual-page", can_focus=False)

    def compose(self) -> ComposeResult:
        """The words to find, topics and page side by side, the keys."""
        yield TitleBar(self._clock, "manual")
        yield self._input
        yield Horizontal(self.topics, self._scroll, id="manual")
        yield KeyRow()
        yield CompactView(self._compact)

    def on_mount(self) -> None:
        """Open the page that was asked for."""
        self._list(self._topics())
        self.action_read()
        self._from_list = False

    @property
    def words(self) -> str:
        return self._input.value.strip()

    def _topics(self) -> list[Place]:
        return [Place(topic, summary, "") for topic, summary in self._manual.summaries.items()]

    def _list(self, places: list[Place]) -> None:
        self.topics.words = self.words
        self.topics.set_items(places)
        self.topics.go_to(next((place for place in places if place.topic == self._shown.topic), None))
        self._show(self.topics.selected)

    def _show(self, place: Place | None) -> None:
        """Show a page, at the place that was found."""
        if place is None:
            return
        if place.topic != self._shown.topic or place.line != self._shown.line:
            self._shown = place
        self._page.show([self._section])
        self.call_after_refresh(self._go_to_place)

    def _go_to_place(self) -> None:
        self._scroll.scroll_to(y=self._row_of(self._shown), animate=False)

    def _row_of(self, place: Place) -> int:
        """The row of a place on its page: below its heading, the first with the first word of its line."""
        if not place.line:
            return 0
        rows = ["".join(text for text, _ in row).strip() for row in self._rows(place.topic, self._width)]
        heading = rows.index(place.heading) if place.heading in rows else 0
        words = self.words.casefold().split()[:1]
        found = (row for row in range(heading, len(rows)) if any(word in rows[row].casefold() for word in words))
        return max(heading, next(found, heading) - 2)

    @property
    def _width(self) -> int:
        return self._page.size.width

    def _laid_out(self, topic: str, width: int) -> list[Line]:

        return markdown_rows(self._manual.text(topic), width)

    def _section(self, width: int) -> list[Line]:

        words = self.words.split()
        return [highlighted(row, words) for row in self._rows(self._shown.topic, width)]

    def _compact(self, width: int) -> list[Line]:
        return self._rows(self._shown.topic, width)[int(self._scroll.scroll_y) :]

    # finding

    def action_find(self) -> None:
        self.add_class("-finding")
        self._input.focus()

    @on(Input.Changed)
    def _look(self) -> None:
        if self.words:
            self._find(self.words)
        else:
            self._list(self._topics())

    @work(thread=True, exclusive=True, group="find")
    def _find(self, words: str) -> None:
        """In a thread: the first time, every generated section is made."""
        places = self._manual.find(words)
        self.app.call_from_thread(self._found, words, places)

    def _found(self, words: str, places: list[Place]) -> None:
        if words == self.words:  # else more was typed meanwhile
            self._list(places)

    @on(Input.Submitted)
    def _to_places(self) -> None:
        self.action_topics()

    # from one part to the other

    @on(ListTable.Moved)
    def _moved(self) -> None:
        self._show(self.topics.selected)

    @on(ListTable.Chosen)
    def action_read(self) -> None:
        """Read the page: a narrow terminal gives it all of its width."""
        self._from_list = True
        self.add_class("-reading")
        self.set_focus(None)
        self.call_after_refresh(self._go_to_place)

    def action_topics(self) -> None:
        self.remove_class("-reading")
        self.topics.focus()

    def action_back(self) -> None:
        """Take one step back: from the page to the list it was opened from, from found words, from the manual."""
        if self.has_class("-reading") and self._from_list:
            self.action_topics()
        elif self.has_class("-finding"):
            self.remove_class("-finding")
            self._input.value = ""
            self.action_topics()
        else:
            self.app.pop_screen()

    def action_scroll(self, rows: int) -> None:
        self._scroll.scroll_relative(y=rows, animate=False)

    def action_page(self, pages: int) -> None:
        self._scroll.scroll_relative(y=pages * max(1, self._scroll.size.height - 2), animate=False)
