"""The presets as a table, and the one under the cursor in detail: what it would do, drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from textual.binding import BindingType

from wstui.execution.run.verdict import judged_by
from wstui.measure.format import clock, count, duration, limit_words, moment, short
from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import clip, pad, tilde, wrap
from wstui.scenario.model import Scenario
from wstui.scenario.secret_fields import shown_url
from wstui.tui.bindings import key
from wstui.tui.dashboard.status_line import verdict_of
from wstui.tui.dashboard.thresholds import metric_words
from wstui.tui.kit import chart
from wstui.tui.kit.chart import plot, sketch
from wstui.tui.kit.compact_view import as_rows
from wstui.tui.kit.list_table import ListTable
from wstui.tui.kit.row_widget import Line, RowWidget, cells, rule
from wstui.tui.start.preset_choice import GROUPS, PresetChoice


class PresetTable(ListTable[PresetChoice]):
    """Name, description, size, length and last verdict of each preset."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("enter", "choose", "Run", "preset.run", "Run the preset", shown=True),
        key("g", "move(-100000)", "First", "preset.first", "The first row"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.hidden = 0
        """How many the filter hides."""
        self.pattern = ""
        self._leaders: set[Path] = set()

    def set_items(self, items: Sequence[PresetChoice]) -> None:
        """Other presets; the first of each group is named after it."""
        before = ["", *(item.group for item in items)]
        self._leaders = {item.entry.path for item, group in zip(items, before, strict=False) if item.group != group}
        super().set_items(items)

    def head(self, width: int) -> Line:
        title: Line = [("presets", "text")]
        if self.hidden:
            title.append((f"  filter “{clip(sanitize(self.pattern), 24)}” hides {self.hidden}", "warn"))
        return title

    def empty(self) -> str:
        if self.hidden:
            return "nothing matches the filter: / and enter show all"
        return "no presets: n begins a scenario from nothing"

    def compact(self, width: int) -> list[Line]:
        """The preset under the cursor, and which of how many it is."""
        chosen = self.selected
        if chosen is None:
            return [[("wstui  ", "strong-accent"), (self.empty(), "muted")]]
        what = sanitize(chosen.entry.problem if chosen.entry.broken else chosen.entry.description)
        shape = chosen.curve
        word, meaning = verdict_of(chosen.last)
        size: Line = [(f"{count(shape.peak)} clients · {clock(shape.length_s)}  ", "text"), (word, meaning)]
        target = shown_url(chosen.scenarios[0]) if chosen.scenarios else ""
        return [
            [("wstui  ", "strong-accent"), (f"preset {self.items.index(chosen) + 1} of {len(self.items)}", "muted")],
            [("› ", "strong-accent"), (sanitize(chosen.name), "strong")],
            [("✗ broken", "bad")] if chosen.entry.broken else size,
            *([[(sanitize(target), "text")]] if target else []),
            *as_rows(what, width, "muted"),
        ]

    def key_of(self, item: PresetChoice) -> Path:
        """A preset is its file: one that was opened by path may have the name of another."""
        return item.entry.path

    def names(self, width: int) -> Line:
        texts = ("", "", "preset", "clients", "time", "last run", "load", "description")
        return _row(texts, width, "@surface", "muted", "muted")

    def row(self, item: PresetChoice, width: int, *, selected: bool) -> Line:
        shape = item.curve
        word, meaning = verdict_of(item.last)
        broken = item.entry.broken
        return _row(
            (
                GROUPS.get(item.group, item.group) if item.entry.path in self._leaders else "",
                "›" if selected else " ",
                sanitize(item.name),
                "broken" if broken else count(shape.peak),
                "" if broken else clock(shape.length_s),
                word.replace("unreachable", "failed"),
                "" if broken else sketch(shape, _SKETCH),
                sanitize(item.entry.description or item.entry.problem),
            ),
            width,
            "@cursor" if selected else "",
            "bad" if broken else "text",
            meaning,
        )


"""What the groups are called."""
_SKETCH = 8
_LEAST_DESCRIPTION = 30
"""Cells that the column of descriptions takes, at least: of less, nobody reads a sentence."""


def _row(texts: tuple[str, ...], width: int, ground: str, plain: str, last: str) -> Line:
    group, mark, name, clients, length, verdict, sketch, description = texts
    quiet = f"muted{ground}"
    line: Line = [
        (pad(f" {group}", 10), f"accent{ground}"),
        (pad(mark, 2), f"strong-accent{ground}"),
        (pad(name, 13), f"{'strong' if ground != '@surface' else 'muted'}{ground}"),
        (pad(clients, 8, right=True), f"{plain}{ground}"),
        (pad(length, 8, right=True), quiet),
        ("  " + pad(verdict, 9), f"{last}{ground}"),
    ]
    room = width - cells(line)
    if room >= _SKETCH + 2:
        line.append(("  " + pad(sketch, _SKETCH), f"{'muted' if ground == '@surface' else 'fill'}{ground}"))
        room -= _SKETCH + 2
    if room >= _LEAST_DESCRIPTION:
        line.append(("  " + pad(description, room - 3), quiet))
    line.append((" " * max(0, width - cells(line)), quiet))
    return line


class PresetDetails(RowWidget):
    """What a preset would do: the load over time, the target, messages and limits."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._choice: PresetChoice | None = None
        self.is_ready = chart.is_ready()
        """Whether it may read the preset and load the library of the charts: the first picture does not wait."""

    def show(self, choice: PresetChoice | None) -> None:
        self._choice = choice
        self.redraw()

    def paint(self, width: int, height: int) -> list[Line]:
        choice = self._choice
        if choice is None:
            return [rule([("nothing chosen", "muted")], width)]
        shape = choice.curve
        title: Line = [(sanitize(choice.name), "strong")]
        if (found := choice.entry.overview) is not None:
            most = "at most " if found.search else ""
            title.append((f"  {count(shape.peak)} clients over {most}{clock(shape.length_s)}", "muted"))
        lines = [rule(title, width)]
        if choice.entry.broken:
            lines += [[(f" {part}", "bad")] for part in wrap(f"✗ {sanitize(choice.entry.problem)}", width - 2)]
            place = sanitize(tilde(choice.entry.path))
            text = f"→ fix it in {place} and come back to this screen: it is read again then"
            return [*lines, [], *([(f" {part}", "text")] for part in wrap(text, width - 2))]
        if not self.is_ready:
            return lines
        facts = _facts(choice, width, brief=height < 18)
        room = min(14, height - len(facts) - 2)
        if room >= 5:
            lines += [*chart.draw(plot(shape), width - 1, room), []]
        return [*lines, *facts]


_STEPS = (
    ("m", "no server at hand? one is started here, and loaded with quick"),
    ("enter", "runs the preset under the cursor against its target"),
    ("e", "opens it: every value explained, the load drawn"),
    ("n", "looks at a server of yours, and begins a scenario for it"),
)


class Welcome(RowWidget):
    """Four first steps."""

    DEFAULT_CSS = "Welcome { height: 5; }"

    def paint(self, width: int, height: int) -> list[Line]:
        steps: list[Line] = [[(f"{key:>7}  ", "strong-accent"), (text, "text")] for key, text in _STEPS]
        return [rule([("first steps", "text")], width), *steps]


def _facts(choice: PresetChoice, width: int, *, brief: bool) -> list[Line]:
    """What there is to know, or where space is short what matters most."""
    first = choice.scenarios[0]
    facts: list[tuple[str, str]] = [("what", choice.entry.description or "no description")]
    if len(choice.scenarios) > 1:
        names = ", ".join(s.name for s in choice.scenarios)
        facts.append(("runs", f"{names}, with {duration(choice.cooldown_s)} between them"))
    facts.append(("target", shown_url(first)))
    facts.append(
        (
            "auth",
            {"none": "none", "token": "one token for all", "jwt": "a token for each client"}.get(
                first.auth.kind, first.auth.kind
            ),
        )
    )
    facts.append(("messages", _each(choice.scenarios, _messages)))
    if first.breakpoint is not None:
        search = first.breakpoint
        facts.append(
            ("looks for", f"the most {search.unit} that hold, {short(search.first)} to {short(search.largest)}")
        )
    facts.append(("limits", _each(choice.scenarios, _limits)))
    if choice.last is not None:
        word, _ = verdict_of(choice.last)
        facts.append(("last run", f"{word}, {moment(choice.last_at)}: {choice.last.verdict.reason}"))
    facts.append(("file", tilde(choice.entry.path)))
    if brief:
        facts = [fact for fact in facts if fact[0] in ("what", "runs", "target", "messages", "limits", "looks for")]
        facts[0] = ("what", clip(sanitize(facts[0][1]), width - 12))
    lines: list[Line] = []
    for name, text in facts:
        for index, part in enumerate(wrap(sanitize(text), width - 12)):
            lines.append([(f" {pad(name if index == 0 else '', 10)}", "muted"), (part, "text")])
    return lines


def _each(scenarios: Sequence[Scenario], tell: Callable[[Scenario], str]) -> str:
    """Return what all of them have in common, or where they differ each one's in order."""
    told = [tell(scenario) for scenario in scenarios]
    if len(set(told)) == 1:
        return told[0]
    return "; ".join(f"{scenario.name}: {text}" for scenario, text in zip(scenarios, told, strict=True))


def _messages(scenario: Scenario) -> str:
    said = scenario.messages
    if said.exchange == "listen":
        return "listens only"
    every = f"every {duration(said.every)}" if said.every else "as soon as the reply is there"
    return f"{said.exchange}, {every} from each client"


def _limits(scenario: Scenario) -> str:
    limits = ", ".join(f"{metric_words(t.metric)} {limit_words(t.limit)}" for t in judged_by(scenario))
    return limits if scenario.thresholds or not limits else f"default: {limits}"
