"""The start screen: which presets there are, what each would do, and how the last run of it went."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen

from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import tilde
from wstui.scenario.fresh import fresh, scenario_for
from wstui.scenario.presets import available, recent_files
from wstui.scenario.secrets import mask_url
from wstui.tui import requests
from wstui.tui.bindings import key
from wstui.tui.dialogs.file_dialogs import NewDialog, SaveDialog
from wstui.tui.dialogs.filter import FilterDialog
from wstui.tui.dialogs.questions import ConfirmDialog
from wstui.tui.kit import chart
from wstui.tui.kit.compact_view import CompactView
from wstui.tui.kit.key_row import KeyRow
from wstui.tui.kit.list_table import ListTable
from wstui.tui.kit.title_bar import TitleBar
from wstui.tui.services import Services
from wstui.tui.start.preset_choice import PresetChoice, choices, match_rank
from wstui.tui.start.preset_list import PresetDetails, PresetTable, Welcome

if TYPE_CHECKING:
    from wstui.report.store.store import StoredRun

_READ_AFTER_S = 0.1
"""How long after the first picture presets are read, and between what is loaded for the next screens."""
RECENT = 200
"""How many stored runs are looked through for the last one of each preset."""


class StartScreen(Screen[None]):
    """Choose a preset; run it, edit it, copy it, or begin with a demo."""

    manual_topic = "presets"
    AUTO_FOCUS = "PresetTable"
    BINDINGS: ClassVar[list[BindingType]] = [
        key("e", "edit", "Edit", "preset.edit", "Look into it, change it, save it", shown=True),
        key("m", "demo", "Demo", "preset.demo", "Start a server here, and run quick against it", shown=True),
        key("n", "new", "New", "preset.new", "Make a scenario for a server, by what it speaks", shown=True),
        key("i", "import", "Import", "preset.import", "Make a scenario from a recorded session: a HAR, a recording"),
        key("slash", "filter", "Filter", "preset.filter", "Filter by name or description", shown=True, display="/"),
        key("h", "app.runs", "Runs", "preset.runs", "Run history", shown=True),
        key("c", "checklist", "Check", "preset.check", "Look at everything that a run of it needs", shown=True),
        key("d", "duplicate", "Duplicate", "preset.duplicate", "Copy it into your own presets", shown=True),
        key("delete", "delete", "Delete", "preset.delete", "Delete one of your own presets", shown=True),
        key("escape", "back", "All", "preset.all", "Clear the filter", shown=True),
        key("q", "app.leave", "Quit", "preset.quit", "Quit", shown=True),
    ]

    def __init__(self, services: Services, preset: str = "") -> None:
        """The cursor begins on `preset`."""
        super().__init__()
        self._first = preset
        self.services = services
        self._choices: list[PresetChoice] = []
        self._pattern = ""

    def on_mount(self) -> None:
        self.call_after_refresh(lambda: self.set_timer(_READ_AFTER_S, self._read))

    def _read(self) -> None:
        """Read the preset under the cursor, which builds what the editor and a run need, and tell about it."""
        if (chosen := self._chosen) is not None:
            chosen.entry.content  # noqa: B018 - read once
        details = self.query_one(PresetDetails)
        details.is_ready = True
        details.redraw()
        self.set_timer(_READ_AFTER_S, self._prepare)

    def _prepare(self) -> None:
        """Load what the next screens need, one at a time: a key waits for no more than that."""
        for prepare in (chart.kernel, _editor):
            if not prepare.cache_info().currsize:
                prepare()
                self.set_timer(_READ_AFTER_S, self._prepare)
                return

    def compose(self) -> ComposeResult:
        """What this is, the presets, the one under the cursor, the keys."""
        yield TitleBar(self.services.clock)
        with Horizontal(id="start"):
            with Vertical(id="choice"):
                yield PresetTable()
                yield Welcome()
            yield PresetDetails()
        yield KeyRow()
        yield CompactView(lambda width: self.query_one(PresetTable).compact(width))

    def on_screen_resume(self) -> None:
        """There may be other presets or newer runs."""
        self.look()

    def look(self) -> None:
        """Read the presets and how their last runs went; put the cursor on one that was not there before."""
        before = {choice.entry.path for choice in self._choices}
        self._choices = choices([*available(), *recent_files()], self._ended_runs())
        self.set_class(not any(choice.last for choice in self._choices), "-fresh")
        self._filter(self._pattern)
        table = self.query_one(PresetTable)
        wanted = lambda c: c.entry.path not in before if before else c.name == self._first  # noqa: E731
        table.go_to(next(filter(wanted, table.items), None))

    def last_view(self) -> dict[str, object]:
        return {"preset": self._chosen.name if self._chosen else ""}

    def _filter(self, pattern: str) -> int:
        """Show the presets that have these words in them; how many there are."""
        self._pattern = pattern
        words = pattern.lower().split()
        shown = [choice for choice in self._choices if all(word in choice.words for word in words)]
        table = self.query_one(PresetTable)
        table.hidden, table.pattern = len(self._choices) - len(shown), pattern
        table.set_items(shown)
        if words:
            table.go_to(min(shown, key=lambda choice: match_rank(choice.name, pattern), default=None))
        self._describe()
        return len(shown)

    def action_back(self) -> None:
        self._filter("")

    def action_filter(self) -> None:
        self.app.push_screen(FilterDialog(self._pattern, self._filter, "presets", "fanout, soak, yours …"))

    def _ended_runs(self) -> list[StoredRun]:
        if (runs := self.services.runs) is None:
            return []
        try:
            kept = runs.newest(RECENT)
        except Exception as error:
            self.notify(f"kept runs cannot be read: {error}", severity="warning")
            return []
        return [run for run in kept if run.state != "running"]

    def _describe(self) -> None:
        chosen = self.query_one(PresetTable).selected
        self.query_one(PresetDetails).show(chosen)
        self.refresh_bindings()

    @on(ListTable.Moved)
    def _moved(self) -> None:
        """Describe the preset under the cursor."""
        self._describe()

    @on(ListTable.Chosen)
    def _opened(self) -> None:
        """A double click runs it."""
        self.action_run()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is not offered has no key."""
        launcher = self.services.launcher
        if action == "back":
            return bool(self._pattern)
        if action == "demo":
            return launcher is not None and launcher.demo is not None
        if action == "checklist":
            return launcher is not None and launcher.preflight is not None
        if action == "delete":
            chosen = self._chosen
            return chosen is not None and chosen.entry.origin == "own"
        return True

    def hides(self, action: str) -> bool:
        """Return whether a key would be refused now: a preset with a mistake can be deleted, and no more."""
        broken = self._chosen is not None and self._chosen.entry.broken
        return broken and action in ("choose", "edit", "checklist", "duplicate")

    @property
    def _chosen(self) -> PresetChoice | None:
        tables = self.query(PresetTable)
        return tables.first().selected if tables else None

    def _runnable(self) -> PresetChoice | None:
        """The preset under the cursor; None where it has a mistake, which is told, or there is none."""
        chosen = self._chosen
        if chosen is None or chosen.scenarios:
            return chosen
        self.notify(f"cannot be run: {chosen.entry.problem}", severity="error")
        return None

    # what can be done

    def action_run(self) -> None:
        """Run the preset; ask before loading anything that is not this machine."""
        if (chosen := self._runnable()) is not None:
            self.post_message(requests.Launch(list(chosen.scenarios), chosen.entry.name, chosen.cooldown_s))

    def action_checklist(self) -> None:
        if (chosen := self._runnable()) is not None:
            self.post_message(requests.OpenChecklist(list(chosen.scenarios), chosen.entry.name, chosen.cooldown_s))

    def action_demo(self) -> None:
        self.post_message(requests.LaunchDemo())

    def action_edit(self) -> None:
        chosen = self._chosen
        if chosen is None:
            return
        if chosen.entry.content is None:
            self.notify(f"cannot be read: {chosen.entry.problem}", severity="error")
        else:
            self.post_message(requests.OpenEditor(chosen.entry.content, chosen.entry))

    def action_new(self) -> None:
        self.app.push_screen(NewDialog(), self._begin)

    def _begin(self, asked: tuple[str, str] | None) -> None:
        if asked == ("", ""):
            self.post_message(requests.OpenEditor(fresh()))
        elif asked is not None:
            self.run_worker(self._propose(*asked), exclusive=True)

    async def _propose(self, url: str, protocol: str) -> None:
        options: Mapping[str, Any] = {}
        echoes, origin = False, ""
        launcher = self.services.launcher
        if not protocol and launcher is not None and launcher.look is not None:
            self.notify(f"looking at {mask_url(url)}")
            try:
                seen = await launcher.look(url)
            except Exception as error:  # Unreachable; anything else is told as well
                self.notify(f"{error}", severity="error")
                return
            url, origin = seen.url, seen.origin
            protocol, options = (seen.guess.protocol, seen.guess.options) if seen.guess else ("", {})
            echoes = seen.guess is not None and seen.guess.echoes
            self.notify(str(seen))
        made = scenario_for(protocol or "json", url, options, echoes=echoes, origin=origin)
        self.post_message(requests.OpenEditor(made))

    def action_import(self) -> None:
        """Ask for a recorded session; open the guesses that are made from it."""
        from wstui.tui.imports.import_dialog import ImportDialog

        def begin(asked: tuple[Path, str, int | None, str] | None) -> None:
            if asked is not None:
                self.run_worker(self._import(*asked))

        self.app.push_screen(ImportDialog(), begin)

    async def _import(self, path: Path, url: str, entry: int | None, protocol: str) -> None:
        from wstui.recording.session import ImportFailed
        from wstui.tui.imports.import_dialog import ReadingDialog
        from wstui.tui.imports.import_screen import imported

        reading = ReadingDialog(path)
        if reading.is_due:
            self.app.push_screen(reading)
        try:
            screen = await imported(self.services, path, url, entry, protocol, reading.progress)
        except ImportFailed as error:
            if not reading.stopped:
                await reading.dismiss()
                self.notify(sanitize(str(error), 600), severity="error")
            return
        if not reading.stopped:
            await reading.dismiss()
            self.app.push_screen(screen)

    def action_duplicate(self) -> None:
        chosen = self._chosen
        if chosen is None or chosen.entry.content is None:
            return
        content = chosen.entry.content
        name = next(
            n for i in range(1, 1000) if (n := f"{chosen.entry.name}-{i}") not in {c.name for c in self._choices}
        )
        self.app.push_screen(SaveDialog(content.model_copy(update={"name": name}), self.services.presets), self._saved)

    def _saved(self, path: object) -> None:
        if path is not None:
            self.look()
            self.notify(f"saved to {path}")

    def action_delete(self) -> None:
        """Delete one of the operator's own presets, after asking."""
        chosen = self._chosen
        if chosen is None or chosen.entry.origin != "own":
            return
        text = f"{tilde(chosen.entry.path)} is deleted. Its runs are kept."
        self.app.push_screen(ConfirmDialog(f"Delete {chosen.name}?", text, "Delete"), self._delete)

    def _delete(self, sure: bool | None) -> None:
        chosen = self._chosen
        if not sure or chosen is None:
            return
        try:
            chosen.entry.path.unlink(missing_ok=True)
        except OSError as error:
            self.notify(f"{chosen.entry.path} cannot be deleted: {error.strerror}", severity="error")
            return
        self.look()
        self.notify(f"{chosen.name} deleted")


@cache
def _editor() -> None:
    import wstui.tui.editor.editor_screen  # noqa: F401
