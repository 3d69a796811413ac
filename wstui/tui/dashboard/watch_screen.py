"""One client while the load runs: its state, and its messages as they pass."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

import msgspec
from rich.cells import chop_cells
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import RichLog

from wstui.execution.run.client_watches import LINES_KEPT, WatchedLines
from wstui.load.protocol import TraceLine
from wstui.measure.sanitize import sanitize
from wstui.report.live.progress_line import watched_rows
from wstui.report.model.cell_text import clip
from wstui.tui.bindings import key
from wstui.tui.dashboard.run_summary import write_told
from wstui.tui.dialogs.filter import FilterDialog
from wstui.tui.kit.key_row import KeyRow
from wstui.tui.kit.row_widget import Line, cells
from wstui.tui.kit.title_bar import TitleBar
from wstui.tui.services import Services, Session

_LOOK_S = 0.25
_INDENT = 23
"""Where the text of a message begins: behind time, direction and size."""
_MEANINGS = {"→": "sent", "←": "received", "•": "strong-accent", "✓": "ok", "✗": "bad"}


def folded(row: str, width: int) -> list[Line]:
    """Return a row of `watched_rows` in rows of at most `width` cells; the text goes on below where it began."""
    body = row.lstrip()
    blank = len(row) - len(body)
    moment, sign, rest = body.partition(" ")
    if moment.endswith("s") and moment[:1].isdigit():
        head: Line = [(" " * blank + moment + sign, "muted"), (rest[:1], _MEANINGS.get(rest[:1], "text"))]
        at = min(_INDENT, len(row)) if rest[:1] in "→←" else len(row) - len(rest) + 2
    else:
        marked = body[:1] in _MEANINGS
        head = [(" " * blank, "text"), (body[:1] if marked else "", _MEANINGS.get(body[:1], "text"))]
        at = blank + 2 * marked
    head.append((row[cells(head) : at], "muted"))
    indent = min(at, max(0, width - 20))
    first, *more = chop_cells(row[at:], max(1, width - at)) or [""]
    below = chop_cells("".join(more), max(1, width - indent))
    return [[*head, (first, "text")], *([(" " * indent, "text"), (part, "text")] for part in below)]


class WatchScreen(Screen[None]):
    """Shows the last thousand lines of a client; paused, it goes on to collect them."""

    manual_topic = "dashboard"

    BINDINGS: ClassVar[list[BindingType]] = [
        key("escape", "back", "Back", "watch.back", "Clear the filter, then leave", shown=True),
        key("space", "pause", "Pause", "watch.pause", "Hold the messages, or follow them again", shown=True),
        key("slash", "filter", "Filter", "watch.filter", "Filter the messages", shown=True, display="/"),
        key("j", "pretty", "JSON", "watch.pretty", "JSON over several lines, or in one", shown=True),
        key("y", "copy", "Copy", "watch.copy", "Copy what is shown", shown=True),
        key("x", "export", "Export", "watch.export", "Export as JSON lines", shown=True),
        key("q", "app.leave", "Quit", "watch.quit", "Quit, asks during a run", shown=True),
    ]

    def __init__(self, session: Session, client: int, services: Services, pattern: str = "") -> None:
        super().__init__()
        self._services = services
        self._watched = WatchedLines(session, client)
        self._lines: deque[TraceLine] = deque(maxlen=LINES_KEPT)
        self._pattern = pattern
        self._pretty = self._paused = False
        self._state = "not seen yet"

    def compose(self) -> ComposeResult:
        yield TitleBar(self._services.clock)
        yield RichLog(max_lines=5 * LINES_KEPT, min_width=1)
        yield KeyRow()

    def on_mount(self) -> None:
        self._look()
        self.set_interval(_LOOK_S, self._look)
        self.app.theme_changed_signal.subscribe(self, lambda _: self.call_after_refresh(self._draw))

    def _look(self) -> None:
        why = self._watched.renew()
        new = self._watched.new()
        self._lines.extend(new)
        self._state = next((line.text for line in reversed(new) if line.kind == "state"), self._state)
        held = "  ‖ paused" if self._paused else ""
        title: Line = [(f"client {self._watched.client}  {why or self._state}{held}", "strong@panel")]
        if self._pattern:
            title.append((f"  filter “{clip(sanitize(self._pattern), 24)}”", "warn@panel"))
        self.query_one(TitleBar).place(title)
        if not self._paused:
            self._write(new)

    def on_resize(self) -> None:
        """Fold the lines for the new width, which the log has once it is laid out."""
        self.call_after_refresh(self._draw)

    def action_back(self) -> None:
        if self._pattern:
            self._filter("")
        else:
            self.app.pop_screen()

    def _write(self, lines: list[TraceLine]) -> None:
        log, palette = self.query_one(RichLog), self.query_one(TitleBar).palette
        width = log.scrollable_content_region.width
        if not width:
            return  # not laid out yet
        for line in lines:
            if self._matches(line):
                for row in watched_rows(line, self._pretty):
                    for part in folded(row, width):
                        ground = log.background_colors[1]
                        styled = ((text, palette.style(meaning, ground)) for text, meaning in part)
                        log.write(Text.assemble(*styled))

    def _matches(self, line: TraceLine) -> bool:
        return self._pattern.lower() in f"{line.step} {line.kind} {line.text}".lower()

    def _shown(self) -> list[TraceLine]:
        return [line for line in self._lines if self._matches(line)]

    def _draw(self) -> None:
        self.query_one(RichLog).clear()
        self._write(list(self._lines))

    def action_pause(self) -> None:
        self._paused = not self._paused
        if not self._paused:
            self._draw()

    def action_pretty(self) -> None:
        self._pretty = not self._pretty
        self._draw()

    def action_filter(self) -> None:
        self.app.push_screen(FilterDialog(self._pattern, self._filter, "messages", "a step, a type, a word …"))

    def _filter(self, pattern: str) -> int:
        self._pattern = pattern
        self._draw()
        return len(self._shown())

    def action_copy(self) -> None:
        shown = self._shown()
        rows = [row for line in shown for row in watched_rows(line, self._pretty)]
        self.app.copy_to_clipboard("\n".join(rows) + "\n")
        self.notify(f"{len(shown)} lines copied")

    def action_export(self) -> None:
        text = "".join(msgspec.json.encode(line).decode() + "\n" for line in self._shown())
        write_told(self, self._services.clock(), f"client-{self._watched.client}.jsonl", text)
