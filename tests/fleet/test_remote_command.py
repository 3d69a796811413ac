"""How another machine is reached, and what it means when it is not."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from wstui.fleet.host_facts import MARK, Facts
from wstui.fleet.hosts.remote_command import RemoteCommand
from wstui.fleet.hosts.remote_main import read_facts
from wstui.scenario.hosts import HostSpec, parse_host


def test_ssh_is_the_users_own_may_ask_nothing_shares_no_connection_and_forwards_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WSTUI_SSH", raising=False)
    line = RemoteCommand(HostSpec("me@host1"), "/tmp/conf", "/opt/my python").command("probe")
    assert line[:4] == ["ssh", "-T", "-F", "/tmp/conf"] and line[-3:-1] == ["--", "me@host1"]
    assert line[-1] == "exec '/opt/my python' -m wstui.fleet.hosts.remote_main probe"
    options = [value for flag, value in itertools.pairwise(line) if flag == "-o"]
    for option in (
        "BatchMode=yes", "ClearAllForwardings=yes", "ServerAliveInterval=5", "ServerAliveCountMax=6",
        "ControlMaster=no", "ControlPath=none", "ForwardAgent=no",
    ):  # fmt: skip
        assert option in options
    monkeypatch.setenv("WSTUI_SSH", "/opt/ssh")
    line = RemoteCommand(HostSpec("host1")).command("probe")
    assert line[0] == "/opt/ssh" and "-F" not in line and line[-1].startswith("exec sh -c '")
    assert "exec wstui _host probe" in line[-1]


@pytest.mark.parametrize(
    ("host", "line"),
    [
        ("docker:box:4", ["docker", "exec", "-i", "box", "wstui", "_host", "probe"]),
        ("exec:ip netns exec 'my ns'", ["ip", "netns", "exec", "my ns", "wstui", "_host", "probe"]),
    ],
)
def test_other_roads_are_commands_with_the_program_there_as_their_last_words(host: str, line: list[str]) -> None:
    assert RemoteCommand(parse_host(host)).command("probe") == line
    assert RemoteCommand(parse_host(host), python="/opt/py").command("probe")[-4:-1] == [
        "/opt/py",
        "-m",
        "wstui.fleet.hosts.remote_main",
    ]


def test_a_pod_is_reached_by_kubectl_in_its_namespace() -> None:
    pod = RemoteCommand(HostSpec("load/generator-7", 2, "pod"))
    assert pod.host.name == "generator-7"
    assert pod.command("work") == [
        *("kubectl", "exec", "-i", "--quiet", "--namespace=load", "generator-7", "--"),
        *("wstui", "_host", "work"),
    ]


@pytest.mark.parametrize(
    ("host", "status", "said", "step", "text", "fix"),
    [
        ("docker:box", 1, "Error response from daemon: No such container: box", "docker", "is not a container", "ps"),
        ("docker:box", 1, "Error response from daemon: container 4f is not running", "docker", "is not", "start box"),
        ("docker:box", 1, "Cannot connect to the Docker daemon at unix:///x", "docker", "can't be reached", ""),
        ("docker:box", 127, 'OCI runtime exec failed: exec: "wstui": executable file not found in $PATH', "wstui",
         "has no wstui", "pip install"),
        ("k8s:load/app=x", 1, 'Error from server (NotFound): pods "a" not found', "kubectl", "not there any more", ""),
        ("k8s:load/app=x", 1, 'Error from server (Forbidden): pods is forbidden', "kubectl", "may not be", "pods/exec"),
        ("k8s:load/app=x", 1, 'error: unable to upgrade connection: pods "a" is forbidden: User "me" cannot create',
         "kubectl", "may not be", "pods/exec"),
        ("k8s:load/app=x", 1, "The connection to the server 10.0.0.1:6443 was refused", "kubectl", "can't be reached",
         "context"),
        ("k8s:load/app=x", 1, "error: unexpected EOF", "kubectl", "closed the connection", ""),
        ("k8s:load/app=x", 137, "command terminated with exit code 137", "kubectl", "kubectl ended with", ""),
        ("exec:nsenter", 1, "nsenter: cannot open /proc/1/ns/net", "exec", "its command ended with status 1: nsen", ""),
        ("exec:nsenter", -9, "", "exec", "its command killed by SIGKILL", ""),
    ],
)  # fmt: skip
def test_the_end_of_every_road_is_told_in_words(
    host: str, status: int, said: str, step: str, text: str, fix: str
) -> None:
    trouble = RemoteCommand(parse_host(host)).explain(status, said.splitlines())
    assert trouble.step == step and text in trouble.text and fix in trouble.fix


@pytest.mark.parametrize(
    ("status", "said", "step", "text", "fix"),
    [
        (255, "me@host1: Permission denied (publickey).", "ssh", "may not log in", "ssh-copy-id host1"),
        (255, "me@jump: Permission denied (publickey).", "ssh", "(me@jump: Permission denied", "ssh-copy-id host1"),
        (
            255,
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.",
            "ssh",
            "has another host key than before",
            "find out why",
        ),
        (255, "ssh: connect to host host1 port 22: Connection refused", "ssh", "refuses connections", "start sshd"),
        (
            255,
            "channel 1: open failed: connect failed: Connection refused",
            "ssh",
            "ssh ended with status 255",
            "try `ssh",
        ),
        (
            255,
            "Connection to host1 closed by remote host.",
            "ssh",
            "closed the connection (Connection to host1",
            "logged",
        ),
        (0, "", "ssh", "ended what it was to run", ""),
        (255, "Host key verification failed.", "ssh", "host key that is not known", "run `ssh host1` once"),
        (
            255,
            "ssh: Could not resolve hostname host1: Name or service not known",
            "ssh",
            "not known by this name",
            "ssh",
        ),
        (255, "ssh: connect to host host1 port 22: No route to host", "ssh", "can't be reached", "network"),
        (255, "Timeout, server host1 not responding.", "ssh", "does not answer ssh any more", ""),
        (
            127,
            "sh: 1: exec: wstui: not found",
            "wstui",
            "has no wstui that can make load",
            "pip install 'wstui[cluster]'",
        ),
        (1, "/usr/bin/python3: No module named wstui", "wstui", "No module named wstui", "--host-python"),
        (2, "Error: No such command '_host'.", "wstui", "No such command", "pip install"),
        (1, "", "ssh", "ssh ended with status 1", ""),
    ],
)
def test_the_end_of_an_ssh_is_told_in_words_with_what_to_do(
    status: int, said: str, step: str, text: str, fix: str
) -> None:
    trouble = RemoteCommand(HostSpec("host1")).explain(status, ["a banner" if status else "", *said.splitlines()])
    assert trouble.step == step and text in trouble.text and fix in trouble.fix


def test_what_a_shell_says_at_its_start_is_no_answer() -> None:
    facts = Facts("1", "3.12", "2", cores=1, spare=1, busy=0.0, files=1, ports=1, memory=1)
    answer = MARK + msgspec.json.encode(facts)
    assert read_facts(b"Welcome to host1!\n" + answer + b"\nbye\n") == facts
    assert read_facts(b"Welcome\n") is None and read_facts(b"wstui-host {nonsense\n") is None
