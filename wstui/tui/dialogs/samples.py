"""The samples of a group of errors: the first and the latest occurrences, in full."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from wstui.execution.run.result_sections import FailureSummary
from wstui.measure.format import count, stamp
from wstui.measure.sanitize import sanitize
from wstui.tui.bindings import key
from wstui.tui.dialogs.dialog import Dialog


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
