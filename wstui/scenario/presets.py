"""Find presets: by path, in ./presets, in the user's folder, and those shipped with wstui."""

from __future__ import annotations

import contextlib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from platformdirs import user_config_dir, user_state_dir

from wstui.scenario.conversation.known_dialects import DIALECTS
from wstui.scenario.errors import Problem, ScenarioError, nearest, printable, quote
from wstui.scenario.file_refs import shipped_folder
from wstui.scenario.overview import Overview, Overviews, overview_of

if TYPE_CHECKING:  # the models, which a list of presets need not wait for
    from wstui.scenario.model import Scenario, Suite
    from wstui.scenario.overrides import Overrides

Origin = Literal["here", "own", "shipped", "file"]
_RECENT = 5
"""How many files that were opened by path are remembered."""
_PROTOCOLS = {name: place for place, name in enumerate(DIALECTS)}
_FIRST_SHIPPED = ("quick", "medium", "stress", "progressive")


@dataclass
class PresetEntry:
    """One preset of the list, which is read when more than its overview is asked for."""

    name: str
    path: Path
    origin: Origin
    environ: Mapping[str, str] | None = None
    known: Overview | None = None
    """Its overview, if that is known without reading it."""

    @property
    def content(self) -> Scenario | Suite | None:
        """Return what is in the file; None if it cannot be used."""
        return self._read[0]

    @property
    def runs(self) -> tuple[Scenario, ...]:
        """The scenarios that it runs: itself, or the members of a suite."""
        return self._read[1]

    @property
    def problem(self) -> str:
        """Return why it cannot be used, or ""."""
        return "" if self.known and "_read" not in vars(self) else self._read[2]

    @property
    def broken(self) -> bool:
        """Return whether it cannot be used as it is."""
        return bool(self.problem)

    @cached_property
    def overview(self) -> Overview | None:
        """Its load; None if it cannot be used."""
        return self.known or (overview_of(self.content, self.runs) if self.content is not None else None)

    @cached_property
    def description(self) -> str:
        return self.overview.description if self.overview else _description(self.path)

    @cached_property
    def _read(self) -> tuple[Scenario | Suite | None, tuple[Scenario, ...], str]:
        from wstui.scenario.file import load
        from wstui.scenario.model import Suite
        from wstui.scenario.trust import untrusted

        try:
            content = load(self.path, self.environ)
            found = members(content, self.environ) if isinstance(content, Suite) else [content]
            if problems := [problem for scenario in found for problem in untrusted(scenario)]:
                raise ScenarioError(problems)
        except ScenarioError as error:
            first, more = error.problems[0], len(error.problems) - 1
            reason = ": ".join(part for part in (first.subject, first.advice) if part)
            return None, (), reason + (f" (and {more} more)" if more else "")
        return content, tuple(found), ""

    @property
    def stands_alone(self) -> bool:
        """Return whether it can be used, and no other file has a say in that."""
        from wstui.scenario.file import files_of
        from wstui.scenario.model import Scenario

        return isinstance(self.content, Scenario) and len(files_of(self.content)) == 1

    @property
    def protocol(self) -> str:
        """Return what its target speaks on top of WebSocket."""
        return self.overview.protocol if self.overview is not None else "json"


def own_folder() -> Path:
    """Return the folder of the user's own presets; it may not exist yet."""
    return Path(user_config_dir("wstui", appauthor=False)) / "presets"


def folders() -> list[tuple[Origin, Path]]:
    """Return the folders to search, in order."""
    return [("here", Path("presets")), ("own", own_folder()), ("shipped", shipped_folder())]


def shadowed(path: str | Path) -> str:
    """Return a note if a preset in ./presets shadows a shipped one, else ""."""
    path = Path(path)
    here, shipped = Path("presets").resolve(), shipped_folder().resolve()
    if path.resolve().parent != here or here == shipped or not (shipped / path.name).is_file():
        return ""
    return f"{printable(str(path))} is used in the place of the preset {quote(path.stem)} that comes with wstui"


def file_key(file: str | Path) -> str:
    """Return what tells a preset's file from others of its name: the path, or the name if it comes with wstui."""
    path = Path(file).resolve()
    return path.name if path.parent == shipped_folder().resolve() else str(path)


def find(name: str, *, shipped: bool = False) -> Path:
    """Return the file of a preset: a path when it has a slash or ends in .toml or .py, else a name on the search path.

    Raises:
        ScenarioError: there is none; it names the nearest and lists what there is.
    """
    if is_path(name):
        path = Path(name)
        if not path.is_file():
            raise ScenarioError(Problem(printable(name), "", "is not a file"))
        return path
    for folder in [shipped_folder()] if shipped else [folder for _, folder in folders()]:
        for path in (folder / f"{name}.toml", folder / f"{name}.py"):
            if path.is_file():
                return path
    known = names()
    near = nearest(name, known)
    message = f"is not a preset: there are {', '.join(known) or 'none'}"
    if near:
        message = f"is not a preset (there are {', '.join(known)})" if len(known) > 1 else "is not a preset"
    raise ScenarioError(Problem("", "", f"{quote(name)} {message}", nearest=near))


def is_path(name: str) -> bool:
    return "/" in name or "\\" in name or name.endswith((".toml", ".py"))


def names() -> list[str]:
    """Return the names of all presets on the search path."""
    return [name for name, _, _ in _files()]


def available(environ: Mapping[str, str] | None = None) -> list[PresetEntry]:
    """Return every preset on the search path, grouped by protocol; a broken one carries its reason."""
    found = _entries(_files(), environ)
    return sorted(found, key=lambda entry: (entry.origin == "shipped", _PROTOCOLS[entry.protocol]))


def _entries(files: Iterable[tuple[str, Origin, Path]], environ: Mapping[str, str] | None) -> list[PresetEntry]:
    overviews = Overviews(os.environ if environ is None else environ)
    found = [PresetEntry(name, path, origin, environ, overviews.known(path)) for name, origin, path in files]
    for entry in found:
        if entry.known is None and entry.stands_alone and entry.overview:
            overviews.remember(entry.path, entry.overview)
    overviews.save()
    return found


def _recent_list() -> Path:
    return Path(user_state_dir("wstui", appauthor=False)) / "recent"


def remember_file(path: str | Path) -> None:
    """Remember a preset that was opened by its path, so that the start screen lists it; harmless if that fails."""
    path = Path(path).absolute()
    with contextlib.suppress(OSError):
        if any(path.parent == folder.absolute() for _, folder in folders()):
            return
        kept = [path, *(known for known in _remembered() if known != path)][:_RECENT]
        _recent_list().parent.mkdir(parents=True, exist_ok=True)
        _recent_list().write_text("".join(f"{known}\n" for known in kept), encoding="utf-8")


def _remembered() -> list[Path]:
    try:
        return [Path(line) for line in _recent_list().read_text(encoding="utf-8").splitlines() if line]
    except (OSError, ValueError):
        return []


def recent_files(environ: Mapping[str, str] | None = None) -> list[PresetEntry]:
    """Return the presets that were opened by their path and are still there, the latest first."""
    return _entries(((path.stem, "file", path) for path in _remembered() if path.is_file()), environ)


def open_preset(
    name: str,
    environ: Mapping[str, str] | None = None,
    overrides: Overrides | None = None,
    *,
    shipped: bool = False,
) -> Scenario | Suite:
    """Return the preset of this name or path, with the overrides of the environment and the command line applied.

    `shipped`: a name is one of those that come with wstui, whatever lies in ./presets.
    Those of a suite's presets are applied when `members` opens them. Raises ScenarioError.
    """
    return _open(find(name, shipped=shipped), environ, overrides)


def members(
    suite: Suite, environ: Mapping[str, str] | None = None, overrides: Overrides | None = None
) -> list[Scenario]:
    """Return the scenarios of a suite in order, found beside the suite's file first, then as `find` does.

    Raises:
        ScenarioError: with every problem of every member; a suite in a suite is one.
    """
    from wstui.scenario.model import Suite

    file = suite.origin.file
    found: list[Scenario] = []
    problems: dict[Problem, None] = {}
    for index, name in enumerate(suite.suite):
        key = f"suite[{index}]"
        try:
            member = _open(_member(file, name), environ, overrides)
        except ScenarioError as error:
            for problem in error.problems:
                problems[problem if problem.file else Problem(file, key, problem.message, "", problem.nearest)] = None
            continue
        if isinstance(member, Suite):
            problems[Problem(file, key, "is a suite itself: name its presets instead", quote(name))] = None
        else:
            found.append(member)
    if problems:
        raise ScenarioError(problems)
    return found


def _member(file: str, name: str) -> Path:
    if file:
        beside = Path(file).parent / (name if is_path(name) else f"{name}.toml")
        if beside.is_file():
            return beside
    return find(name)


def _open(path: Path, environ: Mapping[str, str] | None, overrides: Overrides | None) -> Scenario | Suite:
    from wstui.scenario.file import load
    from wstui.scenario.model import Suite
    from wstui.scenario.overrides import apply, attributed

    try:
        loaded = load(path, environ, overrides.replacing() if overrides else None, complete=False)
    except ScenarioError as error:
        told = os.environ if environ is None else environ
        raise ScenarioError(attributed(problem, overrides, told) for problem in error.problems) from None
    return loaded if isinstance(loaded, Suite) else apply(loaded, environ, overrides)


def _files() -> Iterator[tuple[str, Origin, Path]]:
    """Yield name, origin and file of what is on the search path; the first of a name hides the others."""
    seen: set[str] = set()
    shipped = shipped_folder().resolve()
    for origin, folder in folders():
        if origin == "here" and folder.resolve() == shipped:
            continue  # a checkout of wstui itself
        try:
            files = [path for path in folder.iterdir() if path.suffix in (".toml", ".py") and path.is_file()]
        except OSError:
            continue
        for path in sorted(files, key=_rank if origin == "shipped" else lambda path: path.stem):
            if path.stem not in seen:
                seen.add(path.stem)
                yield path.stem, origin, path


def _rank(path: Path) -> tuple[int, str]:
    ladder = _FIRST_SHIPPED.index(path.stem) if path.stem in _FIRST_SHIPPED else len(_FIRST_SHIPPED)
    return ladder, path.stem


def _description(path: Path) -> str:
    """Return the description of a broken file, if it can be read."""
    try:
        return str(tomllib.loads(path.read_text("utf-8")).get("description", ""))
    except (OSError, ValueError, RecursionError):
        return ""
