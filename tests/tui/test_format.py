from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from wstui.measure import format
from wstui.measure.sanitize import sanitize
from wstui.report.model.cell_text import clip, pad, wrap
from wstui.tui.kit.bars import columns, meter, parts
from wstui.tui.kit.row_widget import cells


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "n/a"), (math.nan, "n/a"), (0, "0"), (0.25, "0.25"), (3.1, "3.1"), (411, "411"), (9870, "9 870"),
        (9999.4, "9 999"), (9999.6, "10.0k"), (48_210, "48.2k"), (999_600, "1.00M"), (1_250_000, "1.25M"),
        (1e300, "1e300"), (-48_210, "-48.2k"),
    ],
)  # fmt: skip
def test_a_short_number_has_four_digits_at_most(value: float | None, text: str) -> None:
    assert format.short(value) == text


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_no_number_is_too_long_for_its_place(value: float) -> None:
    assert len(format.short(value)) <= 7
    assert len(format.rate(abs(value))) <= 7
    assert len(format.ms(abs(value))) <= 7
    if abs(value) < 1e20:
        assert len(format.size(abs(value))) <= 9


def test_counts_are_grouped() -> None:
    assert format.count(11_987) == "11 987"
    assert format.count(None) == "n/a"
    assert format.fitting(10_000_000, 9) == "10.0M"
    assert format.fitting(12_000, 9) == "12 000"


def test_a_limit_is_written_as_numbers_are_everywhere() -> None:
    limits = ("< 250ms", ">= 99.9%", "<=0", "> 12000/s", "< 20MiB/h")
    assert [format.limit_words(limit) for limit in limits] == [
        "< 250 ms", "≥ 99.9 %", "≤0", "> 12 000 /s", "< 20 MiB/h",
    ]  # fmt: skip


def test_milliseconds_keep_their_width() -> None:
    assert [format.ms(v) for v in (0.043, 0.46, 1.8, 12, 118, 4520)] == [
        "0.043",
        "0.46",
        "1.80",
        "12.0",
        "118",
        "4 520",
    ]
    assert format.ms(None) == "n/a"


def test_a_share_never_reads_as_all_or_nothing_when_it_is_not() -> None:
    assert format.percent(0.0) == "0"
    assert format.percent(0.000001) == "<0.01"
    assert format.percent(0.99999) == ">99.99" and format.percent(0.9998) == "99.98"
    assert format.percent(1.0) == "100"
    assert format.percent(0.61) == "61"


def test_times() -> None:
    assert format.clock(132) == "2:12"
    assert format.clock(3849) == "1:04:09"
    assert format.stamp(161) == "02:41"
    assert format.clock(None) == "n/a"


@given(st.text(max_size=60))
def test_cleaned_text_has_no_control_and_no_direction(text: str) -> None:
    safe = sanitize(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in safe)
    assert not any(
        c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\ufeff\u2028\u2029" for c in safe
    )


def test_an_escape_from_a_server_shows_as_one() -> None:
    assert sanitize("\x1b[31mred\r\n") == "\\x1b[31mred\\r\\n"
    assert sanitize("a" + "\u0301" * 50) == "a\u0301\u0301"


@given(st.text(max_size=60), st.integers(0, 40))
def test_a_clipped_text_fits_its_cells(text: str, width: int) -> None:
    safe = sanitize(text)
    assert cell_len(clip(safe, width)) <= width
    assert cell_len(pad(safe, width)) == width


@given(st.lists(st.floats(-1e6, 1e6), max_size=400), st.integers(0, 60))
def test_columns_fit_and_start_at_the_first_sample(samples: list[float], width: int) -> None:
    assert len(columns(samples, width)) <= width


def test_a_steady_rate_is_a_full_row_not_noise() -> None:
    assert columns([24_100, 24_050, 24_120, 24_099], 10) == "████"
    assert columns([0, 0], 10) == "  "
    assert columns([1, 2, 4, 8], 10) == "▁▂▄█"


def test_columns_do_not_move_while_the_row_fills() -> None:
    samples = [float(i % 7) for i in range(60)]
    rows = [columns(samples[:n], 20, top=7) for n in range(41, 60)]
    for before, after in itertools.pairwise(rows):
        assert after.startswith(before[:-1])


@given(st.floats(allow_nan=True, allow_infinity=True), st.integers(0, 50))
def test_a_meter_fills_its_width(share: float, width: int) -> None:
    assert cells(meter(share, width)) == width


def test_a_small_part_of_a_whole_is_still_seen() -> None:
    bar = parts([(11_986, "█", "ok"), (14, "▒", "accent"), (0, "░", "muted"), (7, "▚", "bad")], 38)
    assert cells(bar) == 38
    assert [meaning for _, meaning in bar] == ["ok", "accent", "bad"]


def test_wrapped_text_keeps_words_and_width() -> None:
    rows = wrap("the quick brown fox jumps over a-very-long-word-indeed", 12)
    assert all(len(row) <= 12 for row in rows)
    assert rows[0] == "the quick"
