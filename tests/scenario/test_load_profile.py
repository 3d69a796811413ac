"""The load that a scenario asks for: connects and messages a second, whoever tells them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from wstui.scenario.model import Scenario


def asked(*stages: dict[str, Any], **tables: Any) -> Scenario:
    return Scenario.model_validate({"stages": [{"name": f"s{n}", **stage} for n, stage in enumerate(stages)], **tables})


@pytest.mark.parametrize(
    ("scenario", "rate"),
    [
        (asked({"over": 10, "clients": 1000}, {"over": 1, "clients": 0}), 100.0),
        (asked({"over": 10, "clients": 100}, {"over": 5, "clients": 200}, {"over": 1}), 20.0),
        (asked({"over": 10, "clients": 100, "arrive": 50, "stay": 2}), 60.0),
        (asked({"over": 10, "clients": 100}, {"over": 5, "arrive": 3, "stay": 1}), 10.0),
        (asked({"over": 0, "clients": 100}, {"over": 5}), math.inf),
        (asked({"over": 0, "clients": 0}, {"over": 5, "arrive": 3, "stay": 1}), 3.0),
        (asked(breakpoint={"of": "connects", "most": 500, "clients": 10}), 500.0),
        (asked(breakpoint={"of": "connects", "most": 50, "clients": 1000, "ramp": 10}), 100.0),
        (asked(breakpoint={"of": "messages", "clients": 1000, "ramp": 10}), 100.0),
        (asked(breakpoint={"start": 100, "most": 1000, "factor": 2, "ramp": 10}), 40.0),
        (asked(breakpoint={"start": 300, "most": 300, "ramp": 10}), 30.0),
    ],
)
def test_connects_a_second_are_those_of_the_steepest_stage_or_step(scenario: Scenario, rate: float) -> None:
    assert scenario.connects_per_s == pytest.approx(rate)


@pytest.mark.parametrize(
    ("scenario", "rate"),
    [
        (asked({"over": 10, "clients": 1000}, messages={"every": 5}), 200.0),
        (asked({"over": 10, "clients": 1000}, {"over": 9, "every": 0.5}, messages={"every": 5}), 2000.0),
        (asked({"over": 10, "clients": 1000}, messages={"every": 0}), None),
        (asked({"over": 10, "clients": 1000}, messages={"exchange": "listen", "every": 0}), 0.0),
        (asked({"over": 10, "clients": 1000}, roles=[{"name": "hears"}], messages={"every": 5}), 0.0),
        (asked(breakpoint={"of": "messages", "most": 700}, messages={"every": 0}), 700.0),
        (asked(breakpoint={"most": 1000}, messages={"every": 2}), 500.0),
    ],
)
def test_messages_a_second_are_those_of_the_peak_unless_nobody_knows_them(
    scenario: Scenario, rate: float | None
) -> None:
    assert scenario.messages_per_s == rate
