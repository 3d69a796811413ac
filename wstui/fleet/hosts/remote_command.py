"""The commands whose standard input and output reach a program on a host. No port is opened anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from wstui.fleet.local import ended_how
from wstui.fleet.transport import FleetError
from wstui.load.lease import LEASE_S
from wstui.measure.sanitize import sanitize
from wstui.scenario.file_refs import located
from wstui.scenario.hosts import HostSpec
from wstui.scenario.model import Scenario
from wstui.scenario.trust import command_problem, ssh_problem

Given = TypeVar("Given")
Made = TypeVar("Made")

SSH = "WSTUI_SSH"
"""Environment variable that names another ssh."""
CONNECT_S = 10
ALIVE_S = 5
ALIVE_COUNT = round(LEASE_S / ALIVE_S)
"""ssh gives a host up when its lease is over."""
LINES_KEPT = 20
LINE_MOST = 160
PODS_S = 20.0
AT_ONCE = 32
"""So many hosts are begun at once: each takes CPU here, and its time limit is for itself."""
_SSH_OPTIONS = (
    "BatchMode=yes",
    f"ConnectTimeout={CONNECT_S}",
    f"ServerAliveInterval={ALIVE_S}",
    f"ServerAliveCountMax={ALIVE_COUNT}",
    # The user's own forwards may be in use.
    "ClearAllForwardings=yes",
    # Do not share a connection: it would outlive the run.
    "ControlMaster=no",
    "ControlPath=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
)
# Output of a tool, its meaning with {line}, and the fix with {host}. The first match counts.
_SSH_ERRORS = (
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
        r"timed out|No route to host|Network is unreachable|stdio forwarding failed",
        "can't be reached ({line})",
        "look at the network between here and it",
    ),
    (r"closed by|reset by", "closed the connection ({line})", "look at what its ssh server has logged"),
)
_DOCKER_ERRORS = (
    (r"No such container", "is not a container here", "look at `docker ps`"),
    (r"is not running", "is not running", "start it: docker start {host}"),
    (r"Cannot connect to the Docker daemon|permission denied", "can't be reached ({line})", "try `docker ps`"),
)
_KUBECTL_ERRORS = (
    (r"\(NotFound\)", "is not there any more ({line})", ""),
    (
        r"\(Forbidden\)|is forbidden: User",
        "may not be used ({line})",
        "ask for the rights to get and list pods, and to get and create pods/exec",
    ),
    (r"Unauthorized|logged in", "needs a login ({line})", "log in to the cluster"),
    (r"was refused|no such host|timed out|i/o timeout", "can't be reached ({line})", "look at kubectl's context"),
    (r"[Uu]nexpected EOF|close 1006|lost connection|reset by", "closed the connection ({line})", ""),
)
_NO_WSTUI = re.compile(
    r"No module named|No such command|executable file not found|no such file or directory", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class HostError:
    """Why a host can't be used: the failed step (the tool, "wstui", …), a text, and the fix."""

    step: str
    text: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.text}; {self.fix}" if self.fix else self.text


@dataclass(frozen=True, slots=True)
class RemoteCommand:
    """The command that reaches a host, and what its end means; "" for the default ssh settings and Python."""

    host: HostSpec
    config: str = ""
    python: str = ""

    @property
    def tool(self) -> str:
        return {"pod": "kubectl", "k8s": "kubectl"}.get(self.host.via, self.host.via)

    def command(self, task: str) -> list[str]:
        """Return the command that runs a task of `remote_main` on the host."""
        to = self.host.destination
        if self.host.via == "ssh":
            line = [os.environ.get(SSH) or "ssh", "-T", *(("-F", self.config) if self.config else ())]
            for option in _SSH_OPTIONS:
                line += ["-o", option]
            return [*line, "--", to, self._shell(task)]
        # Without special characters, so that it also survives a shell on the way.
        there = [*((self.python, "-m", "wstui.fleet.hosts.remote_main") if self.python else ("wstui", "_host")), task]
        match self.host.via:
            case "docker":
                return ["docker", "exec", "-i", to, *there]
            case "pod":
                namespace, _, pod = to.partition("/")
                return ["kubectl", "exec", "-i", "--quiet", f"--namespace={namespace}", pod, "--", *there]
        return [*shlex.split(to), *there]

    def _shell(self, task: str) -> str:
        """Return the command for a login shell: the named Python, or the command `wstui`.

        ssh starts no login shell, so also search where `pip install --user` puts programs.
        """
        if self.python:
            return f"exec {shlex.quote(self.python)} -m wstui.fleet.hosts.remote_main {task}"
        # Works with any login shell.
        return f"exec sh -c 'PATH=$PATH:$HOME/.local/bin; exec wstui _host {task}'"

    def explain(self, status: int | None, lines: Sequence[str]) -> HostError:
        """Explain the end of the command from its exit status and last lines."""
        tool = self.tool
        said = [line.strip() for line in lines if line.strip()]
        text = "\n".join(said)
        last = sanitize(said[-1], LINE_MOST) if said else ""
        rows = {"ssh": _SSH_ERRORS, "docker": _DOCKER_ERRORS, "kubectl": _KUBECTL_ERRORS}.get(tool, ())
        by_tool = status in (255, None) if tool == "ssh" else status != 0
        for pattern, what, fix in rows if by_tool else ():
            if found := re.search(f".*(?:{pattern}).*", text):
                line = sanitize(found.group().strip(), LINE_MOST)
                return HostError(tool, what.format(line=line), fix.format(host=shlex.quote(self.host.destination)))
        if status == 127 or _NO_WSTUI.search(text):
            place = f"under {self.python} " if self.python else ""
            fix = "install it there: pip install 'wstui[cluster]', or name its Python (fleet.python, --host-python)"
            return HostError("wstui", f"has no wstui that can make load {place}({last})", fix)
        if status == 0:
            return HostError(tool, f"ended what it was to run ({last})" if last else "ended what it was to run")
        what = "its command" if tool == "exec" else tool
        how = f"{what} {ended_how(status)}" if status is not None else f"{what} ended"
        fix = f"try `ssh {shlex.quote(self.host.destination)} true`" if (tool, status) == ("ssh", 255) else ""
        return HostError(tool, f"{how}: {last}" if last else how, fix)


async def gather_bounded(call: Callable[[Given], Awaitable[Made]], items: Iterable[Given]) -> list[Made]:
    """Call for all items, a bounded number at a time. Raises the first error."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(item: Given) -> Made:
        async with turn:
            return await call(item)

    return list(await asyncio.gather(*(one(item) for item in items)))


async def remote_commands(scenario: Scenario, hosts: Sequence[HostSpec]) -> list[RemoteCommand]:
    """Return the command for each host of a scenario, one for each pod of a selector.

    Raises FleetError for what an untrusted preset may not run, and if pods can't be listed.
    """
    if problem := ssh_problem(scenario) or command_problem(scenario):
        raise FleetError(str(problem))
    config = located(scenario.fleet.ssh_config, scenario.origin.file)
    remotes: list[RemoteCommand] = []
    for host in hosts:
        remote = RemoteCommand(host, config, scenario.fleet.python)
        remotes += [replace(remote, host=pod) for pod in await pods_of(remote)] if host.via == "k8s" else [remote]
    names = [remote.host.name for remote in remotes]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise FleetError(f"two hosts are named {twice}: leave one out")
    return remotes


async def pods_of(remote: RemoteCommand) -> list[HostSpec]:
    """Return the running pods of a selector. Raises FleetError if they can't be listed."""
    namespace, _, selector = remote.host.destination.partition("/")
    line = ["kubectl", "get", "pods", f"--namespace={namespace}", f"--selector={selector}", "--output=json"]
    process = await RemoteProcess.open(remote, line)
    try:
        async with asyncio.timeout(PODS_S):
            assert process.stdout is not None
            said = await process.stdout.read()
            failure = await process.ended()
    except TimeoutError:
        raise FleetError(f"k8s:{remote.host.name}: kubectl did not answer within {PODS_S:g} s") from None
    finally:
        await process.close(0.0)
    try:
        items = json.loads(said)["items"]
        found = [
            HostSpec(f"{namespace}/{item['metadata']['name']}", remote.host.workers, "pod", _life(item))
            for item in items
            if item["status"].get("phase") == "Running"
            and not item["metadata"].get("deletionTimestamp")
            and all(container.get("ready") for container in item["status"].get("containerStatuses", ()))
        ]
    except (ValueError, LookupError, TypeError, AttributeError):
        if not process.process.returncode:
            first = sanitize(said.decode("utf-8", "replace").strip().partition("\n")[0], LINE_MOST) or "nothing"
            raise FleetError(f"k8s:{remote.host.name}: kubectl printed no list of pods, but {first}") from None
        raise FleetError(f"k8s:{remote.host.name}: {failure}") from None
    return found


def _life(item: Any) -> str:
    """Return what tells a pod from others of its name, and from itself before its container was started again."""
    chosen = item["metadata"].get("annotations", {}).get("kubectl.kubernetes.io/default-container")
    container = chosen or item["spec"]["containers"][0]["name"]
    statuses = item["status"].get("containerStatuses", ())
    started = [one.get("containerID", "") for one in statuses if one.get("name") == container]
    return " ".join([item["metadata"]["uid"], *started])


class RemoteProcess:
    """A command that runs; keeps stderr to explain its end, and stdout: docker writes its errors there."""

    def __init__(self, process: asyncio.subprocess.Process, remote: RemoteCommand) -> None:
        self.process = process
        self.stdin, self.stdout = process.stdin, process.stdout
        self._remote = remote
        self._said: deque[str] = deque(maxlen=LINES_KEPT)
        self._printed: deque[str] = deque(maxlen=LINES_KEPT)
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, remote: RemoteCommand, line: Sequence[str]) -> RemoteProcess:
        """Start the command. Raises FleetError if it is not installed."""
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
            fix = (
                "correct the command"
                if remote.tool == "exec"
                else f"install {'an ssh client' * (remote.tool == 'ssh') or remote.tool}"
            )
            raise FleetError(f"{line[0]} can't be started: {error.strerror}; {fix}") from error
        return cls(process, remote)

    async def _listen(self) -> None:
        assert self.process.stderr is not None
        with contextlib.suppress(ValueError, ConnectionError):
            while line := await self.process.stderr.readline():
                self._said.append(line.decode("utf-8", "replace").rstrip())

    def printed(self, output: bytes) -> None:
        """Keep lines of stdout that are not an answer."""
        self._printed.extend(line.decode("utf-8", "replace") for line in output.splitlines())

    async def ended(self) -> HostError:
        """Wait for the end and explain it."""
        status = await self.process.wait()
        await asyncio.wait({self._listening}, timeout=1)
        return self._remote.explain(status, self._said or self._printed)

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
