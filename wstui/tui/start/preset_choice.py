"""The presets that can be chosen: each with its group and its last run, in the order in which they are offered."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wstui.execution.run.result import Result
from wstui.scenario.load_curve import LoadCurve
from wstui.scenario.model import Scenario
from wstui.scenario.presets import PresetEntry, file_key

if TYPE_CHECKING:
    from wstui.report.store.store import StoredRun

GROUPS = {"recent": "recent", "own": "yours", "here": "here", "shipped": "shipped", "protocol": "protocol"}


@dataclass(frozen=True, slots=True)
class PresetChoice:
    """One preset that can be chosen, and its last run (ISO 8601 and result), if any."""

    entry: PresetEntry
    group: str
    last_at: str = ""
    last: Result | None = None

    @property
    def name(self) -> str:
        """The name it is found under."""
        return self.entry.name

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """What it runs; the preset is read for it."""
        return self.entry.runs

    @property
    def cooldown_s(self) -> float:
        return getattr(self.entry.content, "cooldown", 0.0)

    @property
    def curve(self) -> LoadCurve:
        return self.entry.overview.curve if self.entry.overview is not None else LoadCurve()

    @property
    def words(self) -> str:
        return " ".join((self.name, self.entry.description, GROUPS.get(self.group, self.group))).lower()

    def in_group(self, group: str) -> PresetChoice:
        """The same under another heading."""
        return replace(self, group=group)


def choices(entries: list[PresetEntry], runs: Sequence[StoredRun]) -> list[PresetChoice]:
    """Return the presets as they are offered: those that ran last or were opened by path, own ones, shipped ones.

    `runs` are those that ended, newest first.
    """
    named = {entry.name for entry in entries if entry.origin != "file"}
    made = [_choice(entry, _last_of(entry, _name_of(entry, named), runs)) for entry in entries]
    ran = sorted((c for c in made if c.last is not None), key=lambda c: c.last_at, reverse=True)
    recent = ran[:3] + [choice for choice in made if choice.group == "file" and choice not in ran[:3]]
    return [
        *(choice.in_group("recent") for choice in recent),
        *sorted((c for c in made if c not in recent), key=lambda c: {"own": 0, "here": 1}.get(c.group, 2)),
    ]


def _name_of(entry: PresetEntry, named: Collection[str]) -> str:
    """Return the name of a preset's runs of which no file is known, or "" if they may be those of another one."""
    if entry.origin != "file" or entry.overview is None:
        return entry.name
    return entry.overview.name if entry.overview.name not in named else ""


def _last_of(entry: PresetEntry, name: str, runs: Sequence[StoredRun]) -> StoredRun | None:
    file = file_key(entry.path)
    return next((run for run in runs if run.may_be_of(file, name)), None)


def _choice(entry: PresetEntry, last: StoredRun | None) -> PresetChoice:
    group = "protocol" if entry.origin == "shipped" and entry.protocol != "json" else entry.origin
    return PresetChoice(entry, group, last.started, last.summary) if last else PresetChoice(entry, group)


def match_rank(name: str, pattern: str) -> int:
    """Return how far a name is from what is looked for: names go before descriptions."""
    name, pattern = name.casefold(), pattern.casefold().strip()
    return 0 if name == pattern else 1 if name.startswith(pattern) else 2 if pattern in name else 3
