"""A guessed scenario: its guesses in a list beside the TOML, to accept, change or undo before it is saved."""

from __future__ import annotations

import asyncio
import copy
import os
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from wstui.measure.sanitize import sanitize
from wstui.recording.inference.inferred_scenario import InferredScenario, inline
from wstui.recording.proof import prove
from wstui.recording.sources import save
from wstui.report.model.cell_text import clip, tilde
from wstui.scenario.errors import BadValue, Key, PresetExistsError, ScenarioError
from wstui.scenario.file import loads
from wstui.scenario.secrets import mask_text
from wstui.tui.bindings import key
from wstui.tui.dialogs.dialog import DialogField, Form
from wstui.tui.kit.compact_view import CompactView, as_rows
from wstui.tui.kit.key_row import KeyRow
from wstui.tui.kit.list_table import ListTable
from wstui.tui.kit.page import Page
from wstui.tui.kit.row_widget import Line, rule
from wstui.tui.kit.title_bar import TitleBar
from wstui.tui.kit.toml_view import TomlView
from wstui.tui.services import Services

_MEANINGS = {"sure": "ok", "likely": "text", "unsure": "warn"}


@dataclass(frozen=True, slots=True)
class GuessRow:
    """One guess with what stands there now."""

    place: Key
    state: str
    meaning: str
    value: str
    why: str

    @property
    def name(self) -> str:
        return ".".join(map(str, self.place))


class Guesses(ListTable[GuessRow]):
    """The guesses in the order of the file."""

    def head(self, width: int) -> Line:
        return [("guesses", "text"), (f"  {len(self.items)}" if self.items else "", "muted")]

    def names(self, width: int) -> Line:
        return [(clip(" state     place = value: why", width), "muted")]

    def row(self, item: GuessRow, width: int, *, selected: bool) -> Line:
        text = clip(f" {item.state:<9} {item.name} = {item.value}: {item.why}", width)
        return [(text.ljust(width), f"{item.meaning}@cursor" if selected else item.meaning)]

    def empty(self) -> str:
        return "nothing was guessed"

    def key_of(self, item: GuessRow) -> Key:
        return item.place


class ValueDialog(Form[Any]):
    """Asks for another value, as it is written in TOML."""

    SEND = "Change"

    def __init__(self, row: GuessRow) -> None:
        super().__init__()
        self.title_text = row.name
        self._row = row

    def fields(self) -> Iterable[DialogField]:
        yield DialogField("value", "value", self._row.value, _toml)

    def answer(self, values: dict[str, Any]) -> Any:
        return values["value"]


def _toml(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        raise BadValue('takes a value as in TOML: "text", 5, true, { type = "ok" }') from None


class ImportScreen(Screen[None]):
    """Judge each guess, try the scenario, save it."""

    manual_topic = "record"
    AUTO_FOCUS = "Guesses"
    BINDINGS: ClassVar[list[BindingType]] = [
        key("a", "accept", "Accept", "import.accept", "Accept the guess: it is sure from now on", shown=True),
        key("e", "change", "Change", "import.change", "Write another value", shown=True),
        key("u", "undo", "Undo", "import.undo", "Put what was recorded in its place", shown=True),
        key("p", "prove", "Prove", "import.prove", "Try it with one client, then with five", shown=True),
        key("s", "save", "Save", "import.save", "Save it as a preset", shown=True),
        key("escape", "app.pop_screen", "Back", "import.back", "Leave without saving", shown=True),
        key("q", "app.leave", "Quit", "import.quit", "Quit", shown=True),
        key("U", "reset", "Reset", "import.reset", "Take all changes back", shown=True),
    ]

    def __init__(
        self, services: Services, draft: InferredScenario, name: str, plainly: Callable[[], InferredScenario] | None
    ) -> None:
        """`plainly` makes the draft again, with frames in place of what a protocol calls them."""
        super().__init__()
        self._services, self._preset, self._plainly = services, name, plainly
        self._draft, self._first = draft, copy.deepcopy(draft)
        self._judged: dict[Key, str] = {}
        self._proof: list[str] = []

    def compose(self) -> ComposeResult:
        yield TitleBar(self._services.clock, f"a scenario guessed from {sanitize(self._preset, 40)}")
        with Horizontal(id="import"):
            with Vertical(id="import-guesses"):
                yield Guesses()
                yield Page([self._about])
                with VerticalScroll(id="import-proof"):
                    yield Static(id="import-steps", markup=False)
            with VerticalScroll(id="import-file", can_focus=False):
                yield TomlView()
        yield KeyRow()
        yield CompactView(self._compact)

    def on_mount(self) -> None:
        self._show()

    def _show(self) -> None:
        rows = []
        for place, guess in self._draft.guesses.items():
            state = self._judged.get(place, guess.sure)
            state = {True: "held", False: "not held", None: state}[guess.held]
            meaning = "bad" if guess.held is False else _MEANINGS.get(state, "ok")
            rows.append(GuessRow(place, state, meaning, inline(self._draft.at(place)), sanitize(guess.why, 200)))
        self.query_one(Guesses).set_items(rows)
        self.query_one(TomlView).show(self._text)
        self.call_after_refresh(self._reveal)

    @property
    def _text(self) -> str:
        return "\n".join(map(sanitize, self._draft.text().splitlines()))

    @on(ListTable.Moved)
    def _reveal(self) -> None:
        """Tell the guess under the cursor whole, and scroll the file to it."""
        self.query_one(Page).show([self._about])
        if (row := self.query_one(Guesses).selected) is not None:
            line = next((n for n, text in enumerate(self._text.splitlines()) if row.why[:60] in text), 0)
            toml, file = self.query_one(TomlView), self.query_one("#import-file")
            file.scroll_to(y=max(0, toml.top_of(line) - file.size.height // 2), animate=False)

    def _about(self, width: int) -> list[Line]:
        row = self.query_one(Guesses).selected
        if row is None:
            return []
        told = as_rows(f"{row.name} = {row.value}", width - 2, "text") + as_rows(row.why, width - 2, "muted")
        return [rule([(row.state, row.meaning)], width), *([(" ", "text"), *line] for line in told)]

    def _compact(self, width: int) -> list[Line]:
        row = self.query_one(Guesses).selected
        return [] if row is None else [[(clip(f"{row.name} = {row.value}", width), "text")], [(row.why, "muted")]]

    def _attempt(self, change: Callable[[InferredScenario], None]) -> bool:
        """Change the draft, unless it can't be read any more after that."""
        made = copy.deepcopy(self._draft)
        try:
            change(made)
            if not made.missing:
                loads(made.text(), "", {**os.environ, **made.secrets}, complete=False)
        except ScenarioError as error:
            self.notify(f"it can't be changed so: {error.problems[0].subject}: {error.problems[0].advice}",
                        severity="error")  # fmt: skip
            return False
        self._draft = made
        return True

    def action_accept(self) -> None:
        if (row := self.query_one(Guesses).selected) is not None:
            self._draft.guesses[row.place].sure = "sure"
            self._judged[row.place] = "accepted"
            self._show()
            self.query_one(Guesses).action_move(1)

    def action_undo(self) -> None:
        row = self.query_one(Guesses).selected
        if row is None:
            return
        if row.place == ("target", "protocol") and self._plainly is not None:
            self._draft, self._judged = self._plainly(), {}
            self._show()
        elif not self._draft.can_undo(row.place):
            self.notify("nothing else was recorded there: change it, or leave it out in the editor", severity="warning")
        elif self._attempt(lambda draft: draft.undo(row.place)):
            self._show()

    def action_reset(self) -> None:
        self._draft, self._judged = copy.deepcopy(self._first), {}
        self._told([])
        self._show()

    def action_change(self) -> None:
        row = self.query_one(Guesses).selected
        if row is None:
            return

        def changed(value: Any) -> None:
            if value is not None and self._attempt(lambda draft: draft.put(row.place, value)):
                self._draft.guesses[row.place].sure = "sure"
                self._judged[row.place] = "changed"
                self._show()

        self.app.push_screen(ValueDialog(row), changed)

    def action_prove(self) -> None:
        self.run_worker(self._prove(), exclusive=True)

    async def _prove(self) -> None:
        self.notify("one client tries it, then five")
        self._told([])
        try:
            with TemporaryDirectory() as folder:  # its feed has to be a file, before it is saved
                file = Path(folder, f"{self._preset}.toml")
                save(self._draft, file, overwrite=False)
                proof = await prove(self._draft, str(file), lambda line: self._told([*self._proof, line]))
        except (ScenarioError, OSError) as error:
            self.notify(f"it can't be tried: {error}", severity="error")
            return
        told = proof.unreachable or ("not all of it held" if proof.failed else "all of it held")
        secrets = sorted(self._draft.secrets.values())
        bad = bool(proof.unreachable or proof.failed)
        self.notify(sanitize(mask_text(told, secrets), 300), severity="error" if bad else "information")
        self._show()

    def _told(self, lines: list[str]) -> None:
        """Show the lines of the proof below the guesses, step by step."""
        self._proof = lines
        secrets = sorted(self._draft.secrets.values())
        text = "\n".join(sanitize(mask_text(line, secrets), 300) for line in lines)
        self.query_one("#import-steps", Static).update(Content(text))
        panel = self.query_one("#import-proof")
        panel.display = bool(lines)
        panel.scroll_end(animate=False)

    def action_save(self) -> None:
        """Save it into the operator's presets, under a name that is free."""
        folder = self._services.presets
        names = [self._preset, *(f"{self._preset}-{n}" for n in range(2, 1000))]
        for path in (folder / f"{name}.toml" for name in names):
            try:
                save(self._draft, path, overwrite=False)
            except PresetExistsError:
                continue
            except ScenarioError as error:
                self.notify("; ".join(map(str, error.problems)), severity="error")
                return
            self.notify(f"saved to {tilde(path)}" + self._needs())
            self.app.pop_screen()
            return

    def _needs(self) -> str:
        return f"; set before a run: {', '.join(self._draft.secrets)}" if self._draft.secrets else ""


async def imported(
    services: Services, path: Path, url: str, entry: int | None, protocol: str, progress: Callable[[int], None]
) -> ImportScreen:
    """Return the screen for a recorded session; `progress` is told what was read. Raises ImportFailed."""
    from wstui.recording.har import entries_of
    from wstui.recording.inference.infer import infer
    from wstui.recording.session import ImportFailed
    from wstui.recording.sources import address, choose, read_session

    session = await asyncio.to_thread(read_session, path, progress)
    chosen = choose(session, entry)
    if chosen is None:
        listed = "; ".join(" ".join(str(found).split()) for found in list(entries_of(session))[:8])
        raise ImportFailed(f"it has several endpoints, choose an entry: {sanitize(listed, 400)}")
    address(chosen, url or None)
    draft = await asyncio.to_thread(infer, session, chosen, path.stem, protocol=protocol)
    plainly = partial(infer, session, chosen, path.stem, protocol="json")
    return ImportScreen(services, draft, path.stem, plainly if "protocol" in draft.tables["target"] else None)
