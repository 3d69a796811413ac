"""Writes a result as a report: the ending of the file's name tells which."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wstui.execution.run.result import Result, SuiteResult
from wstui.report.formats import format_registry
from wstui.report.formats.atomic_write import NotWritable
from wstui.report.model.labels import name_of
from wstui.tui.dialogs.dialog import DialogField, Form


def parse_report(text: str) -> Path:
    """The file that is meant; ValueError when its ending tells no format."""
    if not text:
        raise ValueError("write a file such as result.html")
    path = Path(text).expanduser()
    try:
        format_registry.of_file(path)
    except format_registry.UnknownFormat as error:
        raise ValueError(str(error)) from None
    return path


class ExportDialog(Form[Path]):
    """Asks for the file, and once more before one is replaced; the answer is the file written."""

    title_text = "Write this result as a report"
    SEND = "Write"

    def __init__(self, result: Result | SuiteResult, number: int | None = None) -> None:
        """`number` is that of the stored run."""
        super().__init__()
        self._result = result
        stem = re.sub(r"[^\w.-]+", "-", name_of(result))[:60]
        self._stem = stem if number is None else f"{stem}-{number}"
        self._replace: Path | None = None

    def fields(self) -> Iterable[DialogField]:
        yield DialogField("file", "file", f"{self._stem}.html", parse_report, self._hint)

    def _hint(self, path: Path) -> str:
        if path != self._replace:
            self._replace = None
        if path.exists():
            return f"is there already; {format_registry.of_file(path).description}"
        return f"{format_registry.of_file(path).description}; others: {_others(path)}"

    def answer(self, values: dict[str, Any]) -> Path | None:
        """Write it; refuse where that is not possible, and the first time where it replaces a file."""
        path: Path = values["file"]
        if path.exists() and path != self._replace:
            self._replace = path
            self.refuse("file", "is there already: enter once more replaces it, another name keeps it")
            return None
        try:
            format_registry.write(self._result, format_registry.of_file(path).name, path)
        except (NotWritable, format_registry.MissingExtra, OSError) as error:
            self.refuse("file", str(error))
            return None
        return path


def _others(path: Path) -> str:
    mine = format_registry.of_file(path).name
    return " ".join(form.endings[0] for form in format_registry.FORMATS.values() if form.name != mine)
