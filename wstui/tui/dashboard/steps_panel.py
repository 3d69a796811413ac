"""The logins and the steps of each role while the run goes on: roles fold, and a step can be drawn as a chart."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from textual.binding import BindingType

from wstui.execution.run.limits import worst_threshold
from wstui.execution.run.metrics import families_of
from wstui.execution.run.role_sections import RoleSummary, StepSummary
from wstui.execution.run.status import Status
from wstui.measure.format import NONE, count, rate
from wstui.measure.sanitize import sanitize
from wstui.measure.timeline import step_columns
from wstui.report.model.cell_text import GAP
from wstui.report.model.labels import Tone
from wstui.report.model.part_tables import STEP_COLUMNS, step_row
from wstui.report.model.table import Fitted, Row, Table, fitted
from wstui.tui.bindings import key
from wstui.tui.kit.list_table import ListTable
from wstui.tui.kit.page import MEANINGS
from wstui.tui.kit.row_widget import Line, cells, cut
from wstui.tui.time_series import TimeSeries

StepKey = tuple[str, str]
"""Role and name of a step."""
_ROLE = next(index for index, column in enumerate(STEP_COLUMNS) if column.title == "role")
_RATE = next(index for index, column in enumerate(STEP_COLUMNS) if column.title == "per second")
_COLUMNS = [replace(c, title="/s", rank=3) if c.title == "per second" else c for c in STEP_COLUMNS]
del _COLUMNS[_ROLE]


@dataclass(frozen=True, slots=True)
class StepLine:
    """A role, or one of its steps: its cells fit the width they were made for."""

    role: RoleSummary
    step: StepSummary | None = None
    cells: Sequence[str] = ()

    @property
    def key(self) -> StepKey:
        return self.role.name, self.step.name if self.step is not None else ""

    @property
    def metrics(self) -> tuple[str, ...]:
        """How the metrics of a step begin."""
        if self.step is None:
            return ()
        return tuple(f"{family}." for family in families_of(self.step))


class StepsPanel(ListTable[StepLine]):
    """The table of roles and steps."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("enter", "choose", "Chart or fold", "steps.open", "Draw this step, or fold this role"),
        key("left,right", "fold", "Fold", "steps.fold", "Fold or unfold the role"),
    ]

    def __init__(self, history: TimeSeries) -> None:
        super().__init__()
        self._history = history
        self._folded: set[str] = set()
        self._status: Status | None = None
        self._fitted: Fitted | None = None
        self.charted: StepKey | None = None

    def show(self, status: Status, charted: StepKey | None, accent: str = "rule") -> None:
        """Draw the steps of this moment; `charted` is the one that the chart shows."""
        self._status, self.charted, self.accent = status, charted, accent
        self._list()

    def action_fold(self) -> None:
        if (line := self.selected) is not None:
            self._folded ^= {line.role.name}
            self._list()
            self.go_to(next((item for item in self.items if item.key == (line.role.name, "")), None))

    def steps(self) -> list[StepKey]:
        """Every step that there is, folded or not."""
        return [(step.role, step.name) for step in self._status.result.steps] if self._status is not None else []

    def _list(self) -> None:
        if self._status is None:
            return
        result = self._status.result
        shown = [step for step in result.steps if step.role not in self._folded]
        rows = [self._row(step) for step in shown]
        self._fitted = fitted(Table("", _COLUMNS, rows), max(20, self.size.width - 4))
        lines = list(zip(shown, self._fitted.rows, strict=True))
        items = []
        logins = [RoleSummary("")] if any(not step.role for step in result.steps) else []
        for role in (*logins, *result.roles):
            items.append(StepLine(role))
            items += [StepLine(role, step, cells) for step, cells in lines if step.role == role.name]
        self.set_items(items)

    def _row(self, step: StepSummary) -> Row:
        """A step with the rate of the last second in the place of that of the whole run."""
        now = self._history.latest(step_columns(step.role, step.name)[0])
        found = step_row(step)
        texts = list(found.cells)
        texts[_RATE] = NONE if now is None else rate(now)
        del texts[_ROLE]
        return replace(found, cells=texts)

    # what it reads

    def head(self, width: int) -> Line:
        title: Line = [("steps", "text"), (" ms", "muted")]
        if self.has_focus:
            title.append(("  enter draws a step, folds a role", "muted"))
        elif self.charted is not None:
            title.append((f"  ━ {sanitize(self.charted[1], 30)} of {sanitize(self.charted[0], 30) or 'login'}", "p99"))
        return title

    def names(self, width: int) -> Line:
        head = GAP.join(self._fitted.head) if self._fitted is not None else ""
        return _filled([("   ", "muted@surface"), (head, "muted@surface")], width, "muted@surface")

    def row(self, item: StepLine, width: int, *, selected: bool) -> Line:
        ground = "@cursor" if selected else ""
        if item.step is None or self._fitted is None:
            return _filled([(text, f"{meaning}{ground}") for text, meaning in self._role(item.role)], width, ground)
        charted = self.charted == item.key
        line: Line = [("›" if selected else " ", f"text{ground}"), ("━ " if charted else "  ", f"p99{ground}")]
        tone = step_row(item.step).tone
        level = worst_threshold(self._status.thresholds, *item.metrics) if self._status is not None else ""
        limited = {"bad": "bad", "near": "warn"}.get(level, "")
        for column, text in zip(self._fitted.columns, item.cells, strict=True):
            meaning = "strong" if column.strong else "text"
            if text.strip() in ("0", NONE):
                meaning = "muted"
            elif column.title in ("lost", "failed") and tone is Tone.NEAR:
                meaning = MEANINGS[tone]
            elif column.title in ("step", "p99") and limited:
                meaning = limited
            line += [(text, f"{meaning}{ground}"), (GAP, f"text{ground}")]
        return _filled(line[:-1], width, ground)

    def _role(self, role: RoleSummary) -> Line:
        fold = "▸" if role.name in self._folded else "▾"
        line: Line = [(f" {fold} ", "accent"), (sanitize(role.name, 40) or "login", "strong")]
        if not role.name:
            return [*line, ("  by HTTP, before clients connect", "muted")]
        facts = [f"{count(role.ready)} ready"]
        if role.rounds:
            facts.append(f"{count(role.completed)} rounds")
        line.append((f"  {' · '.join(facts)}", "muted"))
        if role.failed:
            line.append((f" · {count(role.failed)} failed", "warn"))
        if role.cut:
            line.append((f" · {count(role.cut)} cut short", "muted"))
        return line

    def empty(self) -> str:
        return "no client is ready yet"

    def key_of(self, item: StepLine) -> Hashable:
        return (*item.key, item.step.kind if item.step is not None else "")

    def on_resize(self) -> None:
        self._list()


def _filled(line: Line, width: int, ground: str) -> Line:
    line = cut(line, width)
    return [*line, (" " * max(0, width - cells(line)), ground if "@surface" in ground else f"text{ground}")]
