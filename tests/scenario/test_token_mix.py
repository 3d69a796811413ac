"""Who brings which kind of token is decided by number alone, so counts are exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wstui.scenario.checks import check, warnings
from wstui.scenario.errors import ScenarioError
from wstui.scenario.file import dumps, loads
from wstui.scenario.model import Scenario
from wstui.scenario.overrides import apply
from wstui.scenario.target import Mix
from wstui.scenario.token_kind import TOKEN_KINDS

STAGE = '[[stages]]\nname = "hold"\nover = "1s"\nclients = 1\n'
PARTS = st.integers(0, 30)


@given(st.integers(1, 30), PARTS, PARTS, PARTS, PARTS)
def test_a_whole_pattern_has_exactly_the_parts_and_begins_with_a_good_token(
    good: int, a: int, b: int, c: int, d: int
) -> None:
    parts = dict(zip(TOKEN_KINDS, (good, a, b, c, d), strict=True))
    pattern = Mix(**parts).pattern()
    assert Counter(pattern) == Counter(parts)
    assert pattern[0] == "good"


@given(st.integers(1, 30), PARTS, PARTS, PARTS, PARTS, st.integers(1, 150))
def test_any_stretch_has_about_the_same_mix(good: int, a: int, b: int, c: int, d: int, length: int) -> None:
    parts = dict(zip(TOKEN_KINDS, (good, a, b, c, d), strict=True))
    pattern = Mix(**parts).pattern()
    seen = Counter((pattern * (length // len(pattern) + 1))[:length])
    for kind, count in parts.items():
        assert abs(seen[kind] - length * count / len(pattern)) <= len(TOKEN_KINDS)


def test_a_file_says_it_in_parts_and_is_written_back() -> None:
    scenario = loads(
        f'{STAGE}[auth]\nkind = "mix"\nsecret = "${{S}}"\n[auth.mix]\ngood = 3\nforged = 0\n', "", {"S": "s"}
    )
    assert isinstance(scenario, Scenario)
    assert (scenario.auth.mix.good, scenario.auth.mix.forged, scenario.auth.mix.expired) == (3, 0, 1)
    again = dumps(scenario)
    assert "[auth.mix]\ngood = 3\nforged = 0\n" in again
    assert loads(again, "", {"S": "s"}) == scenario


@pytest.mark.parametrize("text", ["good = 0", "forged = -1", "good = 1.5", "godo = 1", "expired = 101"])
def test_parts_are_whole_and_some_are_good(text: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        loads(f'{STAGE}[auth]\nkind = "mix"\nsecret = "${{S}}"\n[auth.mix]\n{text}\n', "x.toml", {"S": "s"})
    (problem,) = caught.value.problems
    assert problem.key == f"auth.mix.{text.split(maxsplit=1)[0]}"


def test_a_file_may_leave_the_secret_to_the_environment_and_a_run_may_not() -> None:
    text = f'{STAGE}[auth]\nkind = "mix"\nsecret = "${{JWT_SECRET:-}}"\n'
    scenario = loads(text, "x.toml", {})
    assert isinstance(scenario, Scenario)
    assert any("JWT_SECRET" in line for line in warnings(scenario))
    refusing: list[Callable[[], object]] = [
        lambda: check(scenario),
        lambda: apply(scenario, {}),
        lambda: loads(STAGE + '[auth]\nkind="mix"\n'),
    ]
    for refuse in refusing:
        with pytest.raises(ScenarioError, match=r"auth.secret.*JWT_SECRET"):
            refuse()
    asked = apply(scenario, {"JWT_SECRET": "from outside"})
    assert asked.auth.secret.get_secret_value() == "from outside"
