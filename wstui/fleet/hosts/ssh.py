"""Runs commands on hosts with the user's own ssh and configuration, without prompts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from wstui.fleet.local import ended_how
from wstui.fleet.transport import FleetError
from wstui.measure.sanitize import sanitize

BINARY = "WSTUI_SSH"
"""Environment variable that names another ssh."""
CONNECT_S = 10
ALIVE_S, ALIVE_COUNT = 2, 2
LINES_KEPT = 20
LINE_MOST = 160
_OPTIONS = (
    "BatchMode=yes",
    f"ConnectTimeout={CONNECT_S}",
    f"ServerAliveInterval={ALIVE_S}",
    f"ServerAliveCountMax={ALIVE_COUNT}",
    "ExitOnForwardFailure=yes",
    # Do not share a connection: it would outlive the run, with its forwards.
    "ControlMaster=no",
    "ControlPath=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
)
_FORWARDED = r"remote port forwarding failed|Could not request local forwarding|Address already in use"
_TROUBLE = (
    # Output of ssh, its meaning with {line}, and the fix with {host}. The first match counts.
    (r"REMOTE HOST IDENTIFICATION HAS CHANGED", "has another host key than before", "find out why before going on"),
    (r"Host key verification failed", "has a host key that is not known here", "run `ssh {host}` once and compare it"),
    (
        r"Permission denied|Too many authentication failures",
        "may not log in without being asked ({line})",
        "load your key (ssh-add), or ssh-copy-id {host}",
    ),
    (r"Could not resolve hostname", "is not known by this name", "correct it, or name it in your ssh configuration"),
    (
        r"connect to host .*Connection refused",
        "refuses connections: no ssh server listens there",
        "start sshd there, or name its Port",
    ),
    (r"Timeout, server .* not responding", "does not answer ssh any more", ""),
    (
        r"Bad configuration option|Bad owner or permissions|terminating, \d+ bad",
        "{line}",
        "correct the ssh configuration",
    ),
    (
        r"remote port forwarding failed",
        "forwards no port ({line})",
        "set AllowTcpForwarding yes in its sshd_config",
    ),
    (
        r"Address already in use|Could not request local forwarding",
        "can't be given a port here ({line})",
        "take LocalForward out of your ssh configuration, or end what holds that port",
    ),
    (
        r"timed out|No route to host|Network is unreachable|stdio forwarding failed",
        "can't be reached ({line})",
        "look at the network between here and it",
    ),
    (r"closed by|reset by", "closed the connection ({line})", "look at what its ssh server has logged"),
)
_REFUSED_CHANNEL = re.compile(r"channel \d+: open failed")
"""Printed when a forwarded port leads nowhere; not an error of ssh itself."""


@dataclass(frozen=True, slots=True)
class HostError:
    """Why a host can't be used: the failed step ("ssh", "wstui", …), a text, and the fix."""

    step: str
    text: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.text}; {self.fix}" if self.fix else self.text


def command(
    destination: str, remote: str, *, config: str = "", here: Sequence[str] = (), there: Sequence[str] = ()
) -> list[str]:
    """Return the command that runs `remote` on a host; `here` and `there` are forwards of local and remote ports."""
    line = [os.environ.get(BINARY) or "ssh", "-T"]
    if config:
        line += ["-F", config]
    for option in _OPTIONS:
        line += ["-o", option]
    if not (here or there):
        line += ["-o", "ClearAllForwardings=yes"]  # the user's own forwards may be in use
    for forward in here:
        line += ["-L", forward]
    for forward in there:
        line += ["-R", forward]
    return [*line, "--", destination, remote]


def remote_command(python: str, *arguments: str) -> str:
    """Return the command that starts `remote_main` there, with the named Python or that of the command `wstui`.

    ssh starts no login shell, so also search where `pip install --user` puts programs.
    """
    words = shlex.join(arguments)
    if python:
        return f"exec {shlex.quote(python)} -m wstui.fleet.hosts.remote_main {words}"
    # Works with any login shell.
    return f"exec sh -c 'PATH=$PATH:$HOME/.local/bin; exec wstui _host {words}'"


def explain(host: str, status: int | None, lines: Sequence[str], python: str = "") -> HostError:
    """Explain the end of an ssh from its exit status and last lines."""
    said = [line.strip() for line in lines if line.strip() and not _REFUSED_CHANNEL.match(line)]
    text = "\n".join(said)
    for pattern, what, fix in _TROUBLE:
        if status in (255, None) and (found := re.search(f".*(?:{pattern}).*", text)):
            line = sanitize(found.group().strip(), LINE_MOST)
            return HostError("ssh", what.format(line=line), fix.format(host=shlex.quote(host)))
    last = sanitize(said[-1], LINE_MOST) if said else ""
    if status == 127 or "No module named" in text or "No such command" in text:
        place = f"under {python} " if python else ""
        fix = "install it there: pip install 'wstui[cluster]', or name its Python (fleet.python, --host-python)"
        return HostError("wstui", f"has no wstui that can make load {place}({last})", fix)
    if status == 0:
        return HostError("ssh", f"ended what it was to run ({last})" if last else "ended what it was to run")
    how = f"ssh {ended_how(status)}" if status is not None else "ssh ended"
    fix = f"try `ssh {shlex.quote(host)} true`" if status == 255 else ""
    return HostError("ssh", f"{how}: {last}" if last else how, fix)


def may_be_taken(trouble: HostError) -> bool:
    """Whether another port may work, because this one was taken a moment ago."""
    return re.search(_FORWARDED, trouble.text) is not None


class SshConnection:
    """An ssh process and its command; keeps stderr to explain its end."""

    def __init__(self, process: asyncio.subprocess.Process, host: str, python: str) -> None:
        self.process = process
        self._host = host
        self._python = python
        self._said: deque[str] = deque(maxlen=LINES_KEPT)
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, line: Sequence[str], host: str, python: str = "") -> SshConnection:
        """Start ssh. Raises FleetError if it is not installed."""
        try:
            process = await asyncio.create_subprocess_exec(
                *line,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=1 << 20,
                # Keep ctrl+c for our own process, which ends the run in order.
                start_new_session=True,
                # The ssh to a jump host does not get BatchMode, and must not prompt either.
                env={**os.environ, "SSH_ASKPASS_REQUIRE": "never"},
            )
        except OSError as error:
            raise FleetError(f"{line[0]} can't be started: {error.strerror}; install an ssh client") from error
        return cls(process, host, python)

    async def _listen(self) -> None:
        assert self.process.stderr is not None
        with contextlib.suppress(ValueError, ConnectionError):
            while line := await self.process.stderr.readline():
                self._said.append(line.decode("utf-8", "replace").rstrip())

    async def ended(self) -> HostError:
        """Wait for the end and explain it."""
        status = await self.process.wait()
        await asyncio.wait({self._listening}, timeout=1)
        return explain(self._host, status, self._said, self._python)

    async def close(self, grace_s: float) -> None:
        """Wait `grace_s` seconds for the end, then terminate it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), grace_s)
        for end in (self.process.terminate, self.process.kill):
            if self.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    end()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.process.wait(), 1.0)
        self._listening.cancel()
