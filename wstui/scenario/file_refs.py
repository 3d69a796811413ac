"""Resolve the files that a scenario names."""

from __future__ import annotations

from pathlib import Path


def is_same(one: str | Path, other: str | Path) -> bool:
    """Return whether two names mean one file, through links too and before it exists."""
    try:
        one, other = Path(one).expanduser(), Path(other).expanduser()
        return one.resolve() == other.resolve() or one.samefile(other)
    except (OSError, ValueError, RuntimeError):
        return False


def located(name: str, scenario_file: str) -> str:
    """Return the path of a named file: beside the scenario's file if it exists there, else as written."""
    if name and scenario_file and not Path(name).is_absolute():
        beside = Path(scenario_file).parent / name
        try:
            if beside.is_file():
                return str(beside)
        except ValueError:  # a NUL in the name
            pass
    return name


def shipped_folder() -> Path:
    """Return the presets that come with wstui: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    packed = package / "presets"
    return packed if packed.is_dir() else package.parent / "presets"


def is_shipped(file: str) -> bool:
    """Return whether a preset's file is one that comes with wstui."""
    return bool(file) and Path(file).resolve().parent == shipped_folder().resolve()
