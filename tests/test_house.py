"""The house: modules of one idea each, tests beside what they test, and names that are the field's."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from tests.manual.examples import ROOT

LONGEST = 350
"""Lines of a module: more of them hold more than one idea."""
ROOMS_OF_THEIR_OWN = {"bench", "truth", "presets", "servers", "manual"}
"""Folders of tests that hold tools or pages, beside those that are called as the rooms of wstui."""
NAMED_BY_PYTHON = {"__init__.py", "__main__.py", "conftest.py"}
OLD_NAMES = frozenset(
    [
        "Books",
        "Comebacks",
        "Cut",
        "Deafen",
        "Departure",
        "Face",
        "Facade",
        "Farewell",
        "Fold",
        "Joined",
        "Masthead",
        "Reading",
        "Scope",
        "Shard",
        "Stretch",
        "Trouble",
        "Turn",
        "Visible",
        "Way",
        "Wish",
        "as_driven",
        "deafen",
        "disappointed",
        "is_driven",
        "is_phantom",
        "keep_pace",
        "landed",
        "left_behind",
        "lose_pending",
        "obey",
        "one_way",
        "reply_missing",
        "retire",
        "saved_received",
        "saved_sent",
        "stay_away",
        "surely",
        "tell_result",
        "tokens_judged",
    ]
)
"""Names that only the changelog may still mention."""


def modules(top: str = "wstui") -> dict[str, str]:
    return {str(file.relative_to(ROOT)): file.read_text() for file in sorted((ROOT / top).rglob("*.py"))}


def several(names: list[str]) -> list[str]:
    return sorted(name for name, times in Counter(names).items() if times > 1)


def test_a_module_has_one_idea() -> None:
    assert {name: size for name, text in modules().items() if (size := len(text.splitlines())) > LONGEST} == {}


@pytest.mark.parametrize("top", ["wstui", "tests"])
def test_a_name_of_a_file_stands_for_one_thing(top: str) -> None:
    files = [name.rpartition("/") for name in modules(top)]
    # A command is called as the module that does its work.
    names = [name for folder, _, name in files if name not in NAMED_BY_PYTHON and folder != "wstui/cli"]
    assert several(names) == []


@pytest.mark.parametrize("top", ["wstui", "tests"])
def test_the_name_of_a_class_stands_for_one_thing(top: str) -> None:
    trees = [ast.parse(text) for text in modules(top).values()]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    # The messages of a widget are named by their class: `OptionRow.Changed`.
    inner = {child for node in nodes for child in node.body}
    assert several([node.name for node in nodes if top == "tests" or node not in inner]) == []


def test_an_old_name_is_nowhere_in_the_code() -> None:
    found = set()
    for name, text in modules().items():
        for node in ast.walk(ast.parse(text)):
            used = {getattr(node, part, None) for part in ("name", "attr", "id", "arg")} & OLD_NAMES
            found |= {(name, word) for word in used}
    assert not found


def test_a_folder_of_tests_is_called_as_the_room_that_it_tests() -> None:
    rooms = {path.name for path in (ROOT / "wstui").iterdir() if (path / "__init__.py").is_file()}
    folders = {path.name for path in (ROOT / "tests").iterdir() if (path / "__init__.py").is_file()}
    assert folders - rooms - ROOMS_OF_THEIR_OWN == {"conversations"}, "load/conversation has a folder of its own"
    assert rooms - folders == set()
