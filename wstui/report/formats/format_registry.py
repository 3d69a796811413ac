"""The registry of report formats: what a result can be written as, and under which file ending."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name

from wstui.execution.run.result import Result, SuiteResult
from wstui.report.formats import atomic_write

_HERE = "wstui.report.formats"


class UnknownFormat(Exception):
    """No format has that name or file ending; the text lists those that there are."""


class MissingExtra(Exception):
    """The format needs a library that is not installed; the text says how to install it."""


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write a result, by a function ("MODULE:NAME") that is loaded when needed."""

    name: str
    endings: tuple[str, ...]
    description: str
    function: str
    extra: str = ""

    def render(self, result: Result | SuiteResult, of: str = "") -> str:
        """Return the result in this format; `of` names the distribution where it holds one. Raises MissingExtra."""
        return self._renderer()(result, of) if of else self._renderer()(result)

    def prove(self) -> None:
        """Load all that the format needs, before a run depends on it. Raises MissingExtra."""
        self._renderer()

    def _renderer(self) -> Callable[..., str]:
        try:
            render: Callable[..., str] = resolve_name(self.function)
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
        Format("json", (".json",), "the whole result; its schema is stable", f"{_HERE}.json_file:render"),
        Format("csv", (".csv",), "the timeline, one row a second", f"{_HERE}.timeline_file:render_csv"),
        Format("markdown", (".md", ".markdown"), "tables for a merge request", f"{_HERE}.markdown:render"),
        Format("junit", (".xml",), "thresholds and stages as test cases for CI", f"{_HERE}.ci_report:render_junit"),
        Format(
            "html", (".html", ".htm"), "one page with charts, readable offline", f"{_HERE}.html:render", extra="html"
        ),
        Format(
            "codequality",
            (".codeclimate",),
            "findings for GitLab's merge requests",
            f"{_HERE}.ci_report:render_code_quality",
        ),
        Format("k6", (".k6",), "the shape of k6's end-of-test summary", f"{_HERE}.k6:render"),
        Format("influx", (".lp",), "the timeline in InfluxDB's line protocol", f"{_HERE}.timeline_file:render_influx"),
        Format(
            "hgrm", (".hgrm",), "response times as HdrHistogram's percentile table", f"{_HERE}.hdr_file:render_hgrm"
        ),
        Format("hlog", (".hlog",), "every distribution as an HdrHistogram log", f"{_HERE}.hdr_file:render_hlog"),
        Format("text", (".txt",), "the summary as the terminal shows it", f"{_HERE}.console:plain_summary"),
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
