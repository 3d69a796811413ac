"""Whatever a file says, it is read, or refused with problems that a terminal may show."""

from __future__ import annotations

import tomli_w
from hypothesis import example, given
from hypothesis import strategies as st

from tests.search import FEW
from wstui.scenario.breakpoint import Breakpoint
from wstui.scenario.errors import ScenarioError
from wstui.scenario.file import dumps, loads
from wstui.scenario.model import Auth, Fleet, Messages, Scenario, Stage, Suite, Target, Threshold

KEYS = sorted(
    {
        key
        for table in (Auth, Breakpoint, Fleet, Messages, Scenario, Stage, Suite, Target, Threshold)
        for key in table.model_fields
    }
)
keys = st.sampled_from([*KEYS, "load", "ramp", "hold"]) | st.text(max_size=5)
scalars = (
    st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.dates()
    | st.text(max_size=8)
    | st.sampled_from(["${A}", "${B:-5s}", "${", "5s", "-1s", "< 5ms", "ws://h", "http://u:hidden@h", "jwt", "\x1b[2J"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)
files = st.dictionaries(keys, values, max_size=6)


def read(text: str) -> None:
    try:
        made = loads(text, "x.toml", {"A": "1"})
    except ScenarioError as error:
        shown = str(error)
        assert error.problems and "hidden" not in shown
        assert all(line.isprintable() for line in shown.splitlines())
    else:
        assert "hidden" not in dumps(made)


def test_a_password_where_a_path_belongs_is_not_shown() -> None:
    read('[target]\nkey_file = "http://u:hidden@h"\n[messages]\nfeed = "http://u:hidden@h"\n')


@FEW
@example({"name": "x", "[key]": []})  # which pydantic also calls the name of a header
@example({"name": "x", "target": {"[key]": 1, "headers": {"[key]": 1}}})
@given(files)
def test_any_tables_are_read_or_refused(data: dict[str, object]) -> None:
    read(tomli_w.dumps(data))


@FEW
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "target": files,
            "auth": files,
            "messages": files,
            "fleet": files,
            "breakpoint": files,
            "load": files,
            "stages": st.lists(files, max_size=3),
            "thresholds": st.lists(files, max_size=3),
        },
    )
)
def test_any_values_at_known_places_are_read_or_refused(data: dict[str, object]) -> None:
    read(tomli_w.dumps(data))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    read(text)
