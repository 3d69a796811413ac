"""The runs that were kept: look through them, lay two over each other, and read what changed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.screen import Screen

from wstui.execution.run.result import Result
from wstui.measure.format import moment
from wstui.tui import requests
from wstui.tui.bindings import key
from wstui.tui.dialogs.dialog import DialogField, Form
from wstui.tui.dialogs.filter import FilterDialog
from wstui.tui.dialogs.questions import ConfirmDialog
from wstui.tui.kit.compact_view import CompactView
from wstui.tui.kit.key_row import KeyRow
from wstui.tui.kit.list_table import ListTable
from wstui.tui.kit.title_bar import TitleBar
from wstui.tui.runs.comparison import ChangeTable, Overlay
from wstui.tui.runs.run_table import SORTS, MarkedRun, RunTable, verdict_told
from wstui.tui.services import Runs, Services

if TYPE_CHECKING:
    from wstui.report.analysis.compare import Comparison
    from wstui.report.store.store import StoredRun

SHOWN = 500
"""How many runs are listed, the newest."""
LIVE_S = 1.0
"""How often the newest runs are read again."""
_LIVE = 20
_Kept = TypeVar("_Kept")


_OF_A_RUN = ("mark", "compare", "trend", "rerun", "replay", "export", "sort", "turn", "tag", "delete")


class RunsScreen(Screen[None]):
    """The list, and two of the runs compared."""

    manual_topic = "runs"
    AUTO_FOCUS = "RunTable"
    BINDINGS: ClassVar[list[BindingType]] = [
        key("escape", "back", "Back", "runs.back", "Clear the filter, then the marks, then leave", shown=True),
        key("space", "mark", "Mark", "runs.mark", "Mark for comparing or deleting; of two the older is A", shown=True),
        key("c", "compare", "Compare", "runs.compare", "Compare A with B, or with the run before", shown=True),
        key("T", "trend", "Trend", "runs.trend", "A metric over the runs of this preset", shown=True),
        key("r", "rerun", "Rerun", "runs.rerun", "Run it again, asks first", shown=True),
        key("p", "replay", "Replay", "runs.replay", "Replay it as it was shown, or two side by side", shown=True),
        key("x", "export", "Export", "runs.export", "Write it as a report: HTML, JSON, CSV …", shown=True),
        key("slash", "filter", "Filter", "runs.filter", "Filter by preset or verdict", shown=True, display="/"),
        key("s", "sort", "Sort", "runs.sort", "Sort by the next column", shown=True),
        key("S", "turn", "Reverse", "runs.turn", "Turn the order round"),
        key("t", "tag", "Tag", "runs.tag", "Tag this run: tagged runs are never pruned", shown=True),
        key("q", "app.leave", "Quit", "runs.quit", "Quit", shown=True),
        key("delete", "delete", "Delete", "runs.delete", "Delete this run, or all that are marked with it", shown=True),
    ]

    def __init__(self, services: Services, runs: Runs, marked: tuple[int, int] | None = None, at: int = 0) -> None:
        """`marked` are compared at once; the cursor is on run `at`."""
        super().__init__()
        self.services = services
        self._runs = runs
        self._marked_first = marked
        self._at = at
        self._kept: list[StoredRun] = []
        self._marks: list[int] = []
        self._brought: list[int] = []  # the marks that the screen was opened with
        self._pattern = ""

    def compose(self) -> ComposeResult:
        yield TitleBar(self.services.clock, "run history")
        yield RunTable()
        with Horizontal(id="comparison"):
            yield Overlay()
            yield ChangeTable()
        yield KeyRow()
        yield CompactView(lambda width: self.query_one(RunTable).compact(width))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide the keys that act on a run while the list is empty."""
        return action not in _OF_A_RUN or not self.is_mounted or bool(self.query_one(RunTable).items)

    def hides(self, action: str) -> bool:
        """Return whether a key has nothing to work on: opening is a key of the table."""
        return action == "choose" and not self.query_one(RunTable).items

    def on_mount(self) -> None:
        self.look()
        table = self.query_one(RunTable)
        table.go_to(next((item for item in table.items if item.run.id == self._at), None))
        if self._marked_first is not None:
            self.compare(*self._marked_first)
        self.set_interval(LIVE_S, self._live)

    def last_view(self) -> dict[str, object]:
        return {"screen": "runs", "runs": [self._chosen.id] if self._chosen else []}

    def look(self) -> None:
        self._kept = list(self._attempt(lambda: self._runs.newest(SHOWN)) or [])
        self._list()

    def _live(self) -> None:
        """Follow the runs that go on, here or elsewhere."""
        if not self.is_current:
            return
        with contextlib.suppress(Exception):  # a store that is busy now is read a second later
            fresh = {run.id: run for run in self._runs.newest(_LIVE)}
            known = {run.id for run in self._kept}
            least = min(fresh, default=0)
            kept = [fresh.get(run.id, run) for run in self._kept if run.id in fresh or run.id < least]
            kept = [*(run for number, run in fresh.items() if number not in known), *kept]
            if kept != self._kept:
                self._kept = kept
                self._list()

    def _attempt(self, read: Callable[[], _Kept]) -> _Kept | None:
        try:
            return read()
        except Exception as error:
            self.notify(str(error) or type(error).__name__, severity="error")
            return None

    def _list(self) -> None:
        table = self.query_one(RunTable)
        letters = dict(zip(sorted(self._marks), "AB" if len(self._marks) < 3 else "●" * len(self._marks), strict=False))
        shown = [run for run in self._kept if self._matches(run)]
        self.query_one(ChangeTable).count(len(self._kept))
        table.hidden, table.pattern = len(self._kept) - len(shown), self._pattern
        by = SORTS[table.sort].by
        known = [run for run in shown if by(run) is not None]
        known.sort(key=by, reverse=not table.ascending)
        table.set_items(
            [MarkedRun(run, letters.get(run.id, "")) for run in (*known, *(r for r in shown if by(r) is None))]
        )
        self.refresh_bindings()

    def _matches(self, run: StoredRun) -> bool:
        text = f"{run.name} {run.state} {verdict_told(run)} {moment(run.started)}".casefold()
        return all(word in text for word in self._pattern.casefold().split())

    @property
    def _chosen(self) -> StoredRun | None:
        chosen = self.query_one(RunTable).selected
        return chosen.run if chosen is not None else None

    def action_mark(self) -> None:
        """Mark the run, or take its mark away; two that are marked are compared at once."""
        run = self._chosen
        if run is None:
            return
        if run.id in self._marks:
            self._marks.remove(run.id)
        else:
            self._marks.append(run.id)
        if len(self._marks) != 2:
            self._clear()
        self._list()
        if len(self._marks) == 2:
            self.action_compare()

    def action_sort(self) -> None:
        shown = [column.title for column in self.query_one(RunTable).columns(self.size.width)]
        self.sort(shown[(shown.index(self.query_one(RunTable).sort) + 1) % len(shown)])

    def action_turn(self) -> None:
        self.sort(self.query_one(RunTable).sort)

    def sort(self, title: str) -> None:
        """Sort by a column, names from A to Z and figures from the largest; once more turns the order round."""
        table = self.query_one(RunTable)
        table.ascending = not table.ascending if title == table.sort else title in ("preset", "verdict")
        table.sort = title
        self._list()

    def on_run_table_sorted(self, message: RunTable.Sorted) -> None:
        self.sort(message.title)

    def action_compare(self) -> None:
        """The marked runs, or this one with the one of the same name before it."""
        if len(self._marks) == 2:
            self._compare(*sorted(self._marks))
            return
        if len(self._marks) > 2:
            self.notify(f"{len(self._marks)} runs are marked: two can be compared", severity="warning")
            return
        run = self._chosen
        if run is None:
            return
        before = next((r for r in self._kept if r.id < run.id and r.may_be_of(run.file, run.name)), None)
        if before is None:
            self.notify(
                f"this is the first run of {run.name}: mark two runs with space to compare them", severity="warning"
            )
            return
        self.compare(before.id, run.id)
        self._brought = []

    def compare(self, before: int, after: int) -> None:
        """Mark two runs and show what changed."""
        self._marks, self._brought = [before, after], [before, after]
        self._list()
        self._compare(before, after)

    def _compare(self, before: int, after: int) -> None:
        def read() -> tuple[Comparison, Result, Result]:
            return self._runs.compare(before, after), self._runs.result(before), self._runs.result(after)

        read_ = self._attempt(read)
        if read_ is None:
            return
        comparison, first, second = read_
        self.add_class("-comparing")
        self.query_one(Overlay).show(first, second, (before, after))
        self.query_one(ChangeTable).show(comparison, first, second)

    def action_trend(self) -> None:
        from wstui.tui.runs.trend_screen import TrendScreen

        if (run := self._chosen) is not None:
            self.app.push_screen(TrendScreen(self.services, self._runs, run.name))

    @on(ListTable.Chosen)
    def _opened(self) -> None:
        run = self._chosen
        if run is not None:
            self.post_message(requests.OpenStored(run))

    def action_rerun(self) -> None:
        run = self._chosen
        if run is not None:
            self.post_message(requests.RerunStored(run))

    def action_replay(self) -> None:
        numbers = sorted(self._marks) if len(self._marks) == 2 else [self._chosen.id] if self._chosen else []
        runs = self._attempt(lambda: [(f"run {number}", self._runs.recording(number)) for number in numbers])
        if runs and all(recording.rows for _, recording in runs):
            self.post_message(requests.OpenReplay(runs))
        elif runs:
            self.notify("nothing to replay: it ended before its first second was over", severity="warning")

    def action_export(self) -> None:
        run = self._chosen
        result = self._attempt(lambda: self._runs.result(run.id)) if run is not None else None
        if run is not None and result is not None:
            self.post_message(requests.AskExport(result, run.id))

    def action_filter(self) -> None:
        self.app.push_screen(FilterDialog(self._pattern, self._filter, "runs", "quick, failed, 23 Nov …"))

    def _filter(self, pattern: str) -> int:
        self._pattern = pattern
        self._list()
        return len(self.query_one(RunTable).items)

    def action_tag(self) -> None:
        run = self._chosen
        if run is not None:
            self.app.push_screen(TagDialog(run), lambda tags: self._tag(run, tags))

    def _tag(self, run: StoredRun, tags: list[str] | None) -> None:
        if tags is not None:
            self._attempt(lambda: self._runs.tag(run.id, tags))
            self.look()

    def action_delete(self) -> None:
        """Delete a run, or all marked ones that are listed where it is one of them, after asking."""
        run = self._chosen
        if run is None:
            return
        marked = [item.run for item in self.query_one(RunTable).items if item.run.id in self._marks]
        runs = marked if run in marked else [run]
        numbers = [one.id for one in runs]
        told = f"Run {run.id} of {run.name}" if len(runs) == 1 else f"Runs {', '.join(map(str, sorted(numbers)))}"
        text = f"{told}: all that was measured is deleted."
        question = "Delete this run?" if len(runs) == 1 else f"Delete {len(runs)} runs?"
        self.app.push_screen(
            ConfirmDialog(question, text, "Delete"), lambda sure: self._delete(numbers) if sure else None
        )

    def _delete(self, numbers: list[int]) -> None:
        told = f"run {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} runs"
        self.notify(f"deleting {told} …")

        def delete() -> None:  # in a thread: another process may hold the store for seconds
            try:
                self._runs.delete(numbers)
            except Exception as error:
                self.app.call_from_thread(self.notify, str(error) or type(error).__name__, severity="error")
            else:
                self.app.call_from_thread(self._deleted, numbers, told)

        self.run_worker(delete, thread=True, name="delete", exit_on_error=False)

    def _deleted(self, numbers: list[int], told: str) -> None:
        self._marks = [number for number in self._marks if number not in numbers]
        if len(self._marks) != 2:
            self._clear()
        self.look()
        self.notify(f"{told} deleted")

    def action_back(self) -> None:
        if self._pattern:
            self._filter("")
        elif (self._marks or self.has_class("-comparing")) and self._marks != self._brought:
            self._marks = []
            self._clear()
            self._list()
        else:
            self.app.pop_screen()

    def _clear(self) -> None:
        self.remove_class("-comparing")
        self.query_one(Overlay).clear()
        self.query_one(ChangeTable).clear()


class TagDialog(Form[list[str]]):
    """Asks for the tags of a run; the answer is all of them."""

    title_text = "Tag this run"
    SEND = "Tag"

    def __init__(self, run: StoredRun) -> None:
        super().__init__()
        self._run = run

    def fields(self) -> Iterable[DialogField]:
        yield DialogField("tags", "tags", " ".join(self._run.tags), str.split, self._hint, placeholder="baseline")

    def _hint(self, tags: list[str]) -> str:
        return f"wstui runs show {tags[0]}" if tags else "separated by spaces; tagged runs are never pruned"

    def answer(self, values: dict[str, Any]) -> list[str]:
        return list(values["tags"])
