"""A scenario may ask for the limit in the place of stages: in a file, and by flags on top of any preset."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wstui.scenario.breakpoint import Breakpoint
from wstui.scenario.checks import warnings
from wstui.scenario.errors import ScenarioError
from wstui.scenario.file import dumps, loads
from wstui.scenario.model import Scenario, Stage, Threshold
from wstui.scenario.overrides import Overrides, apply
from wstui.scenario.presets import find, open_preset

LIMIT = '\n[[thresholds]]\nmetric = "response.p99"\nlimit = "< 20ms"\n'


def read(text: str) -> Scenario:
    made = loads(text + LIMIT, "x.toml", {})
    assert isinstance(made, Scenario)
    return made


def refused(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        loads(text + LIMIT, "x.toml", {})
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


def search_of(scenario: Scenario) -> Breakpoint:
    assert scenario.breakpoint is not None and scenario.stages == []
    return scenario.breakpoint


def test_bounds_suit_what_is_looked_for() -> None:
    assert [(b.first, b.largest) for b in map(search_of, map(read, (
        '[breakpoint]\nof = "clients"', '[breakpoint]\nof = "connects"', '[breakpoint]\nof = "messages"',
        "[breakpoint]\nmost = 50", "[breakpoint]\nstart = 30000",
    )))] == [(100, 20_000), (20, 2_000), (200, 20_000), (50, 50), (30_000, 30_000)]  # fmt: skip


def test_a_share_needs_its_unit() -> None:
    assert search_of(read('[breakpoint]\nprecision = "2.5%"')).precision == 0.025
    for text, message in (
        ("0.1", 'breakpoint.precision: is a number without a unit: write "10%"'),
        ('"10"', 'breakpoint.precision: is not a share: write "10%"'),
        ('"0%"', "breakpoint.precision: must be at least 1%"),
        ('"60%"', "breakpoint.precision: must be at most 50%"),
        ("true", 'breakpoint.precision: is not a share: write "10%"'),
    ):
        assert refused(f"[breakpoint]\nprecision = {text}") == [message]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("factor = 1", "breakpoint.factor: must be at least 1.1"),
        ("factor = true", "breakpoint.factor: is not a number"),
        ("start = 0", "breakpoint.start: must be at least 1"),
        ("start = 20\nmost = 10", "breakpoint.start: is above breakpoint.most, 10"),
        ('measure = "0s"', "breakpoint.measure: must be more than 0s"),
        ('of = "users"', 'breakpoint.of: must be "clients" or "connects" or "messages"'),
        (
            'of = "messages"\nclients = 10',
            "breakpoint.clients: are too few for 20000 messages/s: at 500/s each it takes 40",
        ),
        (
            'of = "messages"\n[messages]\nexchange = "listen"',
            'breakpoint.of: cannot be "messages": clients of exchange "listen" send nothing',
        ),
        (
            '[[stages]]\nname = "hold"\nover = "1s"\nclients = 1',
            "stages: cannot be combined with [breakpoint], which sets the load itself: keep one of them",
        ),
    ],
)
def test_what_makes_no_sense_is_said(text: str, message: str) -> None:
    assert refused(f"[breakpoint]\n{text}") == [message]


def test_what_is_probably_not_meant_is_said() -> None:
    assert warnings(read("[breakpoint]")) == []
    assert (
        "messages.every has no effect" in warnings(read('[messages]\nevery = "1s"\n[breakpoint]\nof = "messages"'))[0]
    )
    assert "without a threshold" in warnings(Scenario(breakpoint=Breakpoint()))[0]
    odd = Scenario(
        breakpoint=Breakpoint(settle=1),
        thresholds=[
            Threshold(metric="fanout.completeness", limit="> 99%"),
            Threshold(metric="response.p99", limit="< 1s", abort_on_fail=True),
        ],
    )
    assert [advice.split()[0] for advice in warnings(odd)] == ["fanout.completeness", "after"]


def test_the_shipped_search_is_short_enough_to_wait_for() -> None:
    scenario = open_preset("breakpoint", {})
    assert isinstance(scenario, Scenario)
    assert search_of(scenario).of == "clients" and scenario.peak_clients == 20_000
    assert scenario.duration_s < 20 * 60


def changed(preset: str = "breakpoint", environ: dict[str, str] | None = None, **flags: Any) -> Breakpoint:
    scenario = open_preset(preset, environ or {}, Overrides(**flags))
    assert isinstance(scenario, Scenario)
    return search_of(scenario)


def test_flags_mean_the_same_to_a_search_as_to_stages() -> None:
    assert (changed(ramp="1s", hold="2s").ramp, changed(ramp="1s", hold="2s").measure) == (1, 2)
    assert changed(clients=500).largest == 500
    assert changed(environ={"MAX_CONNECTIONS": "700", "TEST_DURATION": "3000"}).most == 700
    assert (changed(start=7, most=70).first, changed(start=7, most=70).largest) == (7, 70)
    half = changed(scale=0.5)
    assert (half.first, half.largest, half.clients) == (50, 10_000, 100)
    messages = changed(breakpoint_of="messages", clients=50, scale=2.0)
    assert (messages.first, messages.largest, messages.clients) == (200, 20_000, 100)


def test_any_preset_can_be_searched_for_its_limit() -> None:
    search = changed("quick", breakpoint_of="messages", most=1000)
    assert (search.of, search.first, search.largest) == ("messages", 200, 1000)
    staged = Scenario(
        stages=[Stage(name="hold", over=1, clients=1)],
        thresholds=[Threshold(metric="response.p99", limit="< 1s", stage="hold")],
    )
    made = apply(staged, {}, Overrides(breakpoint_of="connects"))
    assert search_of(made).of == "connects" and made.thresholds[0].stage == ""


def test_bounds_of_another_kind_of_load_are_forgotten() -> None:
    preset = loads('[breakpoint]\nof = "clients"\nstart = 5000\nmost = 9000' + LIMIT, "", {})
    assert isinstance(preset, Scenario)
    assert search_of(apply(preset, {}, Overrides(breakpoint_of="clients"))).first == 5000
    assert search_of(apply(preset, {}, Overrides(breakpoint_of="connects"))).first == 20


def test_a_wrong_flag_is_named() -> None:
    for flags, problem in (
        ({"breakpoint_of": "users"}, "--breakpoint-of"),
        ({"most": 0}, "--most"),
        ({"start": 9, "most": 3}, "--start"),
        ({"scale": -1.0}, "--scale"),
        ({"hold": "0s"}, "--hold"),
    ):
        with pytest.raises(ScenarioError) as caught:
            open_preset("breakpoint", {}, Overrides(**flags))
        assert [found.key for found in caught.value.problems] == [problem]
    with pytest.raises(ScenarioError) as caught:
        open_preset("quick", {}, Overrides(most=5))
    assert "add --breakpoint-of" in caught.value.problems[0].message


searches = st.builds(
    Breakpoint,
    of=st.sampled_from(["clients", "connects"]),
    start=st.none() | st.integers(1, 100),
    most=st.none() | st.integers(100, 10**7),
    factor=st.floats(1.1, 10),
    precision=st.floats(0.01, 0.5),
    clients=st.integers(0, 10**7),
    ramp=st.floats(0, 1e6),
    measure=st.floats(0.001, 1e6),
)


@given(searches)
def test_any_search_loads_equal_from_its_text(search: Breakpoint) -> None:
    scenario = Scenario(breakpoint=search)
    assert loads(dumps(scenario), "", {}) == scenario
    assert Scenario.model_validate(scenario.model_dump(mode="json")) == scenario
    assert scenario.duration_s > 0 and scenario.peak_clients > 0


def test_the_preset_is_found_by_its_name() -> None:
    assert find("breakpoint").name == "breakpoint.toml"
