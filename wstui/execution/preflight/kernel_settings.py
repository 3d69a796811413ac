"""Kernel settings that a load needs, and the commands that set them until the next boot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wstui.execution.preflight.checklist import Check, CheckMark, by_share
from wstui.execution.run.limits import need_level
from wstui.fleet import host_facts
from wstui.fleet.host_facts import PORT_RANGE
from wstui.load.selfcheck import FILES_RESERVED

WIDE_PORTS = "1024 65535"


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of the kernel that is too small: its value, the one that is enough, and the share that is needed."""

    name: str
    has: str
    wanted: str
    share: float

    @property
    def command(self) -> str:
        """The command that sets it, for root."""
        return f"sysctl -w {self.name}={self._quoted}"

    @property
    def _quoted(self) -> str:
        return f"'{self.wanted}'" if " " in self.wanted else self.wanted

    def check(self, *, fixed: bool, is_here: bool = True) -> Check:
        """Return the check of a machine, which may be another one; `fixed`: no program on it can set anything."""
        text = f"{self.name} is {self.has}, this load takes {self.wanted}"
        if fixed:
            fix = self.outside
        else:
            fix = f"sudo {self.command} ({'or `wstui check --fix` as root' if is_here else 'there'})"
        found = by_share("sysctl", self.share, text, fix)
        if self.name == PORT_RANGE:
            return Check("sysctl", CheckMark.WARN, text, fix)  # more source addresses do as well
        return found

    @property
    def outside(self) -> str:
        """How to set it for a container, in which /proc/sys is read-only."""
        if self.name == PORT_RANGE:
            given = f"start the container with --sysctl {self.name}={self._quoted}"
            return f"{given}, or name it in the pod's securityContext.sysctls: a container can't set it itself"
        return f"sudo {self.command}, on the machine that runs this container"

    def apply(self) -> None:
        """Set it. Raises OSError."""
        host_facts.setting_file(self.name).write_text(self.wanted)


def lacking(settings: Mapping[str, str], peak: int, workers: int, ports: int) -> Iterator[Setting]:
    """Return the settings that are too small for `peak` clients.

    They have `ports` local ports on all source addresses; 0: they take none, over a Unix socket.
    """
    in_worker = -(-peak // workers) + FILES_RESERVED
    needs = {
        "fs.nr_open": in_worker,
        "fs.file-max": peak + workers * FILES_RESERVED,
        "fs.epoll.max_user_watches": peak,
        "net.netfilter.nf_conntrack_max": peak if ports else 0,
    }
    for name, need in needs.items():
        has = settings.get(name, "")
        if has.isdigit() and need_level(share := need / max(1, int(has))) != "ok":
            yield Setting(name, has, str(2 * need), share)
    has = settings.get(PORT_RANGE, "")
    if has and ports and _width(has) < _width(WIDE_PORTS) and need_level(share := peak / ports) != "ok":
        yield Setting(PORT_RANGE, has, WIDE_PORTS, share)


def _width(ports: str) -> int:
    low, high = map(int, ports.split())
    return high - low
