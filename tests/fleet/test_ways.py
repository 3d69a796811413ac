"""How another machine is reached, and what it means when it is not."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from wstui.fleet.host_facts import Facts
from wstui.fleet.hosts.remote_main import MARK, read_facts
from wstui.fleet.hosts.ssh import command, explain, remote_command


def test_ssh_is_the_persons_own_may_ask_nothing_and_shares_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSTUI_SSH", raising=False)
    line = command("me@host1", "true", config="/tmp/conf", here=["127.0.0.1:1:127.0.0.1:2"], there=["a:3:b:4"])
    assert line[:4] == ["ssh", "-T", "-F", "/tmp/conf"] and line[-3:] == ["--", "me@host1", "true"]
    options = [value for flag, value in itertools.pairwise(line) if flag == "-o"]
    for option in (
        "BatchMode=yes", "ExitOnForwardFailure=yes", "ServerAliveInterval=2", "ServerAliveCountMax=2",
        "ControlMaster=no", "ControlPath=none", "ForwardAgent=no",
    ):  # fmt: skip
        assert option in options
    assert line[-7:-3] == ["-L", "127.0.0.1:1:127.0.0.1:2", "-R", "a:3:b:4"]
    monkeypatch.setenv("WSTUI_SSH", "/opt/ssh")
    assert command("host1", "true")[0] == "/opt/ssh" and "-F" not in command("host1", "true")


def test_the_python_there_is_the_one_that_was_named_or_that_of_wstui() -> None:
    assert remote_command("/opt/my python", "look") == "exec '/opt/my python' -m wstui.fleet.hosts.remote_main look"
    assert remote_command("", "look").startswith("exec sh -c '") and "exec wstui _host look" in remote_command(
        "", "look"
    )


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
        (
            255,
            "Error: remote port forwarding failed for listen port 4321",
            "ssh",
            "forwards no port (Error: remote port",
            "AllowTcpForwarding",
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
    trouble = explain("host1", status, ["a banner" if status else "", *said.splitlines()])
    assert trouble.step == step and text in trouble.text and fix in trouble.fix


def test_what_a_shell_says_at_its_start_is_no_answer() -> None:
    facts = Facts("1", "3.12", "2", cores=1, spare=1, busy=0.0, files=1, ports=1, memory=1)
    answer = MARK + msgspec.json.encode(facts)
    assert read_facts(b"Welcome to host1!\n" + answer + b"\nbye\n") == facts
    assert read_facts(b"Welcome\n") is None and read_facts(b"wstui-host {nonsense\n") is None
