from __future__ import annotations

import unicodedata
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wstui.measure.sanitize import sanitize

DANGEROUS: Final = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


@given(st.text() | st.text(st.characters(categories=DANGEROUS)), st.integers(1, 300))
def test_nothing_that_moves_a_cursor_or_turns_text_around_is_left(text: str, limit: int) -> None:
    shown = sanitize(text, limit)
    assert len(shown) <= limit
    assert all(unicodedata.category(c) not in (*DANGEROUS, "Cn") for c in shown)
    shown.encode()


@given(st.binary(), st.integers(1, 300))
def test_bytes_that_are_no_text_are_shown_as_escapes(data: bytes, limit: int) -> None:
    shown = sanitize(data, limit)
    assert len(shown) <= limit
    assert all(unicodedata.category(c) not in (*DANGEROUS, "Cn") for c in shown)


@given(st.text(st.characters(categories=["L", "N", "P", "S"], include_characters=" "), max_size=100))
def test_harmless_text_is_left_as_it_is(text: str) -> None:
    assert sanitize(text, 100) == text
    assert sanitize(text.encode(), 100) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\r\nb", "a\\r\\nb"),
        ("abc\u202edcba", "abc\\u202edcba"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("a\u200bb", "a\\u200bb"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("\x9b31m", "\\x9b31m"),
        ("line\u2028line", "line\\u2028line"),
        ("déjà vu ✓ 日本", "déjà vu ✓ 日本"),
    ],
)
def test_text_made_to_fool_a_reader_is_shown_for_what_it_is(text: str | bytes, shown: str) -> None:
    assert sanitize(text) == shown


def test_what_is_cut_says_so() -> None:
    assert sanitize("x" * 300, 10) == "x" * 9 + "…"
    assert sanitize(b"x" * 3000, 10) == "x" * 9 + "…"
    assert sanitize("\x00" * 8, 10)[-1] == "…"
