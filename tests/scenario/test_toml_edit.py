"""A preset that somebody wrote by hand keeps its comments and its layout; only what changed is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.scenario.revising import revised
from tests.scenario.test_saving import scenarios
from tests.search import FEW
from wstui.scenario.file import dumps, load, loads, save
from wstui.scenario.file_refs import shipped_folder
from wstui.scenario.model import Scenario, Stage, Suite
from wstui.scenario.toml_edit import edited

BY_HAND = """\
# The checkout, as it is on a Saturday.
name="checkout"   # no spaces, on purpose

[target]
url = '${WS_URL:-ws://localhost:3001/ws}' # set by the pipeline
ready = "welcome"      # the default, and said all the same
subprotocols = [
    "v2",  # the newest
    "v1",
]

[auth]
kind = "token"
token = "${AUTH_TOKEN:-}"

[messages]
every = "${PACE:-2s}"   # two seconds
timeout  =  "10s"

# First people come,
[[stages]]
name = "ramp"
over = "30s"  # not faster: the limiter
clients = 300

# then they stay.
[[stages]]
name = "hold"
over = "2m"

[[thresholds]]
metric = "response.p99"
limit = "< 20ms" # agreed with the shop
# [[thresholds]]
# metric = "failures.rate"
# that is all
"""


def opened(text: str = BY_HAND) -> Scenario:
    scenario = loads(text, "", {})
    assert isinstance(scenario, Scenario)
    return scenario


def swapped(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def test_what_did_not_change_is_written_as_it_was() -> None:
    assert dumps(opened()) == BY_HAND
    for path in shipped_folder().glob("*.toml"):
        assert dumps(load(path)) == path.read_text("utf-8"), path


def test_only_changes_are_rewritten() -> None:
    changed = revised(
        opened(),
        {
            "name": "market",
            "target.ready": "open",
            "target.subprotocols": ["v3", "v1"],
            "messages.timeout": "4s",
            "stages": [{"name": "ramp", "over": "1m", "clients": 300}, {"name": "hold", "over": "3m"}],
            "thresholds": [{"metric": "response.p99", "limit": "< 30ms"}],
        },
    )
    assert dumps(changed) == swapped(
        BY_HAND,
        ('name="checkout"', 'name="market"'),
        ('ready = "welcome"', 'ready = "open"'),
        ('"v2",', '"v3",'),
        ('timeout  =  "10s"', 'timeout  =  "4s"'),
        ('over = "30s"', 'over = "1m"'),
        ('over = "2m"', 'over = "3m"'),
        ('limit = "< 20ms"', 'limit = "< 30ms"'),
    )


def test_a_reference_goes_only_where_its_own_value_changed() -> None:
    text = dumps(revised(opened(), {"messages.every": "5s"}))
    assert text == swapped(BY_HAND, ('"${PACE:-2s}"', '"5s"'))


def test_what_is_new_stands_in_its_table_and_before_the_comments_of_the_next() -> None:
    changed = revised(opened(), {"messages.arrivals": "poisson", "fleet.workers": 2})
    assert dumps(changed) == swapped(
        BY_HAND,
        ('timeout  =  "10s"\n', 'timeout  =  "10s"\narrivals = "poisson"\n'),
        ("# [[thr", "\n[fleet]\nworkers = 2\n# [[thr"),
    )


def test_stages_that_move_or_go_take_their_comments_along() -> None:
    ramp, hold = opened().stages
    text = dumps(revised(opened(), {"stages": [hold.model_copy(update={"clients": 5}), ramp]}))
    assert text.index("# then they stay.") < text.index('"hold"') < text.index("# First people") < text.index('"ramp"')
    gone = dumps(revised(opened(), {"stages": [ramp]}))
    assert "then they stay" not in gone and "# First people come," in gone and "# that is all" in gone


def test_inline_stages_and_the_short_form_stay_what_they_are() -> None:
    inline = 'stages = [\n  { name = "ramp", over = "1s", clients = 5 }, # up\n  { name = "hold", over = "2s" },\n]\n'
    text = dumps(
        revised(opened(inline), {"stages": [Stage(name="ramp", over=1, clients=9), Stage(name="hold", over=2)]})
    )
    assert text == inline.replace("clients = 5", "clients = 9")
    short = '[load] # short\nclients = 5\nramp = "1s"  # up\nhold = "2s"\n'
    text = dumps(
        revised(opened(short), {"stages": [Stage(name="ramp", over=3, clients=5), Stage(name="hold", over=2)]})
    )
    assert text == short.replace('ramp = "1s"', 'ramp = "3s"')
    longer = revised(opened(short), {"stages": [*opened(short).stages, Stage(name="more", over=2, clients=50)]})
    assert "[load]" not in dumps(longer) and loads(dumps(longer), "", {}) == longer


def test_a_secret_in_plain_text_becomes_a_reference_and_the_rest_stays() -> None:
    text = BY_HAND.replace("${AUTH_TOKEN:-}", "hidden")
    assert dumps(opened(text)) == BY_HAND


def test_a_suite_keeps_its_comments() -> None:
    text = '# both\nsuite = ["quick", "medium"]  # in order\ncooldown = "8m"\n'
    suite = loads(text, "", {})
    assert isinstance(suite, Suite)
    changed = suite.model_copy(update={"cooldown": 60.0, "suite": ["quick", "stress"]})
    assert dumps(changed) == text.replace("8m", "1m").replace("medium", "stress")


def test_saving_under_another_name_keeps_the_comments_of_where_it_came_from(tmp_path: Path) -> None:
    path = save(opened().model_copy(update={"name": "other"}), tmp_path / "other.toml")
    assert path.read_text() == BY_HAND.replace('name="checkout"', 'name="other"')


def test_text_that_cannot_be_kept_is_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> str:
        raise ValueError("no such layout")

    monkeypatch.setattr("wstui.scenario.toml_edit.edited", broken)
    assert loads(dumps(opened()), "", {}) == opened() and "#" not in dumps(opened())
    monkeypatch.setattr("wstui.scenario.toml_edit.edited", lambda scenario: 'name = "something else"')
    assert loads(dumps(opened()), "", {}) == opened()


def commented(text: str) -> str:
    """The text with a comment before and after each line that may have one."""
    lines = []
    for number, line in enumerate(text.split("\n")):
        # not inside lists that tomli-w spreads over lines
        plain = not line or (line[0] not in " ]" and not line.endswith("["))
        lines += [f"# before {number}", f"{line}  # on {number}" if line else line] if plain else [line]
    return "\n".join(lines)


@FEW
@given(scenarios, scenarios, st.booleans())
def test_whatever_changes_is_saved_and_loaded_again_equal(before: Scenario, after: Scenario, comments: bool) -> None:
    text = dumps(before)
    assume("token" not in (before.auth.kind, after.auth.kind))  # saved as a reference: test_saving holds it
    environment = {"AUTH_TOKEN": after.auth.token.get_secret_value()} if after.auth.token else {}
    read = loads(commented(text) if comments else text, "", {})
    assert edited(read) == (commented(text) if comments else text)
    after._origin = read.origin
    assert loads(edited(after), "", environment) == after
    assert dumps(after) == edited(after)


def test_files_beside_a_preset_are_named_whole_when_it_is_saved_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "users.csv").write_text("name\nann\n")
    text = BY_HAND.replace("[messages]\n", '[messages]\nfeed = "users.csv"\n')
    (tmp_path / "a" / "mine.toml").write_text(text)
    scenario = load(tmp_path / "a" / "mine.toml", {})
    beside = load(save(scenario, tmp_path / "a" / "other.toml"), {})
    assert isinstance(beside, Scenario) and beside.messages.feed == "users.csv"
    away = load(save(scenario, tmp_path / "b" / "other.toml"), {})
    assert isinstance(away, Scenario) and away.messages.feed == str(tmp_path / "a" / "users.csv")
