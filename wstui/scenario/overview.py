"""What a list shows of a preset, and the files that remember it: to read and validate all presets takes half a second.

An overview holds for the bytes that it was made from. Nothing else may have a say, or the preset is read again: no
other file, and no variable of the environment.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from platformdirs import user_cache_path

from wstui.scenario.env_refs import names_in
from wstui.scenario.file_refs import shipped_folder
from wstui.scenario.load_curve import LoadCurve, shape_of
from wstui.scenario.placeholder import variables

if TYPE_CHECKING:
    from wstui.scenario.model import Scenario, Suite

_PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ws_proxy", "wss_proxy"}
SHIPPED = Path(__file__).with_name("shipped_overviews.json")
"""The overviews of the presets that come with wstui, by file name."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The load of a preset that can be run; of a search for the limit, the `largest` load and the unit of that."""

    name: str
    description: str
    peak_clients: int
    duration_s: float
    search: str
    largest: int
    suite: tuple[str, ...]
    curve: LoadCurve
    protocol: str = "json"


def overview_of(content: Scenario | Suite, runs: Sequence[Scenario]) -> Overview:
    """Return the overview of a preset that runs these scenarios."""
    cooldown_s = getattr(content, "cooldown", 0.0)
    search = getattr(content, "breakpoint", None)
    return Overview(
        content.name,
        content.description,
        max(run.peak_clients for run in runs),
        sum(run.duration_s for run in runs) + cooldown_s * (len(runs) - 1),
        search.unit if search else "",
        search.largest if search else 0,
        tuple(getattr(content, "suite", ())),
        shape_of(runs, cooldown_s),
        runs[0].target.protocol,
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    sha256: str
    overview: Overview


@dataclass(slots=True)
class _File:
    made_by: str = ""
    """What changes with the rules that presets are validated by."""
    presets: dict[str, _Entry] = field(default_factory=dict)


class Overviews:
    """Those that are known: shipped with wstui by file name, and in the user's cache by path."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._variables = frozenset(environ)
        self._proxied = not _PROXIES.isdisjoint(name.lower() for name in environ)
        self._folder, self._shipped = shipped_folder(), _read(SHIPPED)
        self._file = user_cache_path("wstui", appauthor=False) / "overviews.json"
        self._own = _read(self._file)
        if self._own.made_by != (now := _stamp()):
            self._own = _File(now)
        self._changed = False

    def known(self, path: Path) -> Overview | None:
        """Return the overview of a file, if it is still what it was and nothing else has a say."""
        shipped = path.parent == self._folder
        entry = self._shipped.presets.get(path.name) if shipped else self._own.presets.get(str(path.absolute()))
        if entry is None or (data := self._alone(path)) is None or entry.sha256 != _digest(data):
            return None
        beside = (path.with_name(f"{name}.toml") for name in entry.overview.suite)
        return entry.overview if all(map(self.known, beside)) else None

    def remember(self, path: Path, overview: Overview) -> None:
        """Keep the overview of a sound preset that reads no other file."""
        if path.suffix == ".toml" and path.parent != self._folder and (data := self._alone(path)) is not None:
            self._own.presets[str(path.absolute())] = _Entry(_digest(data), overview)
            self._changed = True

    def save(self) -> None:
        """Write what is new for the next time; harmless if that fails."""
        if not self._changed:
            return
        kept = {name: entry for name, entry in self._own.presets.items() if Path(name).is_file()}
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = self._file.with_name(f".{self._file.name}.{os.getpid()}")
            new.write_bytes(msgspec.json.encode(_File(self._own.made_by, kept)))
            new.replace(self._file)

    def _alone(self, path: Path) -> bytes | None:
        """Return the content of a file, or None if it may mean something else with the variables that are set."""
        try:
            data = path.read_bytes()
        except OSError:
            return None
        text = data.decode(errors="replace")
        named = {*names_in(text), *variables(text)}
        # An escaped letter (\u0024) may hide a reference.
        hidden = "\\u" in text or "\\U" in text
        return None if self._proxied or hidden or not named.isdisjoint(self._variables) else data


def shipped_overviews(presets: Mapping[Path, Overview]) -> bytes:
    """Return the content of the file that is shipped."""
    found = {path.name: _Entry(_digest(path.read_bytes()), overview) for path, overview in sorted(presets.items())}
    return msgspec.json.format(msgspec.json.encode(_File(presets=found)), indent=1)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(path: Path) -> _File:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File)
    except (OSError, msgspec.MsgspecError, RecursionError):
        return _File()


def _stamp() -> str:
    return str(max(entry.stat().st_mtime_ns for entry in os.scandir(Path(__file__).parent)))
