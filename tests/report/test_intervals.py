"""Notes and spans: what lies before and after each, in tables, reports and the comparison."""

from __future__ import annotations

import msgspec
import pytest

from tests.report.example import good
from tests.report.made_up import timeline
from wstui.execution.run.result import Result
from wstui.execution.run.result_sections import Event
from wstui.report.analysis.compare import compare_around
from wstui.report.formats import console, html, json_file, markdown
from wstui.report.model.intervals import NotedInterval, interval_result, noted_intervals


def run(*events: Event, then_ms: float = 2.0) -> Result:
    rows = [*timeline(100, 10, 110, 2.0)[:60], *timeline(100, 10, 110, then_ms)[60:]]
    return msgspec.structs.replace(good("quick"), timeline=rows, events=list(events), duration_s=120.0)


def test_a_stretch_reaches_to_the_next_change_on_either_side() -> None:
    events = [
        Event(0.0, "start", "run started"),
        Event(10.0, "stage", "hold"),
        Event(30.0, "note", "cache emptied"),
        Event(40.0, "warning", "not a border"),
        Event(60.0, "span", "3 → 6 pods"),
        Event(70.0, "span_end", "end of 3 → 6 pods"),
        Event(100.0, "operator", "operator: 100 → 200 clients"),
        Event(110.0, "span", "never ended"),
    ]
    assert noted_intervals(events, 120.0) == [
        NotedInterval("cache emptied", 30.0, None, (10.0, 30.0), (30.0, 60.0)),
        NotedInterval("3 → 6 pods", 60.0, 70.0, (30.0, 60.0), (70.0, 100.0), True),
        NotedInterval("never ended", 110.0, None, (100.0, 110.0), (110.0, 120.0), True),
    ]


def test_a_stretch_has_the_figures_of_its_seconds() -> None:
    whole = run()
    part = interval_result(whole, whole.timeline, 20.0, 50.0)
    rows = [row for row in whole.timeline if 20 < row["at_s"] <= 50]
    assert part.timeline == rows and len(rows) == 30
    assert part.messages.sent == sum(row["sent_per_s"] for row in rows) and part.messages.sent_per_second == 20.0
    assert part.latency_ms.response.p99 == pytest.approx(sum(row["response_p99_ms"] for row in rows) / 30)
    assert part.latency_ms.response.max == max(row["response_max_ms"] for row in rows)
    nothing = interval_result(whole, whole.timeline, 500.0, 600.0)
    assert nothing.latency_ms.response.p99 is None and nothing.messages.sent_per_second is None


def test_before_and_after_are_compared_with_the_statistics_of_two_runs() -> None:
    changed, same = run(then_ms=4.0), run()
    note = NotedInterval("deployed", 60.0, None, (10.0, 60.0), (60.0, 110.0))
    slower = compare_around(changed, changed.timeline, note).change("response.p99")
    assert slower is not None and slower.significant and slower.better is False
    noise = compare_around(same, same.timeline, note)
    assert not any(change.significant for change in noise.changes) and noise.warnings == []
    assert noise.change("connect.success") is None, "a figure that an interval does not know is not made up"


def test_every_report_names_them() -> None:
    result = run(
        Event(30.0, "note", "cache | emptied"), Event(60.0, "span", "pods"), Event(70.0, "span_end", "end of pods")
    )
    text = console.summary(result, width=120)
    assert "Notes" in text and "cache | emptied" in text and "1:00–1:10" in text
    assert "### Notes" in markdown.render(result) and "cache &#124; emptied" in markdown.render(result)
    assert "cache | emptied" in html.render(result) and "cache | emptied" in json_file.render(result)
