from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

from tests.report.example import EVERY, aborted, broken, empty, good, hostile, limited, suite
from tests.report.made_up import HOSTILE
from wstui.cli.github import workflow_commands
from wstui.execution.run.verdict import conclude, threshold_words
from wstui.report.formats import format_registry, markdown, result_schema

VALIDATOR = Draft202012Validator(result_schema.generate())


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("form", format_registry.FORMATS)
def test_every_format_writes_every_result(name: str, form: str, tmp_path: Path) -> None:
    if form == "html":
        pytest.importorskip("jinja2", reason="the extra `html` is not installed")
    path = tmp_path / f"report{format_registry.named(form).endings[0]}"
    format_registry.prove(form, path)
    format_registry.write(EVERY[name], form, path)
    assert format_registry.of_file(path).name == form
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    assert ("\x1b" not in text and "\u202e" not in text) or form == "json"


def test_an_unknown_format_or_ending_lists_those_that_there_are() -> None:
    with pytest.raises(format_registry.UnknownFormat, match="json, csv, markdown, junit"):
        format_registry.named("pdf")
    with pytest.raises(format_registry.UnknownFormat, match=r"report\.pdf.*\.json"):
        format_registry.of_file("report.pdf")


def test_a_format_whose_library_is_missing_says_how_to_install_it() -> None:
    lacking = format_registry.Format("html", (".html",), "", "no_such_library_here", extra="html")
    with pytest.raises(format_registry.MissingExtra, match=r"pip install 'wstui\[html\]'"):
        lacking.prove()


def test_the_schema_in_the_package_is_current() -> None:
    Draft202012Validator.check_schema(result_schema.generate())
    assert result_schema.text() == result_schema.rendered(), "run: python -m wstui.report.formats.result_schema"


@pytest.mark.parametrize("name", EVERY)
def test_every_result_validates_against_the_schema(name: str) -> None:
    document = json.loads(format_registry.named("json").render(EVERY[name]), parse_constant=pytest.fail)
    VALIDATOR.validate(document)


def test_the_json_report_holds_the_findings_of_each_run() -> None:
    (first, second) = json.loads(format_registry.named("json").render(suite()))["runs"]
    assert first["findings"] == []
    assert [finding["cause"] for finding in second["findings"]][:2] == ["rate limit", "latency"]
    assert {"text", "evidence", "next_step", "began_s", "stages"} < set(second["findings"][0])


def test_the_schema_rejects_what_is_not_a_result() -> None:
    document = json.loads(good().to_json())
    for wrong in (
        {**document, "schema": "wstui.result/2"},
        {**document, "duration_s": "40"},
        {key: value for key, value in document.items() if key != "verdict"},
        {**document, "timeline": [{"at_s": 1.0}]},
    ):
        assert not VALIDATOR.is_valid(wrong)


def test_the_csv_has_a_row_a_second_and_empty_cells_for_nothing() -> None:
    rows = list(csv.DictReader(io.StringIO(format_registry.named("csv").render(good()))))
    assert len(rows) == 40
    assert rows[0]["at_s"] == "1.0" and rows[0]["stage"] == "ramp" and rows[0]["paused"] == "false"
    assert rows[0]["connect_p95_ms"] == "4.0" and rows[-1]["connect_p95_ms"] == ""


def test_the_csv_of_a_suite_names_the_run_and_no_cell_is_a_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(format_registry.named("csv").render(EVERY["suite"]))))
    assert {row["run"] for row in rows} == {"quick", "stress"}
    dangerous = list(csv.reader(io.StringIO(format_registry.named("csv").render(hostile()))))
    assert not [cell for row in dangerous for cell in row if cell[:1] in ("=", "+", "@")]
    assert len(dangerous) == 121


def junit(name: str) -> ET.Element:
    return ET.fromstring(format_registry.named("junit").render(EVERY[name]))


def results(suite: ET.Element) -> dict[str, str]:
    return {case.attrib["name"]: (case[0].tag if len(case) else "passed") for case in suite.iter("testcase")}


@pytest.mark.parametrize("name", EVERY)
def test_junit_is_well_formed_and_counts_right(name: str) -> None:
    root = junit(name)
    assert root.tag == "testsuites"
    assert int(root.attrib["tests"]) == len(list(root.iter("testcase")))
    assert int(root.attrib["failures"]) == len(list(root.iter("failure")))
    assert int(root.attrib["errors"]) == len(list(root.iter("error")))


def test_junit_fails_broken_thresholds_and_skips_unmeasured_ones() -> None:
    broken_cases = results(junit("broken"))
    assert broken_cases["response.p99 < 20 ms in hold"] == "failure"
    assert broken_cases["stage hold"] == "passed" or broken_cases["stage hold"] == "system-out"
    assert results(junit("empty"))["connect.success ≥ 100 %"] == "skipped"
    assert results(junit("empty"))["verdict"] == "error"
    assert results(junit("aborted"))["stage hold"] == "skipped"
    assert results(junit("limited"))["generator"] == "skipped"
    assert "failure" not in results(junit("good")).values()


def test_a_broken_threshold_is_told_in_one_sentence_everywhere() -> None:
    result = broken()
    sentences = [threshold_words(outcome) for outcome in result.verdict.thresholds if outcome.passed is False]
    assert "connect.success was 94 % (limit ≥ 100 %)" in sentences and len(sentences) == 2
    verdict = conclude(result.verdict.thresholds, limited_by=(), ended_by="", aborted=False)
    assert verdict.reason == "; ".join(sentences)
    failures = [failure.attrib["message"] for failure in junit("broken").iter("failure")]
    issues = [issue["description"] for issue in json.loads(format_registry.named("codequality").render(result))]
    annotations = [line.replace("%25", "%").rpartition("::")[2] for line in workflow_commands(result)]
    for sentence in sentences:
        assert sentence in failures
        assert f"stress: {sentence}" in issues
        assert sentence in annotations


def test_junit_times_of_the_cases_add_up_to_the_run() -> None:
    for result in (good(), broken(), aborted(), empty(), limited()):
        suite = ET.fromstring(format_registry.named("junit").render(result))
        longest = max(result.duration_s, sum(s.ended_s - s.started_s for s in result.stages))
        assert float(suite.attrib["time"]) == pytest.approx(longest, abs=0.01)


@pytest.mark.parametrize("name", EVERY)
def test_markdown_holds_tables_and_nothing_that_a_server_could_put_there(name: str) -> None:
    tokens = MarkdownIt("gfm-like", {"html": True}).parse(format_registry.named("markdown").render(EVERY[name]))
    inner = [child for token in tokens for child in token.children or []]
    assert any(token.type == "table_open" for token in tokens)
    kinds = {token.type for token in [*tokens, *inner]}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "fence", "code_block"}
    row_width = 0
    for token in tokens:
        if token.type == "tr_open":
            row_width = 0
        elif token.type in ("td_open", "th_open"):
            row_width += 1
        elif token.type == "tr_close":
            assert row_width >= 2


def test_markdown_code_spans_cannot_be_ended_from_within() -> None:
    for text in ("a`b", "``", "`", " x ", "a|b", HOSTILE, "\\", "a`` `b"):
        (paragraph,) = [t for t in MarkdownIt().parse("x " + markdown.code(text) + " y") if t.type == "inline"]
        assert paragraph.children is not None
        assert [child.type for child in paragraph.children] == ["text", "code_inline", "text"]


def test_running_markdown_text_shows_what_was_meant() -> None:
    text = "a *b* <i>c</i> [d](http://e) `f` & www.g.h @i #1 | ~~j~~ \\*"
    rendered = MarkdownIt("gfm-like").renderInline(markdown.plain(text))
    plain = rendered.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">").replace("\u2060", "")
    assert plain == text
