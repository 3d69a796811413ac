from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import msgspec
import pytest

pytest.importorskip("jinja2", reason="the extra `html` is not installed")

from tests.report.example import EVERY, broken, empty, everything, fan_out, hostile
from tests.report.made_up import timeline
from tests.tui import fake_roles
from wstui.report.formats.html import render
from wstui.report.formats.html_charts import charts, thin


class ParsedPage(HTMLParser):
    """The elements of a page with their attributes, and its text outside of scripts and styles."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._within = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._within = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "script":
            self.scripts.append(data)
        elif not self._within:
            self.text += data


@pytest.mark.parametrize("name", EVERY)
def test_the_page_needs_no_network_and_no_text_of_a_server_becomes_markup(name: str) -> None:
    page = ParsedPage(render(EVERY[name]))
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"img", "iframe", "link", "object", "embed", "form", "base"}
    for tag, attributes in page.elements:
        assert not [attribute for attribute in attributes if attribute.startswith("on")]
        assert "src" not in attributes
        if tag == "a":
            assert re.fullmatch(r"#run-\d+", attributes["href"] or "")
    policy = next(a["content"] for t, a in page.elements if t == "meta" and a.get("http-equiv"))
    assert policy is not None and policy.startswith("default-src 'none'") and "http" not in policy
    assert len(page.scripts) == 2


def test_the_verdict_comes_first_with_glyph_and_word() -> None:
    for name, words in {"good": "✓ PASSED", "limited": "▲ LIMITED", "empty": "✗ UNREACHABLE"}.items():
        page = ParsedPage(render(EVERY[name]))
        assert page.text.split("\n\n", 1)[0].strip().startswith(words) or words in page.text[:200]


def test_every_figure_of_the_tables_is_there_without_the_charts() -> None:
    text = ParsedPage(render(broken())).text
    for figure in ("116 ms", "4 700", "close 1011", "retry-after: 1", "94 %", "83.3/s of 83.3/s", "resumed"):
        assert figure in text
    assert "completeness 99.71 %" in ParsedPage(render(fan_out())).text
    nothing = ParsedPage(render(empty())).text
    assert "n/a" in nothing and "None" not in nothing and "nan" not in nothing


def test_the_data_of_the_charts_is_json_that_cannot_end_its_element() -> None:
    data, _ = ParsedPage(render(hostile())).scripts
    assert not set("<>&") & set(data)
    found = json.loads(data)
    assert {name.removeprefix("chart-0-") for name in found} == {
        "latency", "distribution", "throughput", "connections", "failures", "generator",
    }  # fmt: skip
    (mark,) = found["chart-0-latency"]["marks"]
    assert "<img" in mark[2] and "\x1b" not in mark[2]


def test_charts_show_limits_events_and_gaps() -> None:
    by_name = {chart.name: chart for chart in charts(broken())}
    assert by_name["latency"].limits == ((20.0, "response.p99 < 20 ms"),)
    assert [mark[0] for mark in by_name["latency"].marks] == [60.0, 64.0, 80.0, 90.0, 92.0]
    assert len(by_name["latency"].lines[0]["x"]) == 120
    assert charts(empty()) == []
    connect = next(line for line in by_name["distribution"].lines if line["name"] == "connect")
    assert connect["text"][-1] == "99 %", "100 values tell nothing of a percentile beyond 99.5"


def test_a_long_timeline_is_thinned_without_losing_its_peaks() -> None:
    rows = timeline(100, 10, 7190, 1.0)
    rows[5000]["response_p99_ms"] = 777.0
    thinned = thin(rows, 500)
    assert len(thinned) <= 500 and thinned[-1]["at_s"] == 7200.0
    assert max(float(str(row["response_p99_ms"])) for row in thinned) == 777.0
    assert thin(rows[:100], 500) == rows[:100]


def test_what_a_scenario_asked_for_beyond_the_usual_has_a_section_of_its_own() -> None:
    text = ParsedPage(render(everything())).text
    for words in (
        "Tokens", "wrong algorithm", "✗", "not as expected",
        "Subscriptions", "acknowledged", "leaked",
        "Slow readers", "close 1013: reads too slowly", "3 clients stopped reading; the server ended 2.",
        "Target, by its own account", "▲ degraded", "40.0 → 44.0 MiB", "claimed 120 connections, clients saw 100",
        "reconnect", "came back", "gave up coming back", "Fan-out", "price:update", "Without compression",
    ):  # fmt: skip
        assert words in text, words
    for words in ("Tokens", "Subscriptions", "Slow readers", "Target, by", "Fan-out"):
        assert words not in ParsedPage(render(EVERY["good"])).text


def test_fan_out_is_drawn_by_percentile() -> None:
    by_name = {chart.name: chart for chart in charts(everything())}
    assert [line["name"] for line in by_name["fan-out"].lines] == ["spread", "delivery"]
    assert "fan-out" not in {chart.name for chart in charts(broken())}


def test_the_page_of_a_long_run_with_many_events_is_small_enough_to_fetch_over_ssh() -> None:
    run = everything()
    long = msgspec.structs.replace(run, timeline=timeline(100, 10, 7190, 1.0), events=run.events * 60)
    assert len(render(run)) < 60_000
    assert len(render(long)) < 300_000


def test_the_page_of_a_long_run_with_many_steps_is_as_small() -> None:
    run = fake_roles.result()
    steps = [msgspec.structs.replace(step, name=f"{step.name} {turn}") for step in run.steps for turn in range(5)]
    rows = timeline(100, 10, 7190, 1.0)
    for second, row in enumerate(rows):
        row |= {f"step.{step.role}.{step.name}.p99_ms": 1 + second % 997 / 7 for step in steps}
    assert len(render(msgspec.structs.replace(run, timeline=rows, steps=type(run.steps)(steps)))) < 300_000
