"""What a container may use of its machine: the limits of memory and CPU of this process's control groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class _Files:
    """Where a version of control groups keeps its figures: limit, use and cached pages of memory; quota of CPU."""

    limit: str
    used: str
    cached: str
    quota: tuple[str, ...]


_V1 = _Files(
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    "total_inactive_file",
    ("cpu.cfs_quota_us", "cpu.cfs_period_us"),
)
_V2 = _Files("memory.max", "memory.current", "inactive_file", ("cpu.max",))


def memory_left(root: Path | None = None, own: Path | None = None) -> int | None:
    """Return the number of bytes still available, or None without a limit."""
    found = []
    for folder, files in _folders("memory", root or ROOT, own or OWN):
        limit, used = _read(folder / files.limit), _read(folder / files.used)
        if limit.isdigit() and used.isdigit():
            stat = dict(line.split(maxsplit=1) for line in _read(folder / "memory.stat").splitlines() if " " in line)
            # The kernel drops cached pages of files before it kills anything.
            found.append(max(0, int(limit) - int(used) + int(stat.get(files.cached, 0))))
    return min(found, default=None)


def processors(root: Path | None = None, own: Path | None = None) -> float | None:
    """Return the number of processors available, or None without a limit."""
    found = []
    for folder, files in _folders("cpu", root or ROOT, own or OWN):
        quota, *period = " ".join(_read(folder / name) for name in files.quota).split() or [""]
        if quota.isdigit() and period:
            found.append(int(quota) / int(period[0]))
    return min(found, default=None)


def _folders(controller: str, root: Path, own: Path) -> Iterator[tuple[Path, _Files]]:
    """Return this process's groups of a controller and their parents, as far as they are visible."""
    for line in _read(own).splitlines():
        _, controllers, path = line.split(":", 2)
        below, files = ("", _V2) if not controllers else (controller, _V1)
        if controllers and controller not in controllers.split(","):
            continue
        group = PurePosixPath(path)
        for each in (group, *group.parents):
            yield root / below / str(each).lstrip("/"), files


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""  # not Linux, or a group that is not seen from here
