"""What workers get of messages: whatever the feed holds, messages stay what they were meant to be."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wstui.execution.run.compile import spec_of
from wstui.load.reply_matcher import MISSING, ReplyMatcher
from wstui.load.text import compile_text
from wstui.scenario.model import Scenario

# Line ends are the CSV reader's own affair, and it cannot hold a NUL.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"))


@dataclass
class Sender:
    number: int = 0
    seq: int = 1
    sent_ns: int = 0
    epoch_offset_ns: int = 0
    row: Sequence[str] = ()
    values: list[Any] = field(default_factory=list)


def scenario(send: str, feed: str = "", **keys: Any) -> Scenario:
    return Scenario.model_validate(
        {
            "stages": [{"name": "all", "over": 1.0, "clients": 1}],
            "messages": {"feed": feed},
            "roles": [{"name": "one", "loop": [{"send": send, **keys}]}],
        }
    )


def rendered(what: Scenario, client: int = 0, seq: int = 1) -> bytes:
    roles = spec_of(what).conversation.roles
    row = roles.rows[client % len(roles.rows)] if roles.rows else []
    said = roles.roles[0].loop[0].say
    assert said is not None
    return compile_text(said, what.messages.seed)(Sender(client, seq, row=row))


@given(TEXTS, TEXTS)
def test_whatever_a_feed_holds_stands_in_json_strings_unchanged(value: str, other: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv")
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["a", "b"], [value, other]])
        send = r'{"x":"{{feed.a}}","y":["\"\\{{feed.b}}\\\"",{"{{feed.a}}":{{seq}}}]}'
        document = json.loads(rendered(scenario(send, str(path))))
    assert document["x"] == value
    assert document["y"] == ['"\\' + other + '\\"', {value: 1}]


@given(st.text(st.characters(codec="utf-8", exclude_characters="{}")), st.integers(0, 300))
def test_what_stands_between_placeholders_arrives_as_it_is(text: str, size: int) -> None:
    payload = rendered(scenario(f"{text}%d{{{{seq}}}}%%{text}", size=size))
    plain = f"{text}%d1%%{text}".encode()
    assert payload == plain.ljust(size)


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(-(10**17), 10**17), st.integers(0, 10**17))
def test_random_numbers_keep_their_bounds_and_repeat(client: int, seq: int, low: int, span: int) -> None:
    what = scenario(f"{{{{random int {low} {low + span}}}}}")
    number = int(rendered(what, client, seq))
    assert low <= number <= low + span
    assert rendered(what, client, seq) == b"%d" % number


def test_random_numbers_differ_from_client_to_client_and_from_message_to_message() -> None:
    what = scenario("{{random int 0 999999999}} {{random int 0 999999999}}")
    drawn = [number for c in range(30) for s in range(1, 31) for number in rendered(what, c, s).split()]
    assert len(set(drawn)) > len(drawn) - 5
    mean = sum(map(int, drawn)) / len(drawn)
    assert mean == pytest.approx(5e8, rel=0.05)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.0", max_size=2), inner, max_size=3),
    max_leaves=10,
)


@given(JSON, st.lists(st.sampled_from(["a", "b", "0", "1", "type"]), min_size=1, max_size=3))
def test_a_path_finds_what_plain_python_finds(document: object, path: list[str]) -> None:
    reader = ReplyMatcher([path])
    found = reader.value(reader.read(json.dumps(document).encode()), path)
    expected = document
    for part in path:
        if isinstance(expected, dict) and part in expected:
            expected = expected[part]
        elif isinstance(expected, list) and part.isdigit() and int(part) < len(expected):
            expected = expected[int(part)]
        else:
            assert found is MISSING
            return
    assert found == expected
