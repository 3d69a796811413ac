"""Hosts with networks of their own: network namespaces with OpenSSH's server in each, keys and configuration in a
temporary folder. Nothing of the person's own ssh is read or changed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

PORT = 2222
_PR_SET_PDEATHSIG = 1
_SERVER = """\
Port {port}
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/client_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
"""
_CLIENT = """\
Host {name}
    HostName {address}
    Port {port}
    User root
    IdentityFile {folder}/client_key
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    StrictHostKeyChecking yes

"""


def missing(*, ssh: bool = True) -> str:
    """Why there can be no such hosts here, or "" if there can; without `ssh`, only their networks."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "network namespaces take root"
    for program in ("ip", *(("ss", "ssh", "ssh-keygen") if ssh else ())):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if ssh and not sshd():
        return "sshd is not installed"
    probe = f"wstui-probe-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True, check=False).returncode:
        return "network namespaces are not allowed here"
    subprocess.run(["ip", "netns", "delete", probe], capture_output=True, check=False)
    return ""


def sshd() -> str:
    """Where OpenSSH's server is."""
    return shutil.which("sshd") or (shutil.which("sshd", path="/usr/sbin:/usr/local/sbin") or "")


@dataclass
class Namespace:
    """A host: `address` is its own, `here` that of this side of the wire."""

    name: str
    netns: str
    wire: str
    address: str
    here: str

    def cut(self) -> None:
        """Nothing comes through any more, in either direction, and nobody is told."""
        _run("ip", "-n", self.netns, "link", "set", "wire", "down")

    def mend(self) -> None:
        """Reach it again."""
        _run("ip", "-n", self.netns, "link", "set", "wire", "up")
        _run("ip", "-n", self.netns, "route", "replace", "default", "via", self.here)

    def listening(self) -> set[int]:
        """The ports in it on which anybody listens, but for that of its ssh server."""
        seen = subprocess.run(
            ["ip", "netns", "exec", self.netns, "ss", "-Hltn"], capture_output=True, text=True, check=True
        )
        return {int(line.split()[3].rpartition(":")[2]) for line in seen.stdout.splitlines()} - {PORT}

    def pids(self) -> list[int]:
        """The processes in it."""
        found = subprocess.run(["ip", "netns", "pids", self.netns], capture_output=True, text=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    def remove(self) -> None:
        """End what is left in it, and take it away."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for command in (("link", "delete", self.wire), ("netns", "delete", self.netns)):
            subprocess.run(["ip", *command], capture_output=True, check=False)


def _die_with_parent() -> None:
    """A test process that is killed leaves no server behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _clear_up() -> None:
    """Take away the hosts of test processes that were killed before they could."""
    for netns in Path("/run/netns").glob("wstui-*-*"):
        pid, _, number = netns.name.removeprefix("wstui-").rpartition("-")
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            Namespace("", netns.name, f"ws{int(pid) % 10**7}-{number}", "", "").remove()


def _await(address: str) -> None:
    """Wait until a host's ssh server listens."""
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((address, PORT), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"no sshd at {address}"
            time.sleep(0.02)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


@contextlib.contextmanager
def networks(count: int) -> Iterator[list[Namespace]]:
    """So many hosts without an ssh server."""
    _clear_up()
    made: list[Namespace] = []
    try:
        for number in range(1, count + 1):
            made.append(_make(number))  # noqa: PERF401 - what was made is removed if the next can't be
        yield made
    finally:
        for host in made:
            host.remove()


@contextlib.contextmanager
def hosts(folder: Path, count: int = 2) -> Iterator[tuple[list[Namespace], Path]]:
    """So many hosts named host1, host2, …, and the configuration for ssh that leads there."""
    _clear_up()
    made: list[Namespace] = []
    servers: list[subprocess.Popen[bytes]] = []
    for name in ("host_key", "client_key"):
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    Path("/run/sshd").mkdir(exist_ok=True)
    config = ""
    try:
        for number in range(1, count + 1):
            host = _make(number)
            made.append(host)
            server = folder / f"sshd_{number}"
            server.write_text(_SERVER.format(port=PORT, address=host.address, folder=folder))
            command = ["ip", "netns", "exec", host.netns, sshd(), "-D", "-e", "-f", str(server)]
            servers.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, preexec_fn=_die_with_parent))  # noqa: PLW1509
            config += _CLIENT.format(name=host.name, address=host.address, port=PORT, folder=folder)
            _await(host.address)
        key = (folder / "host_key.pub").read_text().strip()
        known = "".join(f"[{host.address}]:{PORT} {key}\n" for host in made)
        (folder / "known_hosts").write_text(known)
        (folder / "ssh_config").write_text(config)
        yield made, folder / "ssh_config"
    finally:
        for process in servers:
            process.terminate()
            process.wait()
        for host in made:
            host.remove()


def _make(number: int) -> Namespace:
    # Names of interfaces have at most 15 characters; addresses are those set aside for benchmarks (RFC 2544).
    unique = os.getpid() % 16384
    netns, wire = f"wstui-{os.getpid()}-{number}", f"ws{os.getpid() % 10**7}-{number}"
    network = f"198.{18 + unique // 8192}.{unique // 32 % 256}"
    first = unique % 32 * 8 + (number - 1) * 4
    Namespace("", netns, wire, "", "").remove()
    here, there = f"{network}.{first + 1}", f"{network}.{first + 2}"
    _run("ip", "netns", "add", netns)
    _run("ip", "link", "add", wire, "type", "veth", "peer", "name", "wire", "netns", netns)
    _run("ip", "address", "add", f"{here}/30", "dev", wire)
    _run("ip", "link", "set", wire, "up")
    _run("ip", "-n", netns, "address", "add", f"{there}/30", "dev", "wire")
    _run("ip", "-n", netns, "link", "set", "wire", "up")
    _run("ip", "-n", netns, "link", "set", "lo", "up")
    _run("ip", "-n", netns, "route", "add", "default", "via", here)
    return Namespace(f"host{number}", netns, wire, there, here)


if __name__ == "__main__":
    sys.exit(missing() or 0)
