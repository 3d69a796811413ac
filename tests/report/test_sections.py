"""What only some runs have, on the console and in Markdown: tokens, subscriptions, slow readers, the target."""

from __future__ import annotations

import msgspec

from tests.report.example import good
from wstui.execution.run.machine_sections import TargetSummary
from wstui.execution.run.result_sections import AuthOutcome, SlowReadersResult, Subscriptions
from wstui.report.formats import markdown
from wstui.report.formats.console import summary

HEADINGS = ("Tokens", "Subscriptions", "Slow readers", "Target, by its own account")
NASTY = "\x1b[2J| `x` <b>"


def test_a_run_without_them_has_no_such_section() -> None:
    plain = good()
    for text in (summary(plain), markdown.render(plain)):
        assert not any(heading in text for heading in HEADINGS)


def test_each_is_told_and_nothing_in_it_is_obeyed() -> None:
    full = msgspec.structs.replace(
        good(),
        auth=[AuthOutcome("good", "in", 5, 5, 0, 0, 5), AuthOutcome("wrong_algorithm", "out", 4, 1, 2, 1, 2)],
        subscriptions=Subscriptions(10, 9, 3),
        slow_readers=SlowReadersResult(4, 2, {f"close 1013: {NASTY}": 2}),
        target=TargetSummary(
            state="degraded",
            polls=9,
            troubled=2,
            delivered_claimed=1234.0,
            memory_first_mib=50.0,
            memory_last_mib=60.5,
            memory_growth_mib_per_hour=-3.25,
            differences=[f"the target claims {NASTY}"],
        ),
    )
    console, table = summary(full, width=100), markdown.render(full)
    for text in (console, table):
        assert all(heading in text for heading in HEADINGS)
        for words in ("wrong algorithm", "1 234", "-3.25 MiB/h", "50.0 → 60.5"):
            assert words in text
        assert "\x1b" not in text
    assert "✗  wrong algorithm  out" in console and "✓  good" in console
    assert "2 × close 1013" in console and "2 of 9 polls" in console
    assert "<b>" not in table.replace("`", "").split("Target, by")[1]
