"""`wstui manual`, as a reader calls it."""

from __future__ import annotations

import json
import os
import sys

from tests.cli.commands import invoke
from tests.terminal import start_on_pty
from wstui.cli.manual import manual_pages
from wstui.manual.pages import TOPICS

COMMAND = [sys.executable, "-m", "wstui", "manual"]


def test_without_a_topic_all_are_listed() -> None:
    status, out, _ = invoke("manual")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[: len(TOPICS)]] == list(TOPICS)


def test_a_page_is_rendered_and_plain_is_its_text() -> None:
    assert invoke("manual", "metrics", "--plain")[1] == manual_pages().text("metrics")
    rendered = invoke("manual", "metrics")[1]
    assert "response.*" in rendered and "`" not in rendered and "\x1b" not in rendered


def test_topics_a_page_and_the_lines_found_are_printed_as_json() -> None:
    topics = json.loads(invoke("manual", "--json")[1])
    assert [topic["topic"] for topic in topics] == list(TOPICS) and all(topic["summary"] for topic in topics)
    page = json.loads(invoke("manual", "metrics", "--json")[1])
    assert page == {"topic": "metrics", "text": manual_pages().text("metrics")}
    found = json.loads(invoke("manual", "--find", "holds a lease", "--json")[1])
    assert {place["topic"] for place in found} >= {"hosts"} and all("lease" in place["line"] for place in found)


def test_a_terminal_gets_it_through_its_pager() -> None:
    environment = {**os.environ, "PAGER": "sed s/^/paged:/", "TERM": "xterm-256color"}
    child, ours = start_on_pty([*COMMAND, "exit-status"], env=environment)
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
    status, _, err = invoke("manual", "keyz")
    assert status == 2
    assert err == 'wstui: "keyz" is not a topic of the manual: did you mean "keys"?\n'


def test_words_are_found_with_their_topic() -> None:
    assert any(line.startswith("hosts: ") for line in invoke("manual", "--find", "lease")[1].splitlines())
    assert invoke("manual", "--find", "xyzzy")[0] == 2
