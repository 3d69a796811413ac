"""`wstui manual`, as a reader calls it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from wstui.cli.manual import manual_pages
from wstui.manual.pages import TOPICS

COMMAND = [sys.executable, "-m", "wstui", "manual"]


def read(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)


def test_without_a_topic_all_are_listed() -> None:
    done = read()
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[: len(TOPICS)]] == list(TOPICS)


def test_a_page_is_rendered_and_plain_is_its_text() -> None:
    assert read("metrics", "--plain").stdout == manual_pages().text("metrics")
    rendered = read("metrics").stdout
    assert "response.*" in rendered and "`" not in rendered and "\x1b" not in rendered


def test_a_terminal_gets_it_through_its_pager() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PAGER": "sed s/^/paged:/", "TERM": "xterm-256color"}
    child = subprocess.Popen([*COMMAND, "exit-status"], stdin=theirs, stdout=theirs, env=environment)
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 65536):
            text += part
    except OSError:  # the terminal has closed
        pass
    assert child.wait(60) == 0
    # only less is known to keep colours
    assert b"paged:" in text and b"thresholds kept" in text and b"\x1b" not in text


def test_a_wrong_topic_names_the_nearest_and_is_wrong_usage() -> None:
    done = read("keyz")
    assert done.returncode == 2
    assert done.stderr == 'wstui: "keyz" is not a topic of the manual: did you mean "keys"?\n'


def test_words_are_found_with_their_topic() -> None:
    assert any(line.startswith("hosts: ") for line in read("--find", "lease").stdout.splitlines())
    assert read("--find", "xyzzy").returncode == 2
