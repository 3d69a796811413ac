"""The filter of a table, applied while it is typed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wstui.tui.dialogs.dialog import DialogField, Form


class FilterDialog(Form[str]):
    """Asks for words that an error must contain; an empty filter shows all. Escape restores the one before."""

    SEND = "Filter"

    def __init__(
        self,
        pattern: str,
        apply: Callable[[str], int],
        what: str = "errors",
        example: str = "timeout, 1013, worker …",
    ) -> None:
        """`apply` filters and returns how many are left; `what` they are called, `example` words to look for."""
        super().__init__()
        self._what = what
        self.title_text = f"Show {what} that contain"
        self._example = example
        self._before = pattern
        self._apply = apply

    def fields(self) -> Iterable[DialogField]:
        yield DialogField("words", "words", self._before, str, self._hint, placeholder=self._example)

    def _hint(self, text: str) -> str:
        shown = self._apply(text)
        if text:
            return f"{shown} shown; an empty filter shows all"
        return f"all {shown}" if shown else f"no {self._what} yet"

    def answer(self, values: dict[str, str]) -> str:
        return values["words"]

    def action_close(self) -> None:
        self._apply(self._before)
        self.dismiss(None)
