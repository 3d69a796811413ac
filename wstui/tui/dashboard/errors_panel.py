"""The errors, grouped by kind and message: count, rate, when first and last, and the latest sample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from wstui.execution.run.result_sections import FailureSummary
from wstui.measure.format import count, fitting, rate, stamp
from wstui.measure.sanitize import sanitize
from wstui.measure.snapshot import Counters
from wstui.report.model.cell_text import clip, pad, width_of
from wstui.tui.bindings import key
from wstui.tui.dialogs.dialog import Dialog
from wstui.tui.kit.list_table import ListTable
from wstui.tui.kit.row_widget import Line, cells

_KIND = 12
_ODD = {"duplicate", "unmatched", "altered", "late"}


def matches(group: FailureSummary, pattern: str) -> bool:
    """Whether a group shows under a filter: every word occurs in its kind, message or samples."""
    text = " ".join([group.kind, group.message, *(sample.detail for sample in group.samples)]).casefold()
    return all(word in text for word in pattern.casefold().split())


def odd_replies(seen: Counters) -> list[FailureSummary]:
    """Return replies that no message was waiting for: none fails a client, but together they show a fault."""
    rows = (
        ("duplicate", "messages that were answered more than once", seen.duplicates),
        ("unmatched", "replies that match no message", seen.unmatched - seen.altered),
        ("altered", "echoes that differ from what was sent", seen.altered),
        ("late", "replies that came after the timeout", seen.late),
    )
    return [FailureSummary(kind, message, number, 0.0, 0.0) for kind, message, number in rows if number]


class Errors(ListTable[FailureSummary]):
    BINDINGS: ClassVar[list[BindingType]] = [
        key("enter", "choose", "Samples", "errors.samples", "Latest samples of a group"),
        key("l", "order", "Latest", "errors.order", "Sort by when they were last seen, or by count"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._total = self._odd_replies = 0
        self._groups: Sequence[FailureSummary] = ()
        self._latest = False
        self._hidden = 0
        self._rates: dict[tuple[str, str, str], float] = {}
        self._before: dict[tuple[str, str, str], tuple[float, int]] = {}
        self._pattern = ""

    @property
    def client(self) -> int | None:
        """The client of the latest sample of the group under the cursor."""
        samples = self.selected.samples if self.selected is not None else ()
        return samples[-1].client if samples else None

    def show(self, groups: Sequence[FailureSummary], at_s: float, pattern: str, accent: str = "rule") -> None:
        """Draw these groups at this moment of the run."""
        self._measure(groups, at_s)
        self._groups = groups
        # Of the very rows below: a tile counts four times a second. Like the tile, without odd replies.
        self._total = sum(group.count for group in groups if group.kind not in _ODD)
        self._odd_replies = sum(group.count for group in groups if group.kind in _ODD)
        self._pattern, self.accent = pattern, accent
        self._list()

    def _list(self) -> None:
        shown = [group for group in self._groups if matches(group, self._pattern)]
        shown.sort(key=lambda g: -g.last_s if self._latest else -g.count)
        self._hidden = len(self._groups) - len(shown)
        self.set_items(shown)

    def action_order(self) -> None:
        self._latest = not self._latest
        self._list()

    def _measure(self, groups: Sequence[FailureSummary], at_s: float) -> None:
        """Rates over the last two seconds or so: the groups carry only totals."""
        for group in groups:
            name = group.key
            then, number = self._before.setdefault(name, (group.first_s, 0))
            if group.count < number or at_s < then:  # the next run of a suite
                then, number = self._before[name] = (group.first_s, 0)
            if at_s - then >= 2.0:
                self._rates[name] = (group.count - number) / (at_s - then)
                self._before[name] = (at_s, group.count)

    def head(self, width: int) -> Line:
        """How many in how many groups, and what is filtered."""
        title: Line = [("errors", "text")]
        failed = [group.count for group in self.items if group.kind not in _ODD]
        number, groups = len(self.items), sum(group.kind not in _ODD for group in self._groups)
        if self._total and self._pattern:
            title += [(f"  {count(sum(failed))}", "strong"), (f" of {count(self._total)}", "text")]
            title.append((f" in {len(failed)} of {groups} groups", "text"))
        elif self._total:
            title.append((f"  {count(self._total)}", "strong"))
            title.append((f" in {groups} group{'' if groups == 1 else 's'}", "text"))
        if self._odd_replies:
            title.append((f"  {count(self._odd_replies)} odd replies", "text"))
        if self._latest and number:
            title.append(("  latest first", "text"))
        if self._pattern:
            title.append((f"  filter “{clip(sanitize(self._pattern), 24)}”", "warn"))
        elif number and self.has_focus:
            title.append(("  enter shows samples", "muted"))
        return title

    def empty(self) -> str:
        """Nothing went wrong, or nothing that the filter lets through."""
        return "nothing matches the filter" if self._hidden else "none so far"

    def key_of(self, item: FailureSummary) -> tuple[str, str, str]:
        """A group is its kind, message and outcome."""
        return item.key

    def names(self, width: int) -> Line:
        heads = ("count", "/s", "kind", "message", "first", "last", "latest sample")
        return _row(heads, width, self._longest(), "@surface", True)

    def row(self, item: FailureSummary, width: int, *, selected: bool) -> Line:
        speed = self._rates.get(item.key, 0.0)
        sample = item.samples[-1] if item.samples else None
        detail = " · ".join(part for part in (f"client {sample.client}", sample.detail) if part) if sample else ""
        return _row(
            (
                ("›" if selected else " ") + pad(fitting(item.count, 6), 6, right=True),
                rate(speed) if speed >= 0.05 else "·",
                sanitize(item.kind) + (" (own)" if item.local else ""),
                sanitize(item.message),
                stamp(item.first_s) if item.last_s else "",
                stamp(item.last_s) if item.last_s else "",
                sanitize(detail),
            ),
            width,
            self._longest(),
            "@cursor" if selected else "",
            False,
        )

    def _longest(self) -> tuple[int, int]:
        seen = self.visible_items
        details = [group.samples[-1].detail for group in seen if group.samples]
        return (
            max((width_of(sanitize(group.message)) for group in seen), default=0),
            max((width_of(sanitize(detail)) + 14 for detail in details if detail), default=0),
        )


def _row(
    texts: tuple[str, str, str, str, str, str, str], width: int, longest: tuple[int, int], ground: str, head: bool
) -> Line:
    """The columns that fit: where space is short the sample goes, then the rate. `longest` are the widest message
    and sample.
    """
    longest_message, sampled = longest
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
        column = max(12, min(longest_message + 2, room * 3 // 5 if sampled > 20 else room - 16))
        line += [(pad(message, column) + " ", plain), *tail, (" " * 3, plain)]
        line.append((pad(sample, max(0, width - cells(line) - 1)), quiet))
    else:
        line += [(pad(message, max(4, room)), plain), *tail]
    line.append((" " * max(0, width - cells(line)), plain))
    return line


class SamplesDialog(Dialog[None]):
    """Shows one group."""

    BINDINGS: ClassVar[list[BindingType]] = [key("y", "copy", "Copy", "samples.copy", "Copy all samples")]

    def __init__(self, group: FailureSummary) -> None:
        super().__init__()
        self._group = group
        self.add_class("wide-dialog")

    def body(self) -> Iterable[Widget]:
        """What, how often, when, and each sample."""
        group = self._group
        owner = "  of this generator, not the server's" if group.local else ""
        yield Static(
            Content.assemble(
                (sanitize(group.kind), "bold $error"),
                f"  {sanitize(group.message)}\n",
                f"{count(group.count)} times, first at {stamp(group.first_s)}, last at {stamp(group.last_s)}{owner}\n",
            )
        )
        if not group.samples:
            yield Static(Content("no samples were kept"), classes="muted")
        for sample in group.samples:
            yield Static(
                Content.assemble(
                    (f"{stamp(sample.at_s)}  client {sample.client}  ", "$text-muted"), sanitize(sample.detail)
                )
            )

    def subtitle(self) -> str:
        return "y copies, esc closes"

    def action_copy(self) -> None:
        """The group and its samples into the clipboard."""
        group = self._group
        lines = [f"{group.kind}: {group.message}, {count(group.count)} times"]
        lines += [f"{stamp(s.at_s)}  client {s.client}  {s.detail}".rstrip() for s in group.samples]
        self.app.copy_to_clipboard("\n".join(sanitize(line) for line in lines) + "\n")
        self.notify(f"{len(group.samples)} samples copied")
