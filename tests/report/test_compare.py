from __future__ import annotations

import random

import msgspec
import pytest

from tests.report.example import aborted, broken, empty, fan_out, good, limited, searched
from tests.report.made_up import histogram, timeline
from wstui.execution.run.result import Delivery, Result
from wstui.execution.run.result_figures import figure
from wstui.execution.run.result_sections import Connections, Event, Latency
from wstui.measure.histogram import encode_hdr
from wstui.report.analysis import regression
from wstui.report.analysis.compare import compare, steady
from wstui.report.analysis.significance import ALPHA, batch_means, holm, rank_test, share_test
from wstui.report.formats import compare_text, markdown
from wstui.report.model.cell_text import width_of
from wstui.scenario.errors import BadValue


def test_the_rank_test_agrees_with_scipy() -> None:
    # scipy.stats.mannwhitneyu(..., alternative="two-sided", method="asymptotic")
    first, second = [1.0, 8, 2, 7, 3, 6, 4, 5], [3.5, 10.5, 4.5, 9.5, 5.5, 8.5, 6.5, 7.5]
    assert rank_test(first, second) == pytest.approx(0.08312293695990333)
    ties = [1.0, 4, 2, 3, 1, 4, 2, 3], [2.0, 5, 3, 4, 2, 5, 3, 4]
    assert rank_test(*ties) == pytest.approx(0.14639909928296396)
    assert rank_test([1.0] * 8, [1.0] * 8) == 1.0
    assert rank_test(first[:7], second) is None


@pytest.mark.parametrize(("resemblance", "seconds"), [(0.0, 60), (0.5, 60), (0.9, 60), (0.5, 30)])
def test_noise_is_rarely_taken_for_a_change_even_where_neighbours_resemble_each_other(
    resemblance: float, seconds: int
) -> None:
    source = random.Random(7)

    def noise() -> list[float]:
        values, last = [], 0.0
        for _ in range(100 + seconds):
            last = resemblance * last + source.gauss(0, 1)
            values.append(last)
        return batch_means(values[100:])

    wrong = sum((rank_test(noise(), noise()) or 0) < ALPHA for _ in range(400))
    assert wrong <= 15, "at p < 0.01, 4 of 400 are expected"


def test_the_share_test_agrees_with_scipy_for_small_counts() -> None:
    # scipy.stats.fisher_exact
    assert share_test(98, 100, 90, 100) == pytest.approx(0.03304010932418497)
    assert share_test(100, 100, 97, 100) == pytest.approx(0.24623115577889448)
    assert share_test(0, 100, 0, 100) == 1.0
    assert share_test(0, 0, 5, 10) is None
    assert (share_test(4700, 5000, 5000, 5000) or 1) < 1e-50


def test_holm_corrects_for_the_number_of_tests_and_keeps_the_order() -> None:
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])


def test_batches_are_means_of_neighbours() -> None:
    assert batch_means([1.0, 2, 3, 4, 5, 6, 7]) == [2.0, 5.0]
    assert len(batch_means([1.0] * 3600)) == 30
    assert batch_means([]) == []


def test_a_run_compared_with_its_like_shows_no_change() -> None:
    for seed in range(2, 12):
        comparison = compare(good(), good(seed=seed * 10))
        assert not [change.metric for change in comparison.changes if change.significant]
        assert comparison.warnings == []


def test_a_slower_server_is_seen_in_every_latency_but_not_in_the_rates() -> None:
    slower = good(median_ms=1.8)
    slower = msgspec.structs.replace(slower, timeline=timeline(100, 10, 30, 1.8))
    comparison = compare(good(), slower)
    worse = {change.metric for change in comparison.changes if change.significant and change.better is False}
    assert {"response.p50", "response.p90", "response.p95", "response.p99", "roundtrip.p50"} <= worse
    rate = comparison.change("messages.sent_per_second")
    assert rate is not None and not rate.significant
    back = compare(slower, good())
    assert {change.metric for change in back.changes if change.significant and change.better} == worse


def test_refused_connections_are_a_change_for_the_worse() -> None:
    refusing = msgspec.structs.replace(
        good(), connections=Connections(attempted=100, ready=80, refused=20, success_rate=0.8, per_second=8.0)
    )
    change = compare(good(), refusing).change("connect.success")
    assert change is not None and change.significant and change.better is False
    assert (change.before, change.after) == (100.0, 80.0)


def test_seconds_of_a_ramp_do_not_count_where_the_load_stood_still_elsewhere() -> None:
    assert len(steady(good(), "response_p99_ms")) == 30
    assert len(steady(good(), "connect_p95_ms")) == 10
    assert steady(empty(), "response_p99_ms") == []


def test_what_speaks_against_comparing_is_said() -> None:
    environments = (
        {"host": "a", "processors": 2, "python": "CPython 3.11", "versions": {"wstui": "1"}},
        {"host": "b", "processors": 4, "python": "CPython 3.11", "versions": {"wstui": "2"}},
    )
    other = msgspec.structs.replace(
        limited(), scenario={**limited().scenario, "target": {"url": "ws://127.0.0.2:1/ws", "ready": "open"}}
    )
    text = "\n".join(compare(aborted(), other, environments=environments).warnings)
    for words in (
        "the targets differ: ws://127.0.0.1:3001/ws",
        "target.ready welcome → open",
        'target.connect_to "" → unset, target.spread_addresses false → unset',
        "target.options {} → unset",
        "generators differ: a and b",
        "processors differ: 2 and 4",
        "versions of wstui differ: 1 and 2",
        "second run was limited by its generator",
        "first run was cut short after 7 s: aborted by the operator",
    ):
        assert words in text
    assert "Python" not in text


def test_that_both_runs_were_limited_is_said_once() -> None:
    (warning,) = [line for line in compare(limited(), limited()).warnings if "generator" in line]
    assert warning.startswith("both runs were limited by their generators")


def test_other_names_limits_and_hosts_of_the_same_load_are_no_difference() -> None:
    renamed = msgspec.structs.replace(good(), scenario={**good().scenario, "name": "x", "thresholds": []})
    assert compare(good(), renamed).warnings == []


def test_the_notes_and_spans_of_both_runs_stand_in_their_comparison() -> None:
    first, second = good(), good()
    first.events.append(Event(12.0, "note", "cache \x1b[31mcold"))
    second.events.extend([Event(15.0, "span", "3 → 6 pods"), Event(20.0, "span_end", "end of 3 → 6 pods")])
    comparison = compare(first, second)
    assert comparison.notes[1:] == ("span in B at 0:15: 3 → 6 pods",)
    for text in (compare_text.render(comparison), markdown.comment(comparison, "quick")):
        assert "note in A at 0:12: cache" in text and "span in B at 0:15: 3 → 6 pods" in text and "\x1b" not in text


def test_a_run_without_measurements_can_be_compared_with_one() -> None:
    comparison = compare(empty(), good())
    text = compare_text.render(comparison)
    assert "not measured" in text and "None" not in text and "nan" not in text
    assert not any(change.significant for change in comparison.changes if change.metric.startswith("response"))


def test_receipts_of_one_broadcast_are_one_trial() -> None:
    fanout = fan_out().fanout
    assert fanout is not None

    def listening(messages: int, median_ms: float, seed: int) -> Result:
        delivery = histogram(seed, 6000, median_ms)
        seen = msgspec.structs.replace(
            fanout, messages=messages, delivery_ms=Delivery(**msgspec.structs.asdict(Latency.of(delivery)))
        )
        return msgspec.structs.replace(fan_out(), fanout=seen, histograms={"delivery": encode_hdr(delivery)})

    few = compare(listening(12, 4.0, 1), listening(12, 8.0, 2)).change("delivery.p99")
    many = compare(listening(6000, 4.0, 1), listening(6000, 8.0, 2)).change("delivery.p99")
    assert few is not None and many is not None
    assert not few.significant and many.significant


def test_limits_are_told_apart_by_their_ranges() -> None:
    def holding(low: int, high: int) -> Result:
        base = searched()
        found = msgspec.structs.replace(base.breakpoint, low=low, high=high, confirmed_low=low)  # type: ignore[type-var]
        return msgspec.structs.replace(base, breakpoint=found, started=f"2025-03-0{low % 7 + 1}T12:00:00+00:00")

    near = compare(holding(280, 300), holding(290, 320))
    far = compare(holding(280, 300), holding(200, 220))
    assert near.limits == "limit: 280 (280–300) → 290 (290–320) clients: the ranges overlap, it may be the same"
    assert far.limits.endswith("200 (200–220) clients: the ranges are apart, it is another one")
    assert far.limits in " ".join(compare_text.render(far, width=200).split("\n"))


@pytest.mark.parametrize("width", [80, 120])
def test_the_change_table_fits_and_says_better_and_worse(width: int) -> None:
    text = compare_text.render(compare(good(), broken(), names=("1 quick", "2 stress")), width=width)
    assert max(width_of(line) for line in text.splitlines()) <= width
    row = next(line for line in text.splitlines() if "response.p99 " in line)
    assert row.split()[0] == "✗" and row.endswith("worse") and "2.89 ms" in row and "116 ms" in row


def test_any_percentile_comes_from_the_whole_distribution() -> None:
    assert figure(good(), "response.p97.5") == pytest.approx(2.5, rel=0.1)
    assert figure(good(), "response.p99") == good().latency_ms.response.p99
    assert figure(empty(), "response.p97.5") is None
    assert figure(broken(), "connect.success") == 94.0
    assert figure(broken(), "failures.rate") == pytest.approx((180 + 90 + 30 + 12 + 412) / 46_000 * 100)
    with pytest.raises(BadValue, match=r"response\.p99"):
        figure(good(), "response.p9999999")


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("response.p99 > +10%", True),
        ("response.p99 > 10%", True),
        ("response.p99 > +1000000%", False),
        ("response.p99 > +100ms", True),
        ("response.p99 > +1s", False),
        ("response.p99 < -10%", False),
        ("connect.success < -1%", True),
        ("connect.success < -10%", False),
        ("messages.timed_out > +400", True),
        ("messages.timed_out > +50%", True),
        ("messages.received_per_second < -5%", False),
        ("messages.received_per_second > 100/s", True),
        ("response.p97.5>10%", True),
    ],
)
def test_a_condition_holds_when_the_change_is_of_its_kind(text: str, holds: bool) -> None:
    condition = regression.parse(text)
    change = compare(good(), broken(), further=[condition.metric]).change(condition.metric)
    assert change is not None and condition.is_met(change) is holds


def test_a_condition_without_figures_cannot_be_judged_and_says_so() -> None:
    condition = regression.parse("response.p99 > +10%")
    change = compare(empty(), good()).change("response.p99")
    assert change is not None and condition.is_met(change) is None
    assert "cannot be judged, response.p99 was n/a and is 2.89 ms" in condition.explain(change)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("response.p99", "is not a condition"),
        ("respnse.p99 > +10%", r"response\.p99"),
        ("response.p99 > +10/s", "does not change by"),
        ("messages.timed_out > +5ms", "or a plain"),
        ("response.p99 >= +10%", "is not a condition"),
    ],
)
def test_a_condition_that_is_none_says_what_to_write(text: str, words: str) -> None:
    with pytest.raises(BadValue, match=words):
        regression.parse(text)


@pytest.mark.parametrize(
    ("before", "after", "held", "head"),
    [
        (1.2, 1.2, (), "✓ `quick`: no proven change"),
        (3.0, 1.2, (), "✓ `quick`: "),
        (1.2, 3.0, (), "▲ `quick`: "),
        (1.2, 3.0, ("response.p99 > +10%: it was",), "✗ `quick`: not accepted, "),
    ],
)
def test_a_comment_begins_with_its_marker_and_the_verdict(
    before: float, after: float, held: tuple[str, ...], head: str
) -> None:
    comparison = compare(good(median_ms=before), good(median_ms=after, seed=2))
    marker, verdict, *rest = markdown.comment(comparison, "quick", held).splitlines()
    assert marker == "<!-- wstui compare: quick -->" and verdict.startswith(f"### {head}")
    assert ("worse" in verdict) == (before < after) and ("better" in verdict) == (before > after)
    assert any(line.startswith("- ✗ response") for line in rest) == bool(held)
