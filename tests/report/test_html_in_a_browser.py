"""The page as people see it: a real browser draws it on a phone, a desk and paper, in light and in dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="the extra `html` is not installed")

from tests.report.browser import Page, browsing, needs_browser
from tests.report.example import EVERY, broken, everything, hostile, searched, suite
from wstui.report.analysis.trend import Point, Trend
from wstui.report.formats import trend_html
from wstui.report.formats.html import render
from wstui.report.formats.html_charts import charts

pytestmark = needs_browser

# The size and place of everything that must be seen, as the browser has laid it out.
OVERFLOWING = """
[...document.querySelectorAll("main *")].filter(node => {
  const host = node.getBoundingClientRect();
  return host.width && host.right > innerWidth + 1 && !node.closest(".scroll") && !node.closest("svg");
}).map(node => node.outerHTML.slice(0, 90))
"""
CONTRAST = """
(() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const colour = parts(getComputedStyle(node).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const words = [...document.querySelectorAll("main *")].filter(node =>
    !node.closest("svg") && !node.closest("noscript") && node.getClientRects().length &&
    [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim()));
  return words.map(node => {
    const [one, other] = [light(parts(getComputedStyle(node).color)), light(behind(node))].sort((a, b) => b - a);
    return [(one + 0.05) / (other + 0.05), node.textContent.trim().slice(0, 40)];
  }).sort((a, b) => a[0] - b[0])[0];
})()
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browsing(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def shown(page: Page, folder: Path, result: Any, **how: Any) -> None:
    path = folder / "report.html"
    path.write_text(render(result), encoding="utf-8")
    page.open(path, **how)


@pytest.mark.parametrize(
    ("name", "width", "dark"),
    [
        ("everything", 360, False),
        ("everything", 1200, True),
        ("hostile", 360, True),
        ("hostile", 1200, False),
        ("suite", 360, True),
        ("breakpoint", 360, False),
        ("empty", 360, False),
    ],
)
def test_it_fits_and_can_be_read(page: Page, tmp_path: Path, name: str, width: int, dark: bool) -> None:
    shown(page, tmp_path, EVERY[name], width=width, dark=dark)
    assert page.complaints == []
    assert page.value("document.documentElement.scrollWidth") <= width
    assert page.value(OVERFLOWING) == []
    contrast, words = page.value(CONTRAST)
    assert contrast >= 4.5, words
    first = page.value("document.querySelector('main').innerText.trim().split('\\n')[0]")
    assert first.split()[1] in ("PASSED", "FAILED", "UNREACHABLE", "LIMITED", "ABORTED")
    assert page.value("document.querySelector('.badge').getBoundingClientRect().bottom") < 200, "the verdict is first"


def test_it_asks_the_network_for_nothing_and_obeys_nothing_that_a_server_said(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, hostile())
    assert [request for request in page.requests if not request.startswith(("file:", "data:", "blob:"))] == []
    assert len([request for request in page.requests if request.startswith("file:")]) == 1
    assert page.value("document.querySelectorAll('img[src=x], [onerror]').length") == 0
    assert page.value("document.title").startswith("✗ FAILED")


@pytest.mark.parametrize("result", [broken(), everything(), searched(), suite()], ids=lambda r: type(r).__name__)
def test_every_chart_is_drawn_with_its_lines_limits_and_events(page: Page, tmp_path: Path, result: Any) -> None:
    shown(page, tmp_path, result)
    runs = result.runs if hasattr(result, "runs") else [result]
    for number, run in enumerate(runs):
        for chart in charts(run):
            drawn = f"document.getElementById('chart-{number}-{chart.name}')"
            assert page.value(f"{drawn}.querySelectorAll('.line:not(.key)').length") == len(chart.lines), chart.name
            lines = page.value(f"[...{drawn}.querySelectorAll('path.mark, path.limit')].length")
            assert lines == len(chart.marks) + len(chart.limits), chart.name
            texts = page.value(f"[...{drawn}.querySelectorAll('.glyph')].map(node => node.firstChild.textContent)")
            assert {mark[1] for mark in chart.marks} <= set(texts), chart.name
            size = f"(b => [b.width, b.height])({drawn}.querySelector('svg').getBoundingClientRect())"
            width, height = page.value(size)
            assert width > 300 and height > 150, chart.name


def test_the_charts_take_the_colours_of_the_page(page: Page, tmp_path: Path) -> None:
    colours = set()
    for dark in (False, True):
        shown(page, tmp_path, broken(), dark=dark)
        line = "document.querySelector('#chart-0-latency .line')"
        colours.add(page.value(f"getComputedStyle({line}).stroke"))
    assert colours == {"rgb(0, 114, 178)", "rgb(86, 180, 233)"}


def test_on_paper_it_is_light_whole_and_no_chart_is_cut(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, everything(), width=703, dark=True, paper=True)
    assert page.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.value("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.value("document.documentElement.scrollWidth") <= 703
    hosts = page.value("[...document.querySelectorAll('.plot svg')].map(n => n.getBoundingClientRect().right)")
    assert hosts and max(hosts) <= 703
    printed = page.pdf()
    assert printed.startswith(b"%PDF") and 2 <= printed.count(b"/Type /Page\n") <= 9


def test_the_figures_under_the_pointer_are_those_of_the_tables(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, broken())
    svg = "document.querySelector('#chart-0-latency svg')"
    assert page.value("document.querySelector('#chart-0-latency .tip').hidden")
    page.value(
        f"{svg}.dispatchEvent(new PointerEvent('pointermove', {{clientX: {svg}.getBoundingClientRect().right - 14}}))"
    )
    told = page.value("document.querySelector('#chart-0-latency .tip').innerText").split("\n")
    (latency, *_) = charts(broken())
    assert told[0] == "120 s" and [line.split()[0] for line in told[1:]] == ["p50", "p95", "p99", "max"]
    assert [float(line.split()[1]) for line in told[1:]] == pytest.approx(
        [line["y"][-1] for line in latency.lines], rel=1e-3
    )


def test_the_charts_follow_the_width_of_the_window(page: Page, tmp_path: Path) -> None:
    shown(page, tmp_path, broken(), width=1200)
    width = "document.querySelector('#chart-0-latency svg').getBoundingClientRect().width"
    wide = page.value(width)
    page.resize(700)
    assert page.value(f"new Promise(done => setTimeout(() => done({width}), 100))") < wide


MARKED = """
[...document.querySelectorAll("#trend .glyph")].map(glyph => glyph.firstChild.textContent)
"""


@pytest.mark.parametrize(("width", "dark"), [(360, True), (1200, False)])
def test_a_trend_is_a_line_with_marks_that_do_not_lie_on_each_other(
    page: Page, tmp_path: Path, width: int, dark: bool
) -> None:
    values = [1.0 + number % 3 / 10 for number in range(30)] + [2.0 + number % 3 / 10 for number in range(30)]
    points = [
        Point(
            number, "2025-03-01T12:00:00+00:00", value, ("v2",) if number == 31 else (), ("cache on",) * (number == 31)
        )
        for number, value in enumerate(values, 1)
    ]
    (tmp_path / "trend.html").write_text(trend_html.render(Trend.of("quick", "response.p99", points)))
    page.open(tmp_path / "trend.html", width=width, dark=dark)
    assert page.complaints == [] and page.value(OVERFLOWING) == [] and page.value(CONTRAST)[0] >= 4.5
    assert page.value(MARKED) == ["◆#¶"]
    assert page.value('getComputedStyle(document.querySelector("#trend .line")).fill') == "none"
    assert page.value('document.querySelectorAll("#trend .point").length') == 60
