"""The slope of noisy points: exact on a line, and not led astray by a few wild ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wstui.measure.theil_sen import POINTS_MOST, theil_sen

NUMBERS = st.floats(-1e6, 1e6)


@given(NUMBERS, NUMBERS, st.integers(2, 5 * POINTS_MOST))
def test_a_line_has_its_own_slope(start: float, slope: float, count: int) -> None:
    points = [(x * 5.0, start + slope * x * 5.0) for x in range(count)]
    found = theil_sen(points)
    assert found is not None and found.value == pytest.approx(slope, rel=1e-6, abs=1e-4)
    assert found.low <= found.value <= found.high and found.uncertainty <= 1e-4 + abs(slope) * 1e-6


@given(st.lists(st.floats(-1e9, 1e9), min_size=25, max_size=25), st.randoms(use_true_random=False))
def test_a_quarter_of_wild_points_does_not_turn_it_around(wild: list[float], dice: object) -> None:
    points = [(float(x), 2.0 * x) for x in range(100)]
    places = dice.sample(range(100), 25)  # type: ignore[attr-defined]
    for place, y in zip(places, wild, strict=True):
        points[place] = (points[place][0], y)
    slope = theil_sen(points)
    assert slope is not None
    assert 0 < slope.value < 4 or slope.value == pytest.approx(2.0)


def test_where_there_is_no_stretch_there_is_no_slope() -> None:
    assert theil_sen([]) is theil_sen([(1, 1)]) is theil_sen([(1, 1), (1, 2)]) is None
