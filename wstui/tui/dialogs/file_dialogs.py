"""Dialogs about files: the preset to save, the report to export, the server of a new preset."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wstui.execution.run.result import Result, SuiteResult
from wstui.report.formats import format_registry
from wstui.report.formats.atomic_write import NotWritable
from wstui.report.model.cell_text import tilde
from wstui.report.model.labels import name_of
from wstui.scenario.conversation.known_dialects import DIALECTS, kind_of
from wstui.scenario.errors import BadValue, PresetExistsError, ScenarioError, nearest
from wstui.scenario.file import save
from wstui.scenario.model import Scenario, Suite
from wstui.scenario.url import check_target_url
from wstui.tui.dialogs.dialog import DialogField, Form

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)


def parse_place(text: str, folder: Path) -> Path:
    """The file that a name or a path stands for."""
    if not text:
        raise ValueError("write a name such as checkout-soak, or a path")
    if "/" in text or "\\" in text or text.startswith("~"):
        path = Path(text).expanduser()
        if text.endswith(("/", "\\")) or path.is_dir():
            raise ValueError("is a folder: write the name of the file after it")
        return path if path.suffix == ".toml" else path.with_name(path.name + ".toml")
    if not _NAME.fullmatch(text):
        raise ValueError("a name is letters, digits, “-”, “_” and “.”; a path has a “/”")
    return folder / (text if text.endswith(".toml") else f"{text}.toml")


def slug(name: str) -> str:
    """Return a name that a preset can have, as near to this one as it may be: "my echo!" becomes "my-echo"."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-_.")[:64] or "preset"


class SaveDialog(Form[Path]):
    """Asks for the place, and once more before a file is replaced; the answer is the file written."""

    title_text = "Save this scenario as a preset"
    SEND = "Save"

    def __init__(self, content: Scenario | Suite, folder: Path, here: Path | None = None) -> None:
        """`folder` is where names are saved; `here` is the file that is offered, if the scenario has a writable one."""
        super().__init__()
        self._content = content
        self._folder = folder
        self._here = here
        self._replace: Path | None = None

    def fields(self) -> Iterable[DialogField]:
        name = slug(self._content.name)
        here = self._here
        if here is not None and here.stem == name and here.resolve().parent != self._folder.resolve():
            name = tilde(here.absolute())
        yield DialogField("place", "name or path", name, lambda text: parse_place(text, self._folder), self._hint)

    def _hint(self, path: Path) -> str:
        if path != self._replace:
            self._replace = None
        if not path.exists():
            return tilde(path)
        return f"{tilde(path)}  {self._there(path)}"

    def _there(self, path: Path) -> str:
        """The question about a file that exists: its text may differ from the one that was opened."""
        origin = self._content.origin
        if origin.text and origin.file and Path(origin.file).resolve() == path.resolve():
            try:
                same = path.read_text("utf-8-sig").replace("\r\n", "\n") == origin.text
            except (OSError, ValueError):
                same = False
            return "is the file that was opened" if same else "was changed by somebody else since it was opened"
        return "is there already"

    def answer(self, values: dict[str, Any]) -> Path | None:
        """Write the file; refuse where that is not possible, and the first time where it replaces one."""
        path: Path = values["place"]
        name = path.stem
        try:
            save(self._content.model_copy(update={"name": name}), path, overwrite=path == self._replace)
        except PresetExistsError:
            self._replace = path
            self.refuse("place", f"{self._there(path)}: enter once more replaces it, another name keeps it")
            return None
        except ScenarioError as error:
            self.refuse("place", error.problems[0].advice)
            return None
        return path


class NewDialog(Form[tuple[str, str]]):
    """Asks for a URL and a protocol: without a protocol the server is looked at, without both nothing is known."""

    SEND = "Begin"
    title_text = "A scenario for which server?"

    def fields(self) -> Iterable[DialogField]:
        yield DialogField(
            "url",
            "url",
            "",
            _url,
            lambda url: "" if url else "leave it empty to fill it in later",
            placeholder="ws://…",
        )
        yield DialogField("protocol", "protocol", "", _protocol, _meaning, placeholder="socketio, graphql, mqtt …")

    def answer(self, values: dict[str, Any]) -> tuple[str, str]:
        return values["url"], values["protocol"]


def _url(text: str) -> str:
    return check_target_url(text.strip()) if text.strip() else ""


def _protocol(text: str) -> str:
    name = text.strip().lower()
    if name and name not in DIALECTS:
        near = nearest(name, DIALECTS)
        raise BadValue(f"did you mean {near}?" if near else f"there are {', '.join(DIALECTS)}")
    return name


def _meaning(protocol: str) -> str:
    return kind_of(protocol).title if protocol else "leave it empty to have it recognised"


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
