"""Durations and sizes: what people write, and back without losing a bit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wstui.scenario.errors import BadValue
from wstui.scenario.units import (
    LONGEST_S,
    format_duration,
    format_size,
    parse_duration,
    parse_rate,
    parse_share,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0.0),
        ("250ms", 0.25),
        ("30s", 30.0),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("1h30m", 5400.0),
        ("1m30.5s", 90.5),
        ("1.5h", 5400.0),
        ("100us", 0.0001),
        ("100µs", 0.0001),
        ("2m500ms", 120.5),
        (" 5s ", 5.0),
    ],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.25, "250ms"), (1, "1s"), (1.5, "1.5s"), (60, "1m"), (90, "1m30s"), (5400, "1h30m"), (86400, "24h")],
)
def test_durations_are_written_as_short_as_they_read_well(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(min_value=0, max_value=LONGEST_S))
def test_any_duration_survives_text(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize("number", ["5", "0", "1.5"])
def test_a_number_without_unit_is_told_both_likely_units(number: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_duration(number)
    assert f'write "{number}s" or "{number}ms"' in str(caught.value)


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("5 s", "5s"),
        ("5 seconds", "5s"),
        ("2 min", "2m"),
        ("1 hour and 30 minutes", "1h30m"),
        ("250 msec", "250ms"),
        ("1,5s", "1.5s"),
        ("0,25 s", "0.25s"),
        ("1,500ms", ""),
        ("1h, 30m", "1h30m"),
        ("1h,30m", "1h30m"),
        ("5S", "5s"),
        ("0,3s", "0.3s"),
        ("0,250s", "0.250s"),
        ("1m 0,5s", "1m0.5s"),
        ("12,000ms", "12000ms"),
        ("1,200,500us", "1200500us"),
        ("1,500.5ms", "1500.5ms"),
        ("1,500s", ""),
        ("9" * 5000, ""),
        ("soon", ""),
        ("", ""),
        ("30m1h", ""),
        ("-5s", ""),
        ("5e3s", ""),
        ("infs", ""),
        ("5s!", ""),
        ("٣s", ""),
    ],
)
def test_other_texts_are_refused_with_the_spelling_that_was_meant(text: str, nearest: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_duration(text)
    assert caught.value.nearest == nearest


def test_a_duration_that_no_float_holds_is_refused() -> None:
    with pytest.raises(BadValue):
        parse_duration("9" * 400 + "h")


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_what_is_no_duration_is_not_formatted(seconds: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        format_duration(seconds)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("64", 64), ("64B", 64), ("1KiB", 1024), ("1.5KiB", 1536), ("1MiB", 1 << 20), ("2GiB", 2 << 30)],
)
def test_sizes_are_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@given(st.integers(min_value=0, max_value=1 << 50))
def test_any_size_survives_text(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_sizes_use_the_largest_unit_that_divides_them() -> None:
    assert [format_size(size) for size in (0, 64, 1024, 1536, 1 << 20)] == ["0", "64", "1KiB", "1536", "1MiB"]


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("1MB", "1MiB"),
        ("64 bytes", "64"),
        ("1k", "1KiB"),
        ("1,5MiB", "1.5MiB"),
        ("0,5 kb", "0.5KiB"),
        ("1,024", ""),
        ("big", ""),
    ],
)
def test_other_sizes_are_refused_with_the_spelling_that_was_meant(text: str, nearest: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_size(text)
    assert caught.value.nearest == nearest


def test_half_a_byte_is_refused() -> None:
    with pytest.raises(BadValue, match="whole number of bytes"):
        parse_size("0.5B")


@pytest.mark.parametrize(
    ("text", "nearest"), [("1,5/s", "1.5/s"), ("0,5 per min", "0.5/min"), ("2,5", "2.5/s"), ("1,500/s", "")]
)
def test_a_rate_with_a_decimal_comma_is_read_as_it_was_meant(text: str, nearest: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_rate(text)
    assert caught.value.nearest == nearest


@pytest.mark.parametrize(
    ("text", "nearest"), [("0,5%", "0.5%"), ("12,5", "12.5%"), ("99,95 %", "99.95%"), ("10", "10%")]
)
def test_a_share_with_a_decimal_comma_is_read_as_it_was_meant(text: str, nearest: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_share(text)
    assert caught.value.nearest == nearest
