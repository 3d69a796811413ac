"""What the manual holds: its topics, its links and pictures, and reference sections that match the code."""

from __future__ import annotations

import contextlib
import re
from importlib import metadata

import pytest

from tests.manual.examples import FILES, PAGES, ROOT
from tests.tui.screenshots import SCREENSHOTS, SHOWN
from wstui.cli.exit_codes import MEANINGS as STATUSES
from wstui.cli.manual import manual_pages
from wstui.manual import pages
from wstui.manual.pages import TOPICS, Manual, nearest_topic
from wstui.scenario.fields import FieldKind, described
from wstui.scenario.model import Scenario
from wstui.scenario.threshold import DISTRIBUTIONS, FIGURES, MEANINGS
from wstui.tui.app import WstuiApp
from wstui.tui.palette import ids_of, owners

OLD_NAMES = ("shard", "load process", "--boxes", "box-python", "one_way")
"""Names that only the changelog may still mention."""


@pytest.fixture(scope="module")
def manual() -> Manual:
    return manual_pages()


def test_every_file_is_a_topic_and_has_a_title_and_a_first_sentence(manual: Manual) -> None:
    assert sorted(TOPICS) == [page.stem for page in PAGES]
    for topic in TOPICS:
        title, summary, *_ = pages.source(topic).split("\n\n")
        assert title.startswith("# ") and "\n" not in summary and summary.endswith((".", "?")), topic
        assert manual.summaries[topic] == summary


@pytest.mark.parametrize("topic", TOPICS)
def test_a_page_as_it_is_read_has_no_marks_and_no_pictures(manual: Manual, topic: str) -> None:
    text = manual.text(topic)
    assert "<!--" not in text and "![" not in text
    assert len(text.splitlines()) > 5, "a generated section is empty"


def test_the_reference_is_complete(manual: Manual) -> None:
    assert all(f"`{name}`" in manual.text("metrics") for name in FIGURES)
    for path, field in described(Scenario).items():
        written = f"`[[{path}]]`" if field.kind is FieldKind.ROWS else f"| `{field.name}` |"
        assert written in manual.text("fields") or field.kind is FieldKind.TABLE, path
    assert set(MEANINGS) == {*FIGURES, *DISTRIBUTIONS}
    assert all(f"`{name}`" in manual.text("keys") for name in ids_of((*owners(), WstuiApp)))
    assert all(f"**{status}**" in manual.text("exit-status") for status in STATUSES)
    assert all(f"## wstui {name}" in manual.text("flags") for name in ("open", "run", "runs compare", "manual"))
    assert all(option in manual.text("flags") for option in ("--breakpoint-of", "--junit", "--fault", "--fail-if"))
    assert "## Verdict" in manual.text("result") and "`connections`" in manual.text("result")


def test_the_house_is_drawn_from_the_imports(manual: Manual) -> None:
    drawn = manual.text("house")
    rows = dict(re.findall(r"^ ?\d+  (\w+) +─► (.*)$", drawn, re.MULTILINE))
    assert "execution" in rows["report"].split() and "fleet" in rows["execution"].split()
    assert "tui" not in rows["report"]


def test_links_lead_to_files_and_topics_that_exist() -> None:
    for file in FILES:
        text = file.read_text()
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            assert link.startswith("https://") or (file.parent / link).resolve().is_file(), f"{file.name}: {link}"
        for topic in re.findall(r"`wstui manual ([a-z-]+)`", text):
            assert topic in TOPICS, f"{file.name}: {topic}"


def test_the_readme_is_short_and_the_pictures_are_those_that_are_shown() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200
    shown = {link for file in FILES for link in re.findall(r"screenshots/([\w.]+)", file.read_text())}
    there = {path.name: path.stat().st_size for path in SCREENSHOTS.iterdir()}
    assert shown == set(there)
    assert {f"{name}.png" for name in SHOWN} <= set(there)
    assert len(there) <= 25 and sum(there.values()) <= 3 << 20


@pytest.mark.parametrize("file", [file for file in FILES if file.stem != "changelog"], ids=lambda file: file.name)
def test_old_names_stand_in_the_changelog_alone(file: object) -> None:
    text = file.read_text().casefold()  # type: ignore[attr-defined]
    assert not [name for name in OLD_NAMES if name in text]


def test_words_are_found_in_all_pages_or_in_pages_that_have_them_all(manual: Manual) -> None:
    assert {place.topic for place in manual.find("coordinated JWT HS256")} <= {"odin"}
    places = manual.find("holds a lease")
    assert any(place.topic == "hosts" and "lease" in place.line for place in places)
    assert manual.find("  ") == [] and manual.find("xyzzy") == []


@pytest.mark.parametrize(
    ("wrong", "meant"), [("keyz", "keys"), ("scenarios", "scenario"), ("metric", "metrics"), ("zzz", "")]
)
def test_a_wrong_topic_is_answered_with_the_nearest(wrong: str, meant: str) -> None:
    assert nearest_topic(wrong) == meant


def test_the_versions_of_what_protocols_are_held_against_are_those_of_the_tests() -> None:
    ci = (ROOT / ".ci/run").read_text()
    page = (ROOT / "wstui/manual/protocols.md").read_text().partition("## Held against")[2]
    found = re.findall(r"(?:^\| \w+ \||,) ([\w.@/ -]+?) ([\d.]+)( \(npm\))?(?=[,; |(])", page, re.MULTILINE)
    assert len(found) >= 12
    for name, version, is_npm in found:
        if is_npm:
            assert re.search(f"[ :]{re.escape(name)}@{re.escape(version)} ", ci), name
            continue
        with contextlib.suppress(metadata.PackageNotFoundError):  # Mosquitto, RabbitMQ and Rails are of Debian
            known = metadata.version({"Strawberry": "strawberry-graphql"}.get(name, name))
            assert known.startswith(f"{version}."), name
