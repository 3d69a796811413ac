"""Metrics and limits: what can be named, in which unit, and how a figure is judged."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wstui.scenario.errors import BadValue
from wstui.scenario.threshold import METRICS, MOST_USED, Limit, parse_condition, parse_limit, parse_metric

OPS = st.sampled_from(("<", "<=", ">", ">=", "=="))
UNITS = st.sampled_from(("ms", "%", "/s", ""))
VALUES = st.floats(min_value=0, max_value=1e12)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("< 20ms", Limit("<", 20.0, "ms")),
        ("<20ms", Limit("<", 20.0, "ms")),
        ("< 0.02s", Limit("<", 20.0, "ms")),
        ("<= 500us", Limit("<=", 0.5, "ms")),
        ("> 99%", Limit(">", 99.0, "%")),
        (">= 99.9 %", Limit(">=", 99.9, "%")),
        (">= 1000/s", Limit(">=", 1000.0, "/s")),
        ("== 0", Limit("==", 0.0, "")),
    ],
)
def test_limits_are_read_in_the_unit_that_figures_have(text: str, limit: Limit) -> None:
    assert parse_limit(text) == limit


@given(OPS, VALUES, UNITS)
def test_any_limit_survives_text(op: str, value: float, unit: str) -> None:
    limit = Limit(op, value, unit)  # type: ignore[arg-type]
    try:
        assert parse_limit(str(limit)) == limit
    except BadValue:
        assert (unit == "%" and value >= 100) or (op == "<" and value == 0)


@pytest.mark.parametrize("metric", METRICS)
def test_every_offered_metric_is_valid(metric: str) -> None:
    assert parse_metric(metric).name == metric


def test_any_percentile_can_be_named() -> None:
    metric = parse_metric("fanout.spread.p99.95")
    assert (metric.family, metric.statistic, metric.unit) == ("fanout.spread", "p99.95", "ms")
    assert metric.quantile == pytest.approx(0.9995)
    assert parse_metric("response.mean").quantile is None


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("respons.p99", "response.p99"),
        ("response.p999", "response.p99.9"),
        ("reponse.p97", "response.p97"),
        ("connect.sucess", "connect.success"),
        ("messages.timeout", "messages.timed_out"),
        ("Response.Mean", "response.mean"),
        ("fan-out.completeness", "fanout.completeness"),
    ],
)
def test_a_misspelt_metric_is_told_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_metric(name)
    assert caught.value.nearest == nearest


@pytest.mark.parametrize(
    ("metric", "text", "nearest"),
    [
        ("response.p99", "< 20", "< 20ms"),
        ("connect.success", ">= 0.99", ">= 99%"),
        ("connect.success", ">= 99", ">= 99%"),
        ("connect.success", "> 100%", ">= 100%"),
        ("messages.received_per_second", ">= 1000", ">= 1000/s"),
        ("messages.timed_out", "< 1%", ""),
        ("connections.dropped", "< 0", "<= 0"),
        ("response.mean", "=< 5ms", "<= 5ms"),
        ("response.mean", "≤ 5ms", "<= 5ms"),
        ("connections.dropped", "= 0", "== 0"),
        ("messages.received_per_second", "> 1,000/s", "> 1000/s"),
        ("response.mean", "< 1,5ms", "< 1.5ms"),
        ("response.mean", "< 0,250s", "< 0.250s"),
        ("connect.success", ">= 99,9%", ">= 99.9%"),
        ("response.mean", "5ms", ""),
        ("response.mean", "", ""),
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused(metric: str, text: str, nearest: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_limit(text, metric)
    assert caught.value.nearest == nearest


@pytest.mark.parametrize(
    ("limit", "kept", "broken"),
    [("< 5ms", 4.999, 5.0), ("<= 5ms", 5.0, 5.001), ("> 99%", 99.01, 99.0), (">= 99%", 99.0, 98.99), ("== 0", 0, 1)],
)
def test_limits_hold_up_to_their_edge(limit: str, kept: float, broken: float) -> None:
    assert parse_limit(limit).is_kept_by(kept)
    assert not parse_limit(limit).is_kept_by(broken)


def test_a_quotient_that_misses_by_its_last_bit_still_counts_as_equal() -> None:
    assert 7 / 100 * 100 != 7
    assert parse_limit("<= 7%").is_kept_by(7 / 100 * 100)
    assert not parse_limit("< 7%").is_kept_by(7 / 100 * 100)


@pytest.mark.parametrize(
    ("limit", "value", "used"),
    [
        ("< 20ms", 10.0, 0.5),
        ("< 20ms", 20.0, 1.0),
        ("< 20ms", 30.0, 1.5),
        (">= 99%", 100.0, 0.0),
        (">= 99%", 99.5, 0.5),
        (">= 99%", 99.0, 1.0),
        ("> 99%", 98.0, 2.0),
        (">= 100%", 100.0, 0.0),
        (">= 100%", 99.0, 2.0),
        (">= 1000/s", 2000.0, 0.5),
        (">= 1000/s", 1000.0, 1.0),
        (">= 1000/s", 0.0, MOST_USED),
        ("> 0/s", 0.0, 1.0),
        (">= 0/s", 0.0, 0.0),
        ("<= 0", 0.0, 0.0),
        ("== 0", 0.0, 0.0),
        ("== 0", 3.0, 4.0),
        ("< 5ms", -2.0, 0.0),
    ],
)
def test_used_tells_how_much_of_the_limit_is_gone(limit: str, value: float, used: float) -> None:
    assert parse_limit(limit).used(value) == pytest.approx(used)


@given(OPS, VALUES, UNITS, st.floats(min_value=-1e12, max_value=1e12))
def test_used_and_holds_agree_and_used_is_always_a_number(op: str, bound: float, unit: str, value: float) -> None:
    limit = Limit(op, bound, unit)  # type: ignore[arg-type]
    used = limit.used(value)
    assert math.isfinite(used) and 0 <= used <= MOST_USED
    assert used <= 1 if limit.is_kept_by(value) else used >= 1


def test_a_condition_on_one_line_is_metric_and_limit() -> None:
    assert parse_condition("response.p99 < 20ms") == ("response.p99", "< 20ms")
    assert parse_condition("connect.success>=99%") == ("connect.success", ">=99%")


@pytest.mark.parametrize("text", ["", "response.p99", "< 20ms", "respons.p99 < 20ms", "response.p99 < 20"])
def test_half_a_condition_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        parse_condition(text)
