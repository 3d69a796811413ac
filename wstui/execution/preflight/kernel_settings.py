"""Kernel settings that a load needs, and the commands that set them until the next boot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wstui.execution.preflight.checklist import Check, CheckMark
from wstui.execution.run.limits import need_level
from wstui.load.selfcheck import FILES_RESERVED

SYSTEM = Path("/proc/sys")
WIDE_PORTS = "1024 65535"


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of the kernel that is too small: its value, and the one that is enough."""

    name: str
    has: str
    wanted: str

    @property
    def command(self) -> str:
        """The command that sets it, for root."""
        value = f"'{self.wanted}'" if " " in self.wanted else self.wanted
        return f"sysctl -w {self.name}={value}"

    @property
    def check(self) -> Check:
        fix = f"sudo {self.command} (or `wstui check --fix` as root)"
        return Check("sysctl", CheckMark.WARN, f"{self.name} is {self.has}, this load takes {self.wanted}", fix)

    def apply(self, system: Path | None = None) -> None:
        """Set it. Raises OSError."""
        _path(system or SYSTEM, self.name).write_text(self.wanted)


def lacking(peak: int, workers: int, ports: int, system: Path | None = None) -> Iterator[Setting]:
    """Return the settings that are too small for `peak` clients, with `ports` local ports on all source addresses."""
    system = system or SYSTEM
    in_worker = -(-peak // workers) + FILES_RESERVED
    needs = {
        "fs.nr_open": in_worker,
        "fs.file-max": peak + workers * FILES_RESERVED,
        "fs.epoll.max_user_watches": peak,
        "net.netfilter.nf_conntrack_max": peak,
    }
    for name, need in needs.items():
        has = _read(system, name)
        if has.isdigit() and need_level(need / max(1, int(has))) != "ok":
            yield Setting(name, has, str(2 * need))
    name = "net.ipv4.ip_local_port_range"
    has = " ".join(_read(system, name).split())
    if has and has != WIDE_PORTS and need_level(peak / max(1, ports)) != "ok":
        yield Setting(name, has, WIDE_PORTS)


def _path(system: Path, name: str) -> Path:
    return system / name.replace(".", "/")


def _read(system: Path, name: str) -> str:
    try:
        return _path(system, name).read_text().strip()
    except OSError:
        return ""  # not Linux, or a part of the kernel that is not loaded
