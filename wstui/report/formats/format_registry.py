"""The registry of report formats: what a result can be written as, and under which file ending."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wstui.execution.run.result import Result, SuiteResult
from wstui.report.formats import atomic_write


class UnknownFormat(Exception):
    """No format has that name or file ending; the text lists those that there are."""


class MissingExtra(Exception):
    """The format needs a library that is not installed; the text says how to install it."""


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write a result. `module` has the function `render(result) -> str`; it is loaded when needed."""

    name: str
    endings: tuple[str, ...]
    description: str
    module: str
    extra: str = ""

    def render(self, result: Result | SuiteResult, of: str = "") -> str:
        """Return the result in this format; `of` names the distribution where it holds one. Raises MissingExtra."""
        return self._renderer()(result, of) if of else self._renderer()(result)

    def prove(self) -> None:
        """Load all that the format needs, before a run depends on it. Raises MissingExtra."""
        self._renderer()

    def _renderer(self) -> Callable[..., str]:
        try:
            render: Callable[..., str] = importlib.import_module(self.module).render
        except ModuleNotFoundError as error:
            if not self.extra or (error.name or "").startswith("wstui"):
                raise
            raise MissingExtra(
                f"the {self.name} report needs {error.name}; install it with: pip install 'wstui[{self.extra}]'"
            ) from None
        return render


FORMATS = {
    made.name: made
    for made in (
        Format("json", (".json",), "the whole result; its schema is stable", "wstui.report.formats.json_file"),
        Format("csv", (".csv",), "the timeline, one row a second", "wstui.report.formats.csv_file"),
        Format("markdown", (".md", ".markdown"), "tables for a merge request", "wstui.report.formats.markdown"),
        Format("junit", (".xml",), "thresholds and stages as test cases for CI", "wstui.report.formats.junit"),
        Format(
            "html",
            (".html", ".htm"),
            "one page with charts, readable offline",
            "wstui.report.formats.html",
            extra="html",
        ),
        Format(
            "codequality",
            (".codeclimate",),
            "findings for GitLab's merge requests",
            "wstui.report.formats.code_quality",
        ),
        Format("k6", (".k6",), "the shape of k6's end-of-test summary", "wstui.report.formats.k6"),
        Format("influx", (".lp",), "the timeline in InfluxDB's line protocol", "wstui.report.formats.influx"),
        Format("hgrm", (".hgrm",), "response times as HdrHistogram's percentile table", "wstui.report.formats.hgrm"),
        Format("hlog", (".hlog",), "every distribution as an HdrHistogram log", "wstui.report.formats.hlog"),
        Format("text", (".txt",), "the summary as the terminal shows it", "wstui.report.formats.text_file"),
    )
}
"""Every format by name."""


def named(name: str) -> Format:
    """The format of that name. Raises UnknownFormat."""
    if name not in FORMATS:
        raise UnknownFormat(f"no report format is called {name!r}; there are: {', '.join(FORMATS)}")
    return FORMATS[name]


def of_file(path: str | Path) -> Format:
    """The format that the ending of `path` stands for. Raises UnknownFormat."""
    ending = Path(path).suffix.lower()
    for made in FORMATS.values():
        if ending in made.endings:
            return made
    endings = ", ".join(ending for made in FORMATS.values() for ending in made.endings)
    raise UnknownFormat(f"{path}: the ending tells no report format; use one of {endings}")


def prove(name: str, path: str | Path) -> None:
    """Make sure before a run that its report can be written afterwards. Raises NotWritable, MissingExtra."""
    named(name).prove()
    atomic_write.prove_writable(path)


def write(result: Result | SuiteResult, name: str, path: str | Path, of: str = "") -> None:
    """Write `result` in the format `name` to `path` ("-" = standard output). Raises NotWritable."""
    atomic_write.write(path, named(name).render(result, of))
